"""Samples that come as lines: JSON objects, or CSV below a header.

{"time_s": 17.02, "accel.x": 0.1, "accel.y": null}      a sample a line; what lacks was not measured
time_s,accel.x,accel.y
17.02,0.1,

The time stands in `time_s`, `time_ms`, `time_us`, `time_ns`, or in `time` or `timestamp` (seconds,
or ISO date times); without one, samples come at the adapter's rate.
"""

import contextlib
import csv
import json
import math
import os
import select
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

import numpy as np

from sensor2llm.errors import DataError, one_line
from sensor2llm.live.sources.source import NOTHING, LiveSamples
from sensor2llm.signals.tables.named_columns import TIMES
from sensor2llm.signals.tables.times import TIME_UNITS

_BLOCK, _LONGEST_LINE = 1 << 16, 1 << 20
_DELIMITERS = ",;\t"
_DATED = ("time", "timestamp")
_LATEST_S = 1e13


class LineSource:
    """Read samples from a stream of lines.

    Args:
        stream: of bytes, such as `sys.stdin.buffer`.
        name: what messages call it.

    Raises:
        DataError: it ends before a line, or its first line is no sample and no header.
    """

    def __init__(self, stream: BinaryIO, name: str = "standard input") -> None:
        self.name, self.units = name, dict[str, str]()
        self.losses = Counter[str]()
        self._stream, self._rest, self._number, self._ended = stream, b"", 0, False
        self._good = False
        self._reader: _JsonLines | _CsvLines | None = None
        self._waiting: list[str] = []
        while self._reader is None and not self._ended:
            self._waiting += self._lines(None)
            first = next((line for line in self._waiting if line.strip()), None)
            if first is not None:
                self._start(first)
        if self._reader is None:
            raise DataError(f"{name} ended before a line; send JSON objects, or CSV with a header")

    def _start(self, first: str) -> None:
        kind = _JsonLines if first.lstrip("\ufeff ").startswith("{") else _CsvLines
        self._reader = kind(first.lstrip("\ufeff"), self.name)
        if kind is _CsvLines:
            self._number += 1
            self._waiting.remove(first)
        else:
            # Keys of the lines that are there already: the first may lack a sensor.
            for line in self._waiting:
                with contextlib.suppress(ValueError):
                    self._reader.values(line)

    @property
    def columns(self) -> Sequence[str]:
        """Name the columns, but for the time."""
        assert self._reader is not None
        return tuple(name for name in self._reader.names if name != self._reader.clock)

    def read(self, wait_s: float) -> LiveSamples | None:
        """Give the samples of the lines that came; None at the end."""
        lines, self._waiting = self._waiting, []
        if not lines:
            if self._ended:
                return None
            lines = self._lines(wait_s)
        return self._samples(lines)

    def _lines(self, wait_s: float | None) -> list[str]:
        """Wait for a block and give its whole lines; without a limit, until there is one."""
        if not _is_ready(self._stream, wait_s):
            return []
        block = _read(self._stream)
        self._ended = not block
        *lines, self._rest = (self._rest + block).split(b"\n")
        if self._ended and self._rest:
            lines, self._rest = [*lines, self._rest], b""
        if len(self._rest) > _LONGEST_LINE:
            raise DataError(f"{self.name}: a line is longer than a megabyte; is it text?")
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]

    def _samples(self, lines: list[str]) -> LiveSamples:
        reader, rows, times = self._reader, [], []
        assert reader is not None
        for line in lines:
            self._number += 1
            if not line.strip() or reader.repeats(line):
                continue
            try:
                row = reader.values(line)
                times.append(reader.time_s(row))
                rows.append(row)
                self._good = True
            except (ValueError, TypeError, OverflowError) as error:
                self._refuse(line, error)
        if not rows:
            return NOTHING
        values = {name: np.array([row.get(name, math.nan) for row in rows], np.float64)
                  for name in self.columns}  # fmt: skip
        return LiveSamples(values, None if reader.clock is None else np.array(times))

    def _refuse(self, line: str, error: Exception) -> None:
        """Count a line that is no sample; raise DataError for the first one."""
        if not self._good:
            raise DataError(
                f"{self.name}: line {self._number}: {one_line(error, 80)}: {one_line(line, 60)!r}; "
                "send JSON objects of numbers, or CSV below a header"
            ) from None
        self.losses["lines that were no sample"] += 1

    def close(self) -> None:
        """Leave the stream as it is."""


