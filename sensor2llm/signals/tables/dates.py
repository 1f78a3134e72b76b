"""Dates and times of day, as people and programs write them, in nanoseconds since 1970.

`iso` (year first), `dmy` and `mdy` (day or month first, a year of four digits or two) are written
with dashes, slashes or points; a time may follow, with AM or PM, and an offset from UTC, with a
blank before it or without. Anything else is said by a pattern of strptime's signs
(`%d.%m.%Y %I:%M:%S %p`); seconds may have a fraction in all of them. A year of two digits is
POSIX's: 69 to 99 are of the 1900s. Where the pattern has no date, the day is 1970-01-01.
"""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64

from sensor2llm.errors import SpecError

_SECOND = r"(?P<S>\d{1,2})(?:[.,](?P<f>\d{1,9})\d*)?"
_HALF, _OFFSET = r"(?P<p>[AaPp])\.?[Mm]\.?", r"(?P<z>Z|UTC|[+-]\d\d:?(?:\d\d)?)"
_CLOCK = (
    rf"(?:[ T]\s*(?P<H>\d{{1,2}})(?::(?P<M>\d{{1,2}})(?::{_SECOND})?)?(?:\s*{_HALF})?"
    rf"(?:\s*{_OFFSET})?)?"
)
_DAY, _MONTH, _YEAR = r"(?P<d>\d{1,2})", r"(?P<m>\d{1,2})", r"(?P<Y>\d{4}|\d{2})"
_ORDERS = {"iso": (r"(?P<Y>\d{4})", _MONTH, _DAY), "dmy": (_DAY, _MONTH, _YEAR),
           "mdy": (_MONTH, _DAY, _YEAR)}  # fmt: skip
ORDERS = {name: f"^{'[-/.]'.join(parts)}{_CLOCK}$" for name, parts in _ORDERS.items()}
_SIGNS = {
    "Y": r"(?P<Y>\d{4})", "y": r"(?P<Y>\d{2})", "m": _MONTH, "d": _DAY, "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<H>\d{1,2})", "M": r"(?P<M>\d{1,2})", "S": _SECOND, "f": r"(?P<f>\d{1,9})\d*",
    "p": _HALF, "z": _OFFSET, "b": r"(?P<b>[A-Za-z]{3})[a-z]*\.?",
    "B": r"(?P<b>[A-Za-z]{3})[a-z]*\.?", "A": r"[A-Za-z]+", "a": r"[A-Za-z]+\.?",
    "j": r"(?P<j>\d{1,3})", "%": "%",
}  # fmt: skip
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_NANO = 1_000_000_000
_HOUR, _DAY_LONG = 3600 * _NANO, 86400 * _NANO


def pattern(form: str) -> str:
    """Give the regular expression of a strptime pattern.

    Raises:
        SpecError: For a sign that is not known, or is there twice.
    """
    # A fraction belongs to the seconds, whether the pattern names it or not.
    form = re.sub(r"%S[.,]%f", "%S", form.strip())
    words: list[str] = []
    seen: set[str] = set()
    for sign, blank, other in re.findall(r"%(.?)|(\s+)|([^%\s]+)", form):
        if blank or other:
            words.append(r"\s+" if blank else re.escape(other))
            continue
        groups = set(re.findall(r"\?P<(\w)>", _SIGNS.get(sign, "")))
        if sign not in _SIGNS or groups & seen:
            signs = " ".join(f"%{letter}" for letter in _SIGNS)
            raise SpecError(f"format {form[:60]!r}: '%{sign}' is none of {signs}, each once")
        seen |= groups
        words.append(_SIGNS[sign])
    if ("f" in seen and "S" not in seen) or not seen & {"d", "H", "j"}:
        raise SpecError(f"format {form[:60]!r} has neither a day nor an hour")
    return f"^{''.join(words)}$"


def has_date(form: str) -> bool:
    """Say whether dates of an order, or of a strptime pattern, have a day."""
    return form in ORDERS or re.search("%[dj]", form) is not None


def over_midnight(
    ticks: Int64[np.ndarray, " row"], last: int | None = None, days: int = 0
) -> tuple[Int64[np.ndarray, " row"], int]:
    """Let times of day go on at midnight, where the next is within an hour; see `ClockState`.

    Args:
        ticks: nanoseconds of the day.
        last: those of the row before; None where there is none.
        days: how many midnights were before it.

    Returns:
        Nanoseconds from the first day's begin, and how many midnights there were.
    """
    steps = np.diff(ticks, prepend=ticks[:1] if last is None else last)
    passed = days + np.cumsum((steps < _HOUR - _DAY_LONG) & (steps > -_DAY_LONG))
    return ticks + passed * _DAY_LONG, int(passed[-1]) if len(passed) else days


