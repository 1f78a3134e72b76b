"""Many inputs over all readers in processes of their own: resumable, bounded in time, each replayable.

Input number i of a seed is always the same: reader i modulo their number, changed as i says. A
worker that gives no answer is ended, and its input is a hang.
"""

import json
import multiprocessing
import random
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from tests.fuzz.attempt import FAILURES, LONGEST_S, FuzzResult, attempt, limit_memory
from tests.fuzz.mutations import Files, mutate
from tests.fuzz.readers import READERS
from tests.fuzz.seeds import SEEDS

CHUNK = 200
"""Inputs that a worker takes at once; finished ones are not run again."""
ENDED_S = 3 * LONGEST_S


class FuzzWorker:
    """Keeps every reader's seed, and runs inputs on it."""

    def __init__(self, seed: int, readers: Sequence[str]) -> None:
        self._seed, self._readers = seed, readers
        self._base = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self._files: dict[str, Files] = {}

    def make(self, number: int) -> tuple[str, Files]:
        """Give the reader of an input, and the input's files."""
        reader = self._readers[number % len(self._readers)]
        if reader not in self._files:
            folder = self._base / reader
            folder.mkdir()
            SEEDS[reader](folder)
            self._files[reader] = read_files(folder)
            shutil.rmtree(folder)
        return reader, mutate(self._files[reader], random.Random(f"{self._seed}/{number}"))

    def run(self, number: int) -> tuple[str, Files, FuzzResult]:
        """Make an input, and read it."""
        reader, files = self.make(number)
        folder = self._base / "input"
        write_files(folder, files)
        try:
            return reader, files, attempt(READERS[reader], folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._base, ignore_errors=True)


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


def _work(pipe: Connection, seed: int, readers: Sequence[str]) -> None:
    """Run the inputs that are asked for, one answer each."""
    import torch

    torch.set_num_threads(1)
    worker = FuzzWorker(seed, readers)
    for number in range(len(readers)):
        worker.make(number)  # seeds and libraries are loaded before memory is limited
    limit_memory()
    while (number := pipe.recv()) is not None:
        reader, files, result = worker.run(number)
        failing = files if result.kind in FAILURES else None
        pipe.send((number, reader, result, failing))
    worker.close()


class _Hand:
    """A worker's process, what it is doing, and since when."""

    def __init__(self, seed: int, readers: Sequence[str]) -> None:
        self._arguments = (seed, readers)
        self.numbers: Iterator[int] = iter(())
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_work, args=(other, *self._arguments), daemon=True
        )
        self.process.start()
        other.close()
        self.number: int | None = None

    def ask(self) -> bool:
        """Send the next input; False where there is none."""
        self.number = next(self.numbers, None)
        self.since = time.monotonic()
        if self.number is not None:
            self.pipe.send(self.number)
        return self.number is not None

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
        rest = iter(sorted(set(range(self.inputs)) - {r["number"] for r in self.results()}))
        numbers = (n for n in rest if time.monotonic() - begun < self.seconds)
        hands = [_Hand(self.seed, self.readers) for _ in range(self.jobs)]
        with self._log.open("a", encoding="utf-8") as log:
            for hand in hands:
                hand.numbers = numbers
            busy = [hand for hand in hands if hand.ask()]
            while busy:
                ready = wait([hand.pipe for hand in busy], timeout=1)
                for hand in [*busy]:
                    record = self._take(hand, hand.pipe in ready)
                    if record:
                        log.write(json.dumps(record) + "\n")
                        log.flush()
                        if not hand.ask():
                            busy.remove(hand)
        for hand in hands:
            hand.end()
        return self.results()

    def _take(self, hand: _Hand, is_ready: bool) -> dict[str, Any] | None:
        """Take a worker's answer; one that is gone or silent is begun again."""
        number = hand.number
        assert number is not None
        if is_ready:
            try:
                _, reader, result, failing = hand.pipe.recv()
                return self._record(number, reader, result, failing)
            except (EOFError, ConnectionResetError):
                result = FuzzResult("traceback", "the process is gone")
        elif time.monotonic() - hand.since > ENDED_S * (1 if hand.process.is_alive() else 0) + 60:
            result = FuzzResult("hang", "no answer; the process was ended")
        else:
            return None
        hand.end()
        hand.start()
        worker = FuzzWorker(self.seed, self.readers)
        reader, files = worker.make(number)
        worker.close()
        return self._record(number, reader, result, files)

    def _record(
        self, number: int, reader: str, result: FuzzResult, failing: Files | None
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
    return attempt(READERS[folder.name.split("-")[0]], folder)


def counts(results: Sequence[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Count the results of each reader by their kind."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        found[result["reader"]][result["kind"]] += 1
    return dict(found)
