"""Tell whether a table's rows come at the rate that its description gives."""

from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.description import Table

TOLERANCE = 0.1
_SLIPS = {1e3: "a thousand times", 1e6: "a million times", 1e9: "1e9 times"}


def observed_rate_hz(times_s: np.ndarray) -> float:
    """Estimate the rate of stamps, pauses left out.

    A plain median would miss by a tenth where stamps are rounded to milliseconds, so steps up to
    twice the median are averaged.
    """
    steps = np.diff(times_s)
    typical = np.median(steps)
    return float(1 / steps[steps <= 2 * typical].mean())


def check_rates(
    path: Path, times_s: np.ndarray, values: dict[str, np.ndarray], table: Table
) -> None:
    """Refuse rows that come at another rate than described."""
    for entry in table.modalities:
        name = entry.modality.name
        if entry.rate_hz is None or name not in values:
            continue
        rates = {}
        for column, row in zip(entry.columns, values[name], strict=True):
            stamps = times_s[np.isfinite(row)]
            if len(stamps) < 8:
                continue
            rates[f"column {column!r}"] = observed_rate_hz(stamps)
            middle = len(stamps) // 2
            _compare(path, name, {
                "the first half": observed_rate_hz(stamps[:middle]),
                "the second half": observed_rate_hz(stamps[middle:]),
            })  # fmt: skip
        if rates:
            _compare(path, name, rates)
            _expect(path, name, next(iter(rates.values())), entry.rate_hz, bool(table.files))


def _compare(path: Path, name: str, rates: dict[str, float]) -> None:
    slow, fast = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
    if rates[fast] > (1 + 2 * TOLERANCE) * rates[slow]:
        raise DataError(
            f"{path.name}: two rates in modality '{name}': {slow} comes at {rates[slow]:.4g} Hz, "
            f"{fast} at {rates[fast]:.4g} Hz; make two modalities or two files of them"
        )


def _expect(path: Path, name: str, rate_hz: float, expected: float, described: bool) -> None:
    ratio = rate_hz / expected
    if abs(ratio - 1) <= TOLERANCE:
        return
    hint = f"write rate_hz: {rate_hz:.4g}" if described else "is the time's unit right?"
    for slip, words in _SLIPS.items():
        if abs(ratio / slip - 1) <= TOLERANCE or abs(ratio * slip - 1) <= TOLERANCE:
            hint = f"that is {words} off: is the time's unit right?"
    if abs(ratio / 86400 - 1) <= TOLERANCE:
        hint = "is the time in days, as Excel writes it? write unit: days"
    raise DataError(
        f"{path.name}: '{name}' comes at {rate_hz:.4g} Hz, the description says "
        f"{expected:g} Hz; {hint}"
    )
