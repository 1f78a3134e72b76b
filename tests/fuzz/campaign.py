"""Many inputs over all readers in processes of their own: resumable and bounded in time.

Input number i of a seed is always the same: reader i modulo their number, changed as i says. A
worker that gives no answer is ended, and its input is a hang.
"""

import faulthandler
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from tests.fuzz.attempt import FAILURES, LONGEST_S, FuzzResult, attempt
from tests.fuzz.mutations import Files, mutate
from tests.fuzz.readers import READERS
from tests.fuzz.seeds import SEEDS

ENDED_S, STARTED_S = 3 * LONGEST_S, 300


class FuzzWorker:
    """Keeps every reader's seed, and runs inputs on it, in a folder."""

    def __init__(self, seed: int, readers: Sequence[str], base: Path) -> None:
        self._seed, self._readers, self._base = seed, readers, base
        self._files: dict[str, Files] = {}

    def warm(self) -> None:
        """Make every seed and read it as it is.

        Raises:
            RuntimeError: a reader does not read its own seed.
        """
        for reader in self._readers:
            folder = self._base / reader
            folder.mkdir()
            SEEDS[reader](folder)
            self._files[reader] = read_files(folder)
            result = attempt(READERS[reader], folder)
            if result.kind != "data":
                raise RuntimeError(f"the seed of {reader} gives {result}")
            shutil.rmtree(folder)

    def run(self, number: int) -> tuple[str, Files, FuzzResult]:
        """Make an input, and read it."""
        reader = self._readers[number % len(self._readers)]
        files = mutate(self._files[reader], random.Random(f"{self._seed}/{number}"))
        folder = self._base / "input"
        write_files(folder, files)
        try:
            return reader, files, attempt(READERS[reader], folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def read_files(folder: Path) -> Files:
    """Read all files below a folder."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_files(folder: Path, files: Files) -> None:
    """Write files below a folder."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _work(pipe: Connection, seed: int, readers: Sequence[str], base: Path) -> None:
    """Say that all is there, then run the inputs that are asked for, one answer each."""
    import torch

    torch.set_num_threads(1)
    worker = FuzzWorker(seed, readers, base)
    worker.warm()
    with (base / "stack").open("w") as stack:
        # Asked for by the parent where no answer comes.
        faulthandler.register(signal.SIGUSR1, file=stack)
        _answer(pipe, worker)


def _answer(pipe: Connection, worker: FuzzWorker) -> None:
    pipe.send(None)
    while True:
        number = pipe.recv()
        reader, files, result = worker.run(number)
        pipe.send((reader, result, files if result.kind in FAILURES else None))


class _Hand:
    """A worker's process, what it is doing, and since when."""

    def __init__(self, seed: int, readers: Sequence[str]) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self._arguments = (seed, readers, self.base)
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        arguments = (other, *self._arguments)
        self.process: SpawnProcess = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        other.close()
        self.number: int | None = None
        self.has_started = False
        self.since = time.monotonic()

    def ask(self, number: int) -> None:
        self.number, self.since = number, time.monotonic()
        self.pipe.send(number)

    @property
    def is_silent(self) -> bool:
        """Say whether an answer is overdue; the seeds take their time."""
        return time.monotonic() - self.since > (STARTED_S if self.number is None else ENDED_S)

    def ask_where(self) -> str:
        """Say where a silent worker is: the last calls on its stack."""
        os.kill(self.process.pid or 0, signal.SIGUSR1)
        time.sleep(1)
        lines = (self.base / "stack").read_text().splitlines()
        return " < ".join(re.sub(r'.*"([^"]*)", line (\d+).*', r"\1:\2", x) for x in lines[1:9])

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Campaign:
    """A campaign's inputs and results, kept in a folder.

    Args:
        out: results.jsonl and failures/ lie here; those of an earlier run are taken over.
        inputs: how many there are.
        seed: of all changes.
        jobs: processes.
        seconds: after which no further input is begun.
        readers: which ones; all by default.
    """

    def __init__(
        self,
        out: Path,
        *,
        inputs: int,
        seed: int = 0,
        jobs: int = 2,
        seconds: float = 3600.0,
        readers: Sequence[str] = tuple(READERS),
    ) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.inputs, self.seed, self.jobs = out, inputs, seed, jobs
        self.seconds, self.readers = seconds, tuple(readers)
        self._log = out / "results.jsonl"

    def run(self) -> list[dict[str, Any]]:
        """Run what is not run yet, as far as the time goes; gives all results."""
        begun = time.monotonic()
        done = {record["number"] for record in self.results()}
        rest = (number for number in range(self.inputs) if number not in done)
        numbers = (n for n in rest if time.monotonic() - begun < self.seconds)
        busy = [_Hand(self.seed, self.readers) for _ in range(self.jobs)]
        with self._log.open("a", encoding="utf-8") as log:
            while busy:
                ready = wait([hand.pipe for hand in busy], timeout=1)
                for hand in [hand for hand in busy if hand.pipe in ready or hand.is_silent]:
                    if record := self._take(hand, hand.pipe in ready):
                        log.write(json.dumps(record) + "\n")
                        log.flush()
                    if not hand.has_started:
                        continue
                    if (number := next(numbers, None)) is not None:
                        hand.ask(number)
                    else:
                        hand.end()
                        shutil.rmtree(hand.base, ignore_errors=True)
                        busy.remove(hand)
        return self.results()

    def _take(self, hand: _Hand, is_ready: bool) -> dict[str, Any] | None:
        """Take a worker's answer; one that is gone or silent is begun again."""
        number, hand.number = hand.number, None
        try:
            if is_ready and (answer := hand.pipe.recv()) is None:
                hand.has_started = True
                return None
            result = FuzzResult("hang", "" if is_ready else hand.ask_where())
            if is_ready:
                reader, result, failing = answer
                return self._record(number, reader, result, failing)
        except (EOFError, ConnectionResetError):
            result = FuzzResult("traceback", "the process is gone")
        if number is None:
            raise RuntimeError("a worker did not start; run `python -m pytest tests/fuzz`")
        reader = self.readers[number % len(self.readers)]
        record = self._record(number, reader, result, read_files(hand.base / "input"))
        hand.end()
        hand.start()
        return record

    def _record(
        self, number: int | None, reader: str, result: FuzzResult, failing: Files | None
    ) -> dict[str, Any]:
        if failing is not None:
            folder = self.out / "failures" / f"{reader}-{result.kind.replace(' ', '-')}-{number}"
            shutil.rmtree(folder, ignore_errors=True)
            write_files(folder, failing)
        return {"number": number, "reader": reader, "kind": result.kind, "detail": result.detail}

    def results(self) -> list[dict[str, Any]]:
        """Give what is known so far."""
        if not self._log.exists():
            return []
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [r for r in map(json.loads, lines) if r["number"] < self.inputs]


def replay(folder: Path) -> FuzzResult:
    """Read a failing input again: a folder of `failures`."""
    reader = folder.name.split("-")[0]
    with tempfile.TemporaryDirectory() as base:
        FuzzWorker(0, [reader], Path(base)).warm()
        copy = shutil.copytree(folder, Path(base) / "input")
        return attempt(READERS[reader], copy)


def counts(results: Sequence[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Count the results of each reader by their kind."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        found[result["reader"]][result["kind"]] += 1
    return dict(found)
