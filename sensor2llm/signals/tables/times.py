"""The time of each row in seconds, from numbers, date times or serial days.

Units of a description: s, ms, us, ns; days (Excel's serial days); iso, dmy and mdy, or a format of
one's own (see `dates`). Date and time may stand in two columns. Numbers are never taken for dates.
"""

import logging
import re
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.dates import ORDERS, has_date, over_midnight, parse_dates, pattern

logger = logging.getLogger(__name__)
TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "days": 86400.0}
DATE_UNITS = tuple(ORDERS)
FORMAT = "format"
# Excel's day of 1970-01-01.
_EPOCH_DAY = 25569
# Some 300,000 years: later is a slip, and squares of it would overflow.
_LATEST_S = 1e13
# Times of sensors are finer than this.
_COARSE_S = 1e-3
# A clock that is set back from summer time goes back by more than this.
_SET_BACK_NS = 600_000_000_000


class Place(NamedTuple):
    """Name a column of a file in messages; cells are counted on from `first_row`."""

    file: str
    column: str
    first_row: int = 0

    def error(self, row: int, why: str) -> DataError:
        """Make an error of a cell; rows are counted from 1, without the header."""
        return DataError(
            f"{self.file}: row {self.first_row + row + 1}, column {self.column!r}: {why}"
        )


@dataclass
class ClockState:
    """Carry a file's clock from one chunk of its rows to the next."""

    second: int | None = None
    """The whole second of the first row, from which ticks are counted."""
    zoned: bool | None = None
    """Whether dates say their offset from UTC."""
    tick: int = 0
    """Of the last row, where it is in an hour that its zone has twice."""
    hour: str = ""
    """Of the last row: '', or the `first` or `second` of the two."""
    pending: int = 0
    """Rows of the hour that the last row is in, as long as its clock has not gone back."""
    of_day: int | None = None
    """The last row's nanoseconds of the day, where dates have no day."""
    days: int = 0
    """How many midnights have passed since the first row."""
    unsure: int = 0
    """Rows in such hours of which nothing says which it is."""

    def settle(self) -> None:
        """Leave the hour of the last row."""
        self.unsure, self.pending, self.hour = self.unsure + self.pending, 0, ""

    def warn(self, place: Place, zone: str) -> None:
        """Warn of rows that may be an hour off, once all rows were read."""
        self.settle()
        if self.unsure:
            logger.warning(
                "%s: %d rows of column %r are in the hour that %s has twice, and do not say which; "
                "the first is taken", place.file, self.unsure, place.column, ZoneInfo(zone).key,
            )  # fmt: skip


def seconds(
    column: pa.ChunkedArray,
    unit: str,
    place: Place,
    form: str = "",
    zone: str = "",
    state: ClockState | None = None,
) -> Float64[np.ndarray, " row"]:
    """Give times in seconds; dates count from 1970.

    Args:
        column: of numbers, texts, dates or durations.
        unit: one of this module.
        place: of the column, for messages.
        form: how dates are written, where `unit` is `format`.
        zone: the zone of dates that do not say their offset; UTC where it is not given.
        state: of the rows before these; None where there are none.
    """
    whole = state is None
    state = ClockState() if state is None else state
    times = _seconds(column, unit, place, form, zone, state)
    if whole:
        state.warn(place, zone)
    return times


def _seconds(
    column: pa.ChunkedArray, unit: str, place: Place, form: str, zone: str, state: ClockState
) -> np.ndarray:
    if column.null_count:
        raise place.error(pc.index(pc.is_null(column), True).as_py(), "the time is missing")
    if pa.types.is_duration(column.type):
        column, unit = pc.cast(pc.cast(column, pa.duration("ns")), pa.int64()), "ns"
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("ns"))
    if pa.types.is_timestamp(column.type):
        ticks = pc.cast(pc.cast(column, pa.timestamp("ns", column.type.tz)), pa.int64()).to_numpy()
        return _scaled(_in_zone(ticks, "" if column.type.tz else zone, state), 1e-9, state)
    if unit in (*DATE_UNITS, FORMAT):
        return _scaled(_date_times(column, unit, place, form, zone, state), 1e-9, state)
    _check_digits(column, unit, place)
    try:
        times = _scaled(pc.cast(column, pa.int64()).to_numpy(), TIME_UNITS[unit], state)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        times = _numbers(column, place) * TIME_UNITS[unit]
    if unit == "days":
        times = times - _EPOCH_DAY * TIME_UNITS["days"]
    late = np.flatnonzero(~(np.abs(times) < _LATEST_S))
    if late.size:
        row = int(late[0])
        raise place.error(row, f"{cell_text(column[row])} {unit} is no time; is its unit right?")
    return times


