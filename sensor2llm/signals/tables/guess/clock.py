"""Which column is the clock of a sample, and its unit, guessed by name, order and size."""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from sensor2llm.signals.tables.dates import ORDERS, has_date, over_midnight, parse_dates, pattern
from sensor2llm.signals.tables.guess.text_head import TableSample, as_number
from sensor2llm.signals.tables.rows.rates import observed_rate_hz
from sensor2llm.signals.tables.times import TIME_UNITS

_NAMES = re.compile(r"time|stamp|date|epoch|^t$|^ts$|seconds|millis|zeit|uhr|datum|clock", re.I)
_SUFFIX = re.compile(r"(?:^|[ _\[(])(s|ms|us|ns|sec|seconds|milliseconds)[\])]?$", re.I)
_WORDS = {"sec": "s", "seconds": "s", "milliseconds": "ms"}
# Seconds since 1970 of the years 2001 to 2049, in each unit.
_EPOCH = (1e9, 2.5e9)
_EXCEL = (25569.0, 73050.0)
_BY_RATE = "its rate is then a usual one"
# What sensors are read at, in Hz.
_RATES = (0.5, 5000.0)
_FORMATS = ("%d-%b-%Y %H:%M:%S", "%d %b %Y %H:%M:%S", "%Y%m%d %H%M%S", "%Y%m%d_%H%M%S",
            "%b %d, %Y %I:%M:%S %p", "%d %b %Y %I:%M:%S %p", "%H:%M:%S", "%Y%m%dT%H%M%S",
            "%a %b %d %H:%M:%S %Y")  # fmt: skip