def open_standard_input() -> LineSource:
    """Read lines from standard input."""
    return LineSource(sys.stdin.buffer)


class _JsonLines:
    """Read an object a line; a key that comes later is a column, too."""

    def __init__(self, first: str, name: str) -> None:
        self.names: list[str] = []
        self.clock: str | None = None
        try:
            self.values(first)
        except ValueError as error:
            raise DataError(
                f"{name}: line 1 is no JSON object ({one_line(error, 80)}); send one a line"
            ) from error
        self.clock = _clock(self.names)
        if len(self.names) == (self.clock is not None):
            raise DataError(f"{name}: line 1 has no number of a sensor; send column: number")

    def repeats(self, line: str) -> bool:
        """Say whether a line says nothing new."""
        return False

    def values(self, line: str) -> dict[str, Any]:
        """Give the numbers of a line, NaN where it has null."""
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("no JSON object")
        for name, value in row.items():
            if name == self.clock or (self.clock is None and name in (*TIMES, *_DATED)):
                continue
            if value is None:
                row[name] = math.nan
            elif isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name!r} is no number")
        self.names += [name for name in row if name not in self.names]
        return row

    def time_s(self, row: Mapping[str, Any]) -> float:
        """Give a line's time; 0 where lines have none."""
        return 0.0 if self.clock is None else _seconds(row.get(self.clock), self.clock)


class _CsvLines:
    """Read a row a line."""

    def __init__(self, header: str, name: str) -> None:
        self._header = header
        self._delimiter = max(_DELIMITERS, key=header.count)
        self.names = [cell.strip() for cell in self._cells(header)]
        self.clock = _clock(self.names)
        if len(set(self.names)) < len(self.names) or all(map(_is_number, self.names)):
            raise DataError(
                f"{name}: line 1 is no header of different names: {one_line(header, 60)!r}; write "
                "the columns' names there"
            )

    def _cells(self, line: str) -> list[str]:
        return next(csv.reader([line], delimiter=self._delimiter), [])

    def repeats(self, line: str) -> bool:
        """Say whether a line is the header again, as a device writes it that starts anew."""
        return line == self._header

    def values(self, line: str) -> dict[str, Any]:
        """Give the numbers of a row, NaN where a cell is empty."""
        cells = self._cells(line)
        if len(cells) != len(self.names):
            raise ValueError(f"{len(cells)} cells, {len(self.names)} columns")
        return {name: cell if name == self.clock else _number(cell, name)
                for name, cell in zip(self.names, cells, strict=True)}  # fmt: skip

    def time_s(self, row: Mapping[str, Any]) -> float:
        """Give a row's time; 0 where rows have none."""
        return 0.0 if self.clock is None else _seconds(row[self.clock], self.clock)


def _clock(names: Sequence[str]) -> str | None:
    return next((name for name in (*TIMES, *_DATED) if name in names), None)


def _number(cell: str, name: str) -> float:
    try:
        return float(cell) if cell.strip() else math.nan
    except ValueError:
        raise ValueError(f"{cell[:40]!r} of {name!r} is no number") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _seconds(value: Any, name: str) -> float:
    """Give a time in seconds; a date without a zone is UTC's."""
    if isinstance(value, str) and name in _DATED and not _is_number(value):
        date = datetime.fromisoformat(value.strip())
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    if value is None or isinstance(value, bool):
        raise ValueError(f"no time in {name!r}")
    seconds = float(value) * TIME_UNITS[TIMES.get(name, "s")]
    if not abs(seconds) < _LATEST_S:
        raise ValueError(f"{value} of {name!r} is no time")
    return seconds


def _is_ready(stream: BinaryIO, wait_s: float | None) -> bool:
    """Wait until there is something to read; where nobody can say so, reading waits itself."""
    if wait_s is None or os.name == "nt":
        return True
    try:
        return bool(select.select([stream.fileno()], [], [], wait_s)[0])
    except (OSError, ValueError):
        return True


def _read(stream: BinaryIO) -> bytes:
    read: Any = getattr(stream, "read1", stream.read)
    return read(_BLOCK)
