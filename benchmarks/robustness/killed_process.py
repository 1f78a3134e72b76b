"""A process that dies before one of its changes of files, or after a while."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensor2llm.artefacts import disk

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate", "os.chmod")
LIMIT_S = 600.0
"""After which a run counts as hanging."""


class Changes:
    """Count a process's changes of files below a folder; die before one of them."""

    def __init__(self, folder: Path, die_at: int | None, log: Path):
        self.folder, self.die_at, self.count = f"{folder}{os.sep}", die_at, 0
        self.log = log.open("w", encoding="utf-8", buffering=1)

    def start(self) -> None:
        """Listen to this process for the rest of its life."""
        fsync, exchange = os.fsync, disk.exchange

        def synced(file: int) -> None:
            name = os.readlink(f"/proc/self/fd/{file}")  # noqa: PTH115 - as it is noted itself
            self.note("fsync", name.removeprefix(self.folder))
            fsync(file)

        def noted(one: bytes, other: bytes) -> bool:
            name = os.fsdecode(one).removeprefix(self.folder)
            self.note("exchange", name)
            done = exchange(one, other)
            self.note("exchanged", name)
            return done

        os.fsync, disk.exchange = synced, noted
        sys.addaudithook(self._hear)

    def note(self, event: str, name: str) -> None:
        """Count a change; die where it is the one."""
        if self.count == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1
        self.log.write(f"{event} {name}\n")

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        writes = event == "open" and len(args) > 2 and (args[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if not (writes or event in CHANGES) or not isinstance(args[0], str | bytes | os.PathLike):
            return
        name = os.path.abspath(os.fsdecode(args[0]))  # noqa: PTH100 - no other way calls nothing
        if name.startswith(self.folder) and name != self.log.name:
            self.note(event, name.removeprefix(self.folder))


def fork(work: Callable[[], Any], log: Path, kill_after_s: float | None = None) -> tuple[int, Any]:
    """Call something in a process of its own; what it says goes to a file.

    Returns:
        Its exit code, negative for a signal; and what it gave, None where it died or raised.
    """
    answer = log.with_suffix(".answer")
    answer.unlink(missing_ok=True)
    started, child = time.monotonic(), os.fork()
    if child == 0:
        _be_child(work, log, answer)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        spent = time.monotonic() - started
        if spent > (LIMIT_S if kill_after_s is None else kill_after_s):
            os.kill(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), None
        time.sleep(0.005)
    code = json.loads(answer.read_text()) if answer.is_file() else [-signal.SIGKILL, None]
    return code[0], code[1]


def _be_child(work: Callable[[], Any], log: Path, answer: Path) -> None:
    code, result = 0, None
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        result = work()
    except BaseException:
        traceback.print_exc()
        code = 1
    answer.write_text(json.dumps([code, result]))
    sys.stdout.flush()
    os._exit(0)
