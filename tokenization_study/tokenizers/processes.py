"""Count for several tokenizers at once, in processes of their own where cores are free.

The first chunk of each form is counted here; a longer input goes on in forked processes, which
have what was learnt so far. One pass reads the input and writes each form once for all of them.
"""

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from tokenization_study.reading.written import SerialisedText
from tokenization_study.tokenizers.segment_cache import Counter, count_chunk
from tokenization_study.tokenizers.tally import TokenTally


def free_cores() -> int:
    """Give how many cores this process may use that no other work takes, one at least."""
    if sys.platform != "linux":  # elsewhere a process starts anew, or forking is not safe
        return 1
    return max(1, round(len(os.sched_getaffinity(0)) - os.getloadavg()[0]))


class ParallelCounting:
    """Count chunks of several forms (rows of `counters`) for several tokenizers (its columns)."""

    def __init__(self, counters: Sequence[Sequence[Counter]], processes: int) -> None:
        self._counters = counters
        self._count = min(processes, len(counters[0]))
        self._counted: set[int] = set()
        self._workers: list[Connection] = []
        self._processes: list[BaseProcess] = []

    def add(self, form: int, written: SerialisedText) -> None:
        """Count a chunk of a form for every tokenizer; raises what a tokenizer raises."""
        if not self._workers and form in self._counted and self._count > 1:
            self._start()
        self._counted.add(form)
        if not self._workers:
            count_chunk(self._counters[form], written)
        for worker in self._workers:
            try:
                worker.send((form, written))
            except BrokenPipeError:
                raise _answer(worker) from None

    def tallies(self) -> list[list[TokenTally]]:
        """Give what was counted: a row a form, a column a tokenizer."""
        tallies = [[counter.tally for counter in row] for row in self._counters]
        for number, worker in enumerate(self._workers):
            with suppress(BrokenPipeError):
                worker.send(None)
            answer = _answer(worker)
            if isinstance(answer, BaseException):
                raise answer
            for row, own in zip(tallies, answer, strict=True):
                row[number :: self._count] = own
        return tallies

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        for worker, process in zip(self._workers, self._processes, strict=True):
            worker.close()
            process.terminate()
            process.join()

    def _start(self) -> None:
        fork = multiprocessing.get_context("fork")
        for number in range(self._count):
            here, there = fork.Pipe()
            self._workers.append(here)
            own = [row[number :: self._count] for row in self._counters]
            # A copy of the others' ends in the child would keep them from seeing this one end.
            process = fork.Process(target=_serve, args=(there, own, self._workers), daemon=True)
            with warnings.catch_warnings():
                # From 3.12 on Python warns of any thread; these run none of Python's in the child.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            self._processes.append(process)
            there.close()


def _answer(worker: Connection) -> Any:
    """Give what a process sends at its end: tallies, or what it raised."""
    try:
        return worker.recv()
    except (EOFError, OSError):
        return MemoryError("a process that counts for the audit was ended; use --processes 1")


def _serve(
    connection: Connection, counters: Sequence[Sequence[Counter]], others: Sequence[Connection]
) -> None:
    """Count what comes, until nothing more does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in others:
        other.close()
    try:
        while (message := connection.recv()) is not None:
            form, written = message
            count_chunk(counters[form], written)
        connection.send([[counter.tally for counter in row] for row in counters])
    except EOFError:
        return
    except Exception as error:  # the process that asked raises it
        with suppress(OSError):
            connection.send(error)
