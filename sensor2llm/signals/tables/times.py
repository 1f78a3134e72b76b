"""The time of each row in seconds, from numbers, date times or serial days.

Units of a description: s, ms, us, ns; days (Excel's serial days); iso (year first, with dashes,
slashes or points), dmy and mdy (day or month first). Date and time may stand in two columns.
"""

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64

from sensor2llm.errors import DataError

TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "days": 86400.0}
DATE_UNITS = ("iso", "dmy", "mdy")
# Excel's day of 1970-01-01.
_EPOCH_DAY = 25569
# Some 300,000 years: later is a slip, and squares of it would overflow.
_LATEST_S = 1e13
# Times of sensors are finer than this.
_COARSE_S = 1e-3
_DATE = {
    "iso": (r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", r"\1-\2-\3"),
    "dmy": (r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", r"\3-\2-\1"),
    "mdy": (r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", r"\3-\1-\2"),
}
# Single digits get their zero, a comma before the fraction becomes a point.
_TIDY = ((r"-(\d)-", r"-0\1-"), (r"-(\d)([ T])", r"-0\1\2"), (r"([ T])(\d):", r"\10\2:"),
         (r"(:\d\d),(\d+)", r"\1.\2"))  # fmt: skip


class Place(NamedTuple):
    """Name a column of a file in messages."""

    file: str
    column: str

    def error(self, row: int, why: str) -> DataError:
        """Make an error of a cell; rows are counted from 1, without the header."""
        return DataError(f"{self.file}: row {row + 1}, column {self.column!r}: {why}")


def seconds(column: pa.ChunkedArray, unit: str, place: Place) -> Float64[np.ndarray, " row"]:
    """Give times in seconds; dates count from 1970 (UTC where no zone is given)."""
    if column.null_count:
        raise place.error(pc.index(pc.is_null(column), True).as_py(), "the time is missing")
    if pa.types.is_duration(column.type):
        column, unit = pc.cast(pc.cast(column, pa.duration("ns")), pa.int64()), "ns"
    if unit in DATE_UNITS or pa.types.is_timestamp(column.type):
        ticks = pc.cast(_date_times(column, unit, place), pa.int64())
        return _scaled(ticks.to_numpy(), 1e-9)
    _check_digits(column, unit, place)
    try:
        times = _scaled(pc.cast(column, pa.int64()).to_numpy(), TIME_UNITS[unit])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        times = _numbers(column, place) * TIME_UNITS[unit]
    if unit == "days":
        times = times - _EPOCH_DAY * TIME_UNITS["days"]
    late = np.flatnonzero(~(np.abs(times) < _LATEST_S))
    if late.size:
        row = int(late[0])
        raise place.error(row, f"{cell_text(column[row])} {unit} is no time; is its unit right?")
    return times


def _scaled(ticks: np.ndarray, tick_s: float) -> np.ndarray:
    """Scale whole ticks; nanoseconds since 1970 do not fit a double, their difference does."""
    if tick_s >= 1:
        return ticks * tick_s
    per_second = round(1 / tick_s)
    second = int(ticks[0]) // per_second
    return (ticks - second * per_second) * tick_s + second


def as_floats(column: pa.ChunkedArray) -> Float64[np.ndarray, " row"]:
    """Give a column of numbers, NaN where a cell is empty.

    Raises:
        pa.ArrowInvalid: a cell is no number.
    """
    values = pc.cast(column, pa.float64()).combine_chunks()
    # `to_numpy` and scalars import pandas, which takes half a second.
    numbers, present = np.from_dlpack(values.drop_null()), pc.cast(values.is_valid(), pa.uint8())
    floats = np.full(len(values), np.nan)
    floats[np.from_dlpack(present).astype(bool)] = numbers
    return floats


def _numbers(column: pa.ChunkedArray, place: Place) -> np.ndarray:
    try:
        return as_floats(column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        row = first_bad_cell(column, pa.float64())
        text = cell_text(column[row])
        hint = next((f"; write unit: {unit}" for unit, (date, _) in _DATE.items()
                     if re.match(date, text)), "")  # fmt: skip
        raise place.error(row, f"{text!r} is not a number{hint}") from error


def _check_digits(column: pa.ChunkedArray, unit: str, place: Place) -> None:
    """Refuse 32-bit numbers that cannot tell neighbouring rows apart."""
    if not (pa.types.is_float32(column.type) or pa.types.is_float16(column.type)):
        return
    values = column.to_numpy().astype(np.float32)
    largest = np.abs(values).max(initial=0.0)
    step_s = float(np.spacing(largest)) * TIME_UNITS[unit]
    steps = np.diff(np.unique(values)) * TIME_UNITS[unit]
    alike = len(values) > 1 and not steps.size and step_s > _COARSE_S
    if alike or (np.isfinite(step_s) and steps.size and np.median(steps) < 4 * step_s):
        raise DataError(
            f"{place.file}: column {place.column!r}: times near {largest:.6g} {unit} are stored as "
            f"{column.type}, which cannot tell less than {step_s:.3g} s apart; store them as "
            "float64 or as whole numbers"
        )


def _date_times(column: pa.ChunkedArray, unit: str, place: Place) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        return pc.cast(column, pa.timestamp("ns", tz=column.type.tz))
    text = pc.utf8_trim_whitespace(as_text(column, place))
    date, order = _DATE.get(unit, _DATE["iso"])
    tidy = pc.replace_substring_regex(text, date, order)
    for pattern, better in _TIDY:
        tidy = pc.replace_substring_regex(tidy, pattern, better)
    kinds = (pa.timestamp("ns"), pa.timestamp("ns", tz="UTC"))
    for kind in kinds:
        try:
            return pc.cast(tidy, kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    zoned = pc.match_substring_regex(tidy[:1], r"(Z|[+-]\d\d:?\d\d)\s*$")
    row = first_bad_cell(tidy, kinds[1] if zoned[0].as_py() else kinds[0])
    kind = "ISO date time" if unit == "iso" else f"date time in the order {unit}"
    hint = (
        "; write unit: dmy or unit: mdy" if re.match(_DATE["dmy"][0], cell_text(text[row])) else ""
    )
    raise place.error(row, f"{cell_text(text[row])!r} is no {kind}{hint if unit == 'iso' else ''}")


def as_text(column: pa.ChunkedArray, place: Place) -> pa.ChunkedArray:
    """Give a column as texts."""
    try:
        text = pc.cast(column, pa.string())
        text.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{place.file}: column {place.column!r} holds {str(column.type)[:60]} that is no text"
        ) from error
    return text


def first_bad_cell(column: pa.ChunkedArray, kind: pa.DataType) -> int:
    """Find the first cell that cannot be cast, by halving; for once casting has failed."""
    first, last = 0, len(column)
    while last - first > 1:
        middle = (first + last) // 2
        try:
            pc.cast(column[first:middle], kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            last = middle
        else:
            first = middle
    return first


def cell_text(cell: pa.Scalar) -> str:
    """Give a cell's text for a message, cut where it is long."""
    text = str(cell.as_py())
    return text if len(text) <= 60 else f"{text[:57]}..."
