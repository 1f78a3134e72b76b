"""The verb `chat` at a real terminal: a prompt, echoed words, answers; see test_chat for Ctrl-C."""

import codecs
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.models import LABELS
from tests.verbs import llm_folder, save_adapter, save_recording

ROOT = Path(__file__).resolve().parents[2]
# Without COLUMNS, which a process beside others may have: the terminal's own width counts.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {
    "OMP_NUM_THREADS": "1",
    "TERM": "xterm",
    "PYTHONPATH": str(ROOT),
}
COLUMNS = 72
# What a shell does for a program: its terminal is the one whose Ctrl-C reaches it.
START = """
import fcntl, runpy, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


class Terminal:
    """A verb on its own pseudo-terminal."""

    def __init__(self, *words: object) -> None:
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, COLUMNS))
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, *map(str, words)],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=ENVIRONMENT,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.said, self._decoder = "", codecs.getincrementaldecoder("utf-8")()

    def wait_for(self, pattern: str, seconds: float = 300) -> str:
        """Read until `pattern` was written; give what came before it, and forget both."""
        until = time.monotonic() + seconds
        while not (found := re.search(pattern, self.said)):
            assert time.monotonic() < until, self.said
            assert self._read(), f"it ended: {self.said}"
        before, self.said = self.said[: found.end()], self.said[found.end() :]
        return before

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def _read(self, seconds: float = 1.0) -> bool:
        if select.select([self.ours], [], [], seconds)[0]:
            try:
                part = os.read(self.ours, 65536)
            except OSError:  # Linux: the other side is closed
                return False
            self.said += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._decoder.decode(part))
            return bool(part)
        return self.process.poll() is None


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    base = tmp_path_factory.mktemp("terminal")
    return save_adapter(base / "adapter"), save_recording(base / "walk.csv")


@pytest.fixture
def chat(given):
    adapter, recording = given
    words = ("--llm", llm_folder(), "--max_new_tokens", "5", "--window", recording)
    terminal = Terminal("sensor2llm.chat", adapter, *words)
    yield terminal
    terminal.process.kill()
    terminal.process.wait()
    os.close(terminal.ours)


def test_a_conversation_at_a_terminal(chat):
    drawn = chat.wait_for("ask anything, or /help")
    assert any(f"{label} 0." in drawn for label in LABELS)
    lines = drawn.splitlines()
    assert [line for line in lines if len(line) > COLUMNS] == []
    curves = [line for line in lines if re.search("[\u2801-\u28ff]", line)]
    assert len(curves) == 2 * 3  # two lines a channel
    assert all(line.endswith(" g") for line in curves[::2]), curves
    chat.wait_for("> ")
    chat.type("How fast?\n")
    assert "How fast?" in chat.wait_for("\n> ")
    chat.type("/labels\n")
    assert ", ".join(LABELS) in chat.wait_for("\n> ")
    chat.type("/window nowhere.csv\n")
    assert "nowhere.csv does not exist" in chat.wait_for("\n> ")
    chat.type("help\n")
    assert "Everything else is a question" in chat.wait_for("\n> ")
    chat.type("exit\n")
    assert chat.process.wait(60) == 0
    assert "Traceback" not in chat.said
