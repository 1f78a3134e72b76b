"""The rate that rows come at, seen in their times, against the one that is described."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.description import Table

TOLERANCE = 0.1
_SLIPS = {1e3: "a thousand times", 1e6: "a million times", 1e9: "1e9 times"}
# Fewer stamps say nothing of a rate.
_FEWEST = 8


def observed_rate_hz(times_s: np.ndarray) -> float:
    """Estimate the rate of stamps, pauses left out.

    A plain median would miss by a tenth where stamps are rounded to milliseconds, so steps up to
    twice the median are averaged.
    """
    steps = np.diff(times_s)
    typical = np.median(steps)
    return float(1 / steps[steps <= 2 * typical].mean())


class RateCheck:
    """Refuse rows of one person that come at another rate than described."""

    def __init__(self, table: Table) -> None:
        self._table = table
        # Of each modality and column: the rates of the chunks' first and second halves, and whole.
        self._rates: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)

    def see(self, path: Path, times_s: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Look at the next rows; `path` is for messages.

        Raises:
            DataError: For columns of two rates, a rate that changes, or another than described.
        """
        begins = not self._rates
        of_all = _rates_of(times_s, begins)
        for entry in self._table.modalities:
            name = entry.modality.name
            if entry.rate_hz is None or name not in values:
                continue
            for column, there in zip(entry.columns, np.isfinite(values[name]), strict=True):
                chunk = of_all if there.all() else _rates_of(times_s[there], begins)
                if chunk:
                    self._rates[name, column].append(chunk)
            rates = {}
            for column in entry.columns:
                if chunks := self._rates.get((name, column)):
                    first, second, rates[f"column {column!r}"] = _halves(chunks)
                    halves = {"the first half": first, "the second half": second}
                    _compare(path, name, halves)
            if rates:
                _compare(path, name, rates)
                seen = next(iter(rates.values()))
                _expect(path, name, seen, entry.rate_hz, bool(self._table.files))


def _rates_of(stamps: np.ndarray, begins: bool) -> tuple[float, float, float] | None:
    """Give the rates of both halves and of all; None where there are too few to say.

    Of all chunks but the first, only the last of the three is asked for.
    """
    if len(stamps) < _FEWEST:
        return None
    whole = observed_rate_hz(stamps)
    if not begins:
        return np.nan, np.nan, whole
    first, second = np.split(stamps, [len(stamps) // 2])
    return observed_rate_hz(first), observed_rate_hz(second), whole


def _halves(chunks: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Give the rates of both halves of the chunks, and of all."""
    if len(chunks) == 1:
        return chunks[0]
    whole = np.array(chunks)[:, 2]
    first, second = np.split(whole, [len(whole) // 2])
    return float(np.median(first)), float(np.median(second)), float(np.median(whole))


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