@dataclass(frozen=True)
class ClockGuess:
    """Hold the key `time`, the times that come of it, how sure it is, and why."""

    key: dict[str, Any]
    times_s: np.ndarray
    sure: bool
    why: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Give the columns that it reads."""
        column = self.key.get("column", ())
        return (column,) if isinstance(column, str) else tuple(column)


def guess_clock(sample: TableSample) -> ClockGuess | None:
    """Guess the clock of a sample, dates first; None where no column is one.

    A column that goes back is the clock only where it is called so and no other goes forward.
    """
    guesses: list[ClockGuess] = []
    for names in _candidates(sample):
        cells = [" ".join(parts) for parts in zip(*(sample.columns[n] for n in names), strict=True)]
        column: Any = names[0] if len(names) == 1 else list(names)
        guess = _dates(column, cells) or (
            _numbers(sample, column, cells) if len(names) == 1 else None
        )
        if guess and np.ptp(guess.times_s) > 0:
            guesses.append(guess)
    forward = [guess for guess in guesses if not (np.diff(guess.times_s) < 0).any()]
    if forward:
        return max(forward, key=lambda guess: guess.times_s[0] > _EPOCH[0])
    named = [guess for guess in guesses if all(map(is_time, guess.columns))]
    return _going_back(named[0]) if named else None


def is_time(name: str) -> bool:
    """Say whether a column is called as times are."""
    return _NAMES.search(name) is not None


def _going_back(guess: ClockGuess) -> ClockGuess:
    steps = np.diff(guess.times_s)
    row = int(np.flatnonzero(steps < 0)[0])
    why = f"it goes back below row {row + 1}: sort the rows, or split the file there"
    if len(back := steps[steps < 0]) == 1 and abs(back[0] + 3600) < 60 and "unit" in guess.key:
        why = "it goes back by an hour: if a zone's clock was set back, write zone: Europe/Berlin"
    return replace(guess, sure=False, why=why)


def clock_of(sample: TableSample, column: str) -> ClockGuess | None:
    """Guess the unit of a column that is known to hold times, in any order, by name or size."""
    order = sorted(range(len(sample.columns[column])), key=lambda i: _sortable(sample, column, i))
    cells = [sample.columns[column][i] for i in order]
    guess = _dates(column, cells) or _numbers(sample, column, cells)
    return guess if guess and guess.sure and guess.why != _BY_RATE else None


def _sortable(sample: TableSample, column: str, row: int) -> tuple[float, str]:
    cell = sample.columns[column][row]
    try:
        return as_number(cell, sample.layout.get("decimal") == ","), ""
    except ValueError:
        return 0.0, cell


def _candidates(sample: TableSample) -> list[tuple[str, ...]]:
    """Give what may be the clock: a date and a time, columns by name, the first column."""
    named = [name for name in sample.names if _NAMES.search(name)]
    pairs = [(a, b) for a in named for b in named if re.search("date|datum", a, re.I)
             and a != b and re.search("time|uhr", b, re.I)]  # fmt: skip
    whole = [name for name in named if not re.fullmatch("date|datum", name, re.I)]
    others = [name for name in sample.names[:1] if name not in whole]
    return [*((pair) for pair in pairs), *((name,) for name in [*whole, *others])]


def _dates(column: Any, cells: list[str]) -> ClockGuess | None:
    text = pa.chunked_array([pa.array(cells, pa.string())])
    rules: dict[str, dict[str, Any]] = {unit: {"unit": unit} for unit in ORDERS}
    rules |= {form: {"format": form} for form in _FORMATS}
    fits: list[tuple[dict[str, Any], np.ndarray]] = []
    for name, key in rules.items():
        if not re.match(ORDERS.get(name) or pattern(name), cells[0]):
            continue
        ticks, _, bad = parse_dates(text, ORDERS.get(name) or pattern(name))
        if bad is None:
            times = (over_midnight(ticks)[0] if not has_date(name) else ticks) * 1e-9
            fits.append((key, times))
    forward = [(key, times) for key, times in fits if not (np.diff(times) < 0).any()]
    fits = forward or fits
    if not fits:
        return None
    if re.search("[AaPp][Mm]", cells[0]):
        # Clocks of twelve hours are American.
        fits.sort(key=lambda fit: fit[0].get("unit") != "mdy")
    key, times = fits[0]
    if len(fits) > 1 and "." not in cells[0].partition(" ")[0]:
        return ClockGuess({"column": column, **key}, times, False, "day or month may be first")
    return ClockGuess({"column": column, **key}, times, True, "it holds dates")


def _numbers(sample: TableSample, column: str, cells: list[str]) -> ClockGuess | None:
    comma = sample.layout.get("decimal") == ","
    try:
        values = np.array([as_number(cell, comma) for cell in cells])
    except ValueError:
        return None
    if not np.isfinite(values).all() or len(values) < 2:
        return None
    unit, sure, why = _unit(column, values)
    times = values * TIME_UNITS[unit] if unit in TIME_UNITS else values
    return ClockGuess({"column": column, "unit": unit}, times, sure, why)


def _unit(name: str, values: np.ndarray) -> tuple[str, bool, str]:
    for unit, scale in TIME_UNITS.items():
        if unit != "days" and _EPOCH[0] <= values[0] * scale <= _EPOCH[1]:
            return unit, True, "its size is that of a time since 1970"
    if _EXCEL[0] <= values[0] <= _EXCEL[1] and (values % 1).any():
        return "days", True, "its size is that of Excel's days"
    if match := _SUFFIX.search(name):
        word = match[1].lower()
        return _WORDS.get(word, word), True, "its name says so"
    steps = np.diff(values)
    if not (steps > 0).any():
        return "s", False, "it does not move"
    if (steps == 1).mean() > 0.9:
        return "samples", False, "it counts up by one: a counter of rows, or a time"
    stamps, units = np.unique(values), ("s", "ms", "us", "ns")
    rates = {unit: observed_rate_hz(stamps * TIME_UNITS[unit]) for unit in units}
    likely = [unit for unit, rate in rates.items() if _RATES[0] <= rate <= _RATES[1]]
    if not likely:
        return "s", False, "no unit gives a usual rate"
    return likely[0], len(likely) == 1, _BY_RATE
