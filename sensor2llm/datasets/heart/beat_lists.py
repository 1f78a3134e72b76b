"""Read a text file of heart beats: an interval a line, or time, interval and label.

Between the columns stands a tab, a semicolon, a comma or blanks. The text is UTF-8, or UTF-16 with
its mark. Each column has a unit of its own, s or ms: intervals whose median is above 10 are ms; the
unit of the times is the one in which their steps agree with the intervals.
"""

import codecs
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64
from pyarrow import csv

from sensor2llm.errors import DataError

MAX_MEDIAN_S, GREATEST = 10.0, 1e20
# So many steps of time say whether they are those of the intervals.
_ENOUGH_STEPS = 10
_TIME_UNITS_S = {"s": 1.0, "ms": 1e-3}

Column = Float64[np.ndarray, " beat"]


@dataclass(frozen=True, kw_only=True, eq=False)
class BeatList:
    """Hold a file's beats: the time of each, its interval from the one before, and its label."""

    times_s: Column
    intervals_s: Column
    labels: list[str] | None
    """One a beat; `None` where the file has no such column."""
    shared: int
    """How many beats had a stamp that others have too; their times follow from the intervals."""


def read_beats(path: Path) -> BeatList:
    """Read one file."""
    return beats_of(path.name, path.read_bytes())


def beats_of(name: str, raw: bytes, names_allowed: bool = False) -> BeatList:
    """Read a file's bytes; `names_allowed` passes over a first line that is no beat.

    Raises:
        DataError: For what is no list of beats; `name` is the file's, for the message.
    """
    text = decode(name, raw)
    if not text.strip():
        raise DataError(f"{name} is empty")
    if names_allowed:
        first, _, rest = text.lstrip().partition("\n")
        text = rest if re.search("[A-Za-z]{2}", first) else text
    rows = _cells(text)
    columns = [] if rows is None else [_numbers(cells) for cells in rows.columns[:2]]
    if rows is None or any(column is None for column in columns):
        raise _first_fault(name, text)
    values = [column for column in columns if column is not None]
    labels = rows[2].to_pylist() if rows.num_columns == 3 else None
    intervals = values[-1] / (1000 if np.median(values[-1]) > MAX_MEDIAN_S else 1)
    if len(values) == 1:
        return BeatList(times_s=np.cumsum(intervals), intervals_s=intervals, labels=None, shared=0)
    _check_order(name, *values)
    times = values[0] * _TIME_UNITS_S[_time_unit(name, values[0], intervals)]
    shared = np.r_[False, np.diff(times) == 0]
    shared |= np.r_[shared[1:], False]
    if shared.any():
        times = spread_by_intervals(times, intervals)
    return BeatList(times_s=times, intervals_s=intervals, labels=labels, shared=int(shared.sum()))


def spread_by_intervals(times_s: Column, intervals_s: Column) -> Column:
    """Give beats that share a stamp times of their own: the last keeps it, the others come before.

    No beat comes before the stamp of the packet before its own.
    """
    last = np.searchsorted(times_s, times_s, side="right") - 1
    first = np.searchsorted(times_s, times_s)
    passed = np.cumsum(np.maximum(intervals_s, 0))
    before = np.where(first > 0, times_s[first - 1], -np.inf)
    return np.maximum(times_s - (passed[last] - passed), before)


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 with its mark."""
    return decode(path.name, path.read_bytes())


def decode(name: str, raw: bytes) -> str:
    """Decode a file's bytes in UTF-8, or in UTF-16 with its mark; `name` is for the message."""
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is no UTF-8 text: byte {error.start} cannot be read; save it as UTF-8"
        ) from error


def _separator(text: str) -> str:
    """Choose by the first line: a tab, a semicolon or a comma; else blanks."""
    first = text.lstrip().partition("\n")[0]
    return next((mark for mark in "\t;," if mark in first), " ")


def _cells(text: str) -> pa.Table | None:
    """Give the cells as text, a column each; `None` where the lines have different widths."""
    separator = _separator(text)
    text = re.sub(r"[ \r]*\n[ \r]*", "\n", text).strip(" \r\n")
    if separator == " ":
        text = re.sub(r" +", " ", text)
    options = csv.ReadOptions(autogenerate_column_names=True, use_threads=False)
    strings = csv.ConvertOptions(
        column_types={f"f{i}": pa.string() for i in range(4)}, null_values=[]
    )
    parse = csv.ParseOptions(delimiter=separator, quote_char=False)
    try:
        table = csv.read_csv(io.BytesIO(text.encode()), options, parse, strings)
    except (pa.ArrowException, UnicodeEncodeError):
        return None
    if table.num_columns > 3:
        return None
    cells = [pc.utf8_trim_whitespace(column) for column in table.columns]
    if separator != ",":
        cells[:2] = [pc.replace_substring(column, ",", ".") for column in cells[:2]]
    return pa.table(cells, names=table.column_names)


def _numbers(cells: pa.ChunkedArray) -> Column | None:
    try:
        column = pc.cast(cells, pa.float64()).to_numpy()
    except pa.ArrowException:
        return None
    return column if (np.abs(column) < GREATEST).all() else None


def _check_order(name: str, times: Column, intervals: Column) -> None:
    back = np.flatnonzero(np.diff(times) < 0)
    if not back.size:
        return
    if (np.diff(intervals) > 0).all():
        raise DataError(
            f"{name}: the second column counts up and the first does not; expected the time "
            "first, then the interval"
        )
    row = int(back[0]) + 1
    raise DataError(
        f"{name}: beat {row + 1} at {times[row]:g} lies before the one above it, at "
        f"{times[row - 1]:g}; sort them"
    )


def _time_unit(name: str, times: Column, intervals_s: Column) -> str:
    """Say in which unit the steps from stamp to stamp are the intervals between them."""
    first = np.flatnonzero(np.r_[True, np.diff(times) > 0])
    steps, passed_s = np.diff(times[first]), np.add.reduceat(intervals_s, first)[1:]
    if len(intervals_s) <= _ENOUGH_STEPS:
        return "s"
    if not len(steps):
        raise DataError(f"{name}: all beats have one time, {times[0]:g}; leave it out")
    ratio = float(np.median(steps / np.maximum(passed_s, 1e-9)))
    for unit, seconds in _TIME_UNITS_S.items():
        if 2 / 3 < ratio * seconds < 1.5:
            return unit
    raise DataError(
        f"{name}: a step of time is {float(np.median(steps)):g} where the interval is "
        f"{float(np.median(passed_s)):g} s; expected times in s or ms that agree with the "
        "intervals, time first"
    )


def _first_fault(name: str, text: str) -> DataError:
    """Say which line is not as described: looked for only once reading has failed."""
    separator, width = _separator(text), 0
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split(None if separator == " " else separator)
        if not line.strip():
            continue
        width = width or len(cells)
        if len(cells) != width or width > 3 or not all(map(_is_number, cells[:2])):
            return DataError(
                f"{name}: line {number}: {line[:60]!r}; expected an interval, or time, "
                "interval and label with tabs between them, the same in every line, no header"
            )
    return DataError(f"{name}: expected an interval a line")


def _is_number(cell: str) -> bool:
    try:
        return abs(float(cell.replace(",", "."))) < GREATEST
    except ValueError:
        return False