def parse_dates(
    text: pa.ChunkedArray, rule: str, with_offset: bool | None = None
) -> tuple[Int64[np.ndarray, " row"], bool, int | None]:
    """Read dates by a regular expression of this module.

    Args:
        text: the dates.
        rule: the regular expression.
        with_offset: whether the rows before these have an offset; None where there are none.

    Returns:
        Nanoseconds since 1970, whether they are UTC's (each has an offset), and the first row that
        is no such date or, unlike the others, has an offset or none; None where all are.
    """
    parts = pc.extract_regex(text, rule)
    parts = parts.combine_chunks()
    fields = {field.name: parts.field(field.name) for field in parts.type}
    year = _whole(fields, "Y", 1970)
    year = year + np.where(year < 69, 2000, np.where(year < 100, 1900, 0))
    month = _month(fields["b"]) if "b" in fields else _whole(fields, "m", 1)
    day = _whole(fields, "d", 1)
    hour, minute, second = (_whole(fields, key, 0) for key in "HMS")
    bad = parts.is_null().to_numpy(zero_copy_only=False)
    bad |= (month < 1) | (month > 12) | (hour > 23) | (minute > 59) | (second > 60)
    months = (year - 1970).astype("M8[Y]").astype("M8[M]") + np.clip(month - 1, 0, 11)
    days = months.astype("M8[D]") + (day - 1)
    bad |= days.astype("M8[M]") != months
    days = days + np.maximum(_whole(fields, "j", 1) - 1, 0)
    hour, wrong = _of_day(fields, hour)
    offset_s, zoned = _offsets(fields, len(parts))
    first = zoned[:1] if with_offset is None else with_offset
    bad |= wrong | (zoned != first)
    seconds = days.astype(np.int64) * 86400 + hour * 3600 + minute * 60 + second - offset_s
    rows = np.flatnonzero(bad)
    ticks = seconds * _NANO + _fraction(fields, len(parts))
    return ticks, bool(zoned[:1].any()), int(rows[0]) if rows.size else None


def _whole(fields: dict[str, Any], key: str, other: int) -> np.ndarray:
    """Give a part as whole numbers, `other` where it is not written."""
    column = fields.get(key)
    if column is None:
        return np.array(other, dtype=np.int64)
    there = pc.if_else(pc.equal(column, ""), None, column)
    return pc.fill_null(pc.cast(there, pa.int64()), other).to_numpy(zero_copy_only=False)


def _month(names: Any) -> np.ndarray:
    index = pc.index_in(pc.utf8_lower(names), value_set=pa.array(_MONTHS))
    return pc.fill_null(index, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1


def _of_day(fields: dict[str, Any], hour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the hour of the day, and where twelve hours are no such."""
    if "p" not in fields:
        return hour, np.zeros(hour.shape, dtype=bool)
    half = pc.fill_null(pc.utf8_lower(fields["p"]), "").to_numpy(zero_copy_only=False)
    halves = half != ""
    return np.where(halves, hour % 12 + 12 * (half == "p"), hour), halves & (
        (hour < 1) | (hour > 12)
    )


def _offsets(fields: dict[str, Any], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the offsets from UTC in seconds, and which rows have one."""
    if "z" not in fields:
        return np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=bool)
    coded = pc.fill_null(fields["z"], "").dictionary_encode()
    seconds = [_offset_s(text) for text in coded.dictionary.to_pylist()]
    of_text = np.array([value or 0 for value in seconds], dtype=np.int64)
    there = np.array([value is not None for value in seconds], dtype=bool)
    codes = coded.indices.to_numpy(zero_copy_only=False)
    return of_text[codes], there[codes]


def _offset_s(text: str) -> int | None:
    if text in ("", "Z", "UTC"):
        return 0 if text else None
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if text[0] == "-" else seconds


def _fraction(fields: dict[str, Any], rows: int) -> np.ndarray:
    if "f" not in fields:
        return np.zeros(rows, dtype=np.int64)
    digits = pc.utf8_rpad(pc.fill_null(fields["f"], ""), width=9, padding="0")
    return pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False)