def _scaled(ticks: np.ndarray, tick_s: float, state: ClockState) -> np.ndarray:
    """Scale whole ticks; nanoseconds since 1970 do not fit a double, their difference does."""
    if tick_s >= 1:
        return ticks * tick_s
    per_second = round(1 / tick_s)
    if state.second is None:
        state.second = int(ticks[0]) // per_second
    return (ticks - state.second * per_second) * tick_s + state.second


def as_floats(column: pa.ChunkedArray) -> Float64[np.ndarray, " row"]:
    """Give a column of numbers, NaN where a cell is empty.

    Raises:
        pa.ArrowInvalid: a cell is no number.
    """
    values = pc.cast(column, pa.float64()).combine_chunks()
    if not values.null_count:
        return np.from_dlpack(values)
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
        hint = next((f"; write unit: {unit}" for unit in DATE_UNITS if is_date(text, unit)), "")
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


def is_date(text: str, unit: str) -> bool:
    """Say whether a text is a date of this order."""
    return re.match(ORDERS[unit], text.strip()) is not None


def _date_times(
    column: pa.ChunkedArray, unit: str, place: Place, form: str, zone: str, state: ClockState
) -> np.ndarray:
    text = pc.utf8_trim_whitespace(as_text(column, place))
    try:
        # What arrow reads by itself: years first, and no offset.
        plain = unit == "iso" and not state.zoned
        ticks = pc.cast(text, pa.timestamp("ns")) if plain else None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        ticks = None
    if ticks is not None:
        state.zoned = False
        return _in_zone(pc.cast(ticks, pa.int64()).to_numpy(), zone, state)
    rule = pattern(form) if unit == FORMAT else ORDERS[unit]
    ticks, state.zoned, row = parse_dates(text, rule, state.zoned)
    if row is None and unit == FORMAT and not has_date(form) and len(ticks):
        last = int(ticks[-1])
        ticks, state.days = over_midnight(ticks, state.of_day, state.days)
        state.of_day = last
    if row is None:
        return _in_zone(ticks, "" if state.zoned else zone, state)
    cell = cell_text(text[row])
    kind = {"iso": "ISO date time", FORMAT: f"date time of the format {form[:60]!r}"}.get(
        unit, f"date time in the order {unit}"
    )
    others = [other for other in DATE_UNITS if other != unit and is_date(cell, other)]
    hint = f"; write unit: {' or unit: '.join(others)}" if others else ""
    raise place.error(row, f"{cell!r} is no {kind}{hint}")


def _in_zone(ticks: np.ndarray, zone: str, state: ClockState) -> np.ndarray:
    """Give UTC of a wall clock; where it is set back, an hour is there twice.

    Rows of that hour before the clock goes back are of its first time, those after it of the
    second; where it does not go back within the hour, the first is taken, and counted as unsure.
    """
    if not zone:
        return ticks
    wall = pa.array(ticks).cast(pa.timestamp("ns"))
    first, second = (
        pc.cast(pc.assume_timezone(wall, zone, ambiguous=which, nonexistent="earliest"), pa.int64())
        .to_numpy(zero_copy_only=False)
        for which in ("earliest", "latest")
    )  # fmt: skip
    twice = np.flatnonzero(first != second)
    if not twice.size:
        state.settle()
        return first
    times = first.copy()
    for run in np.split(twice, np.flatnonzero(np.diff(twice) > 1) + 1):
        # The run of the chunk before may go on in this one.
        if run[0] or not state.hour:
            state.settle()
        back = np.flatnonzero(
            np.diff(ticks[run], prepend=state.tick if state.hour else ticks[run[:1]])
            < -_SET_BACK_NS
        )
        after = run if state.hour == "second" else run[back[0] :] if back.size else run[:0]
        times[after] = second[after]
        state.pending = 0 if after.size else state.pending + len(run)
        state.hour, state.tick = "second" if after.size else "first", int(ticks[run[-1]])
    if twice[-1] < len(ticks) - 1:
        state.settle()
    return times


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
