r"""The key `time` of a description: when each row was measured.

time: {column: t, unit: ms}                  # s, ms, us, ns, days, iso, dmy, mdy
time: {column: [Date, Time], unit: dmy, zone: Europe/Berlin}
time: {column: t, format: "%d %b %Y %I:%M:%S %p", offset_s: -3.2}
time: {rate_hz: 50}                          # rows come at this rate
time: {rate_hz: 50, start: {file: '(\d{8}_\d{6})'}, format: "%Y%m%d_%H%M%S"}
time: {column: n, unit: samples}             # a counter, at the modality's rate
"""

import re
from typing import Any
from zoneinfo import ZoneInfo

from sensor2llm.errors import SpecError
from sensor2llm.signals.tables.dates import pattern
from sensor2llm.signals.tables.description import NO_CLOCK, SAMPLES, TableClock
from sensor2llm.signals.tables.fields import check_keys, mapping, number, shown, text, texts
from sensor2llm.signals.tables.times import DATE_UNITS, FORMAT, TIME_UNITS

KEYS = ("column", "unit", "format", "zone", "offset_s", "rate_hz", "start")
NEEDED = (
    "a modality with a time axis needs time: {column: NAME, unit: ms}, or time: {rate_hz: 50} for "
    "rows without a clock; name the columns of a file without a header line with names: [NAME, ...]"
)
_STARTS = ("value", "head", "file")


def clock(plain: Any, needed: bool) -> TableClock:
    """Read the key `time`; `needed` where rows must have a time."""
    if plain is None:
        if needed:
            raise SpecError(NEEDED)
        return NO_CLOCK
    check_keys(plain, KEYS, required=(), where="time")
    rate = plain.get("rate_hz")
    rate_hz = None if rate is None else number(rate, "rate_hz of time")
    if rate_hz is not None and rate_hz <= 0:
        raise SpecError(f"rate_hz of time must be above 0, got {shown(rate)}")
    form = "" if plain.get("format") is None else text(plain["format"], "format of time")
    start = _start(plain.get("start"))
    columns = () if plain.get("column") is None else texts(plain["column"], "the column of time")
    unit = _unit(plain.get("unit"), form, counted=rate_hz is not None, started=start is not None)
    counted = rate_hz is not None or unit == SAMPLES
    if not (columns or counted):
        raise SpecError("time: the key 'column' is missing; or write rate_hz: 50 for rows alone")
    if start and not counted:
        raise SpecError("start of time is for rows that come at a rate; write rate_hz, or leave it")
    if len(columns) > 1 and unit not in (*DATE_UNITS, FORMAT):
        raise SpecError(
            f"time in the columns {', '.join(columns)} needs a unit in {', '.join(DATE_UNITS)}, "
            f"or a format, got {unit!r}"
        )
    return TableClock(
        columns=columns,
        unit=SAMPLES if counted else unit,
        form=form,
        zone="" if plain.get("zone") is None else _zone(text(plain["zone"], "zone of time")),
        offset_s=number(plain.get("offset_s", 0), "offset_s of time"),
        rate_hz=rate_hz,
        start=start,
        start_unit="s" if unit == SAMPLES else unit,
    )


def _unit(plain: Any, form: str, *, counted: bool, started: bool) -> str:
    """Give the unit of the times, of the start's where rows are counted."""
    if form:
        if plain not in (None, FORMAT):
            raise SpecError(f"time has a format and the unit {shown(plain)}; leave the unit out")
        pattern(form)
        return FORMAT
    if plain is None and counted:
        return SAMPLES
    units = (*TIME_UNITS, *DATE_UNITS, SAMPLES)
    if plain is None:
        raise SpecError("time: the key 'unit' is missing")
    if not isinstance(plain, str) or plain not in units:
        raise SpecError(
            f"unknown time unit {shown(plain)}; choose from {', '.join(units)}, or write a format"
        )
    if counted and not started and plain != SAMPLES:
        raise SpecError(
            f"time has rate_hz, so rows are counted, and the unit {plain!r}; leave one of them out"
        )
    return plain


def _start(plain: Any) -> tuple[str, str] | None:
    if plain is None:
        return None
    if not isinstance(plain, dict):
        return "value", text(plain, "start of time")
    if len(plain) != 1 or next(iter(plain)) not in _STARTS:
        raise SpecError(
            f"start of time must be a time, {{head: REGEX}} or {{file: REGEX}}, got {shown(plain)}"
        )
    kind, value = next(iter(mapping(plain, "start of time").items()))
    rule = text(value, f"{kind} of start")
    try:
        re.compile(rule)
    except re.error as error:
        raise SpecError(f"start {{{kind}: {rule[:60]}}} is no pattern: {error}") from error
    return str(kind), rule


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SpecError(f"unknown zone {name[:60]!r}; write it as Europe/Berlin") from error
    return name
