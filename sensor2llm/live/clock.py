"""Times for samples that come without: by the sensors' rate, their intervals, or their number."""

from collections.abc import Mapping, Sequence

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.modality import canonical_unit
from sensor2llm.signals.tables.description import TableModality

PAUSE_S = 1.0
"""Samples without a time that come later than this after the last were not measured meanwhile."""


class SampleClock:
    """Count samples that have no time.

    Args:
        entries: what they are of.
        name: of the source, for messages.

    Raises:
        DataError: the sensors have several rates.
    """

    def __init__(self, entries: Sequence[TableModality], name: str) -> None:
        rates = {entry.modality.rate_hz for entry in entries if entry.modality.rate_hz}
        if len(rates) > 1:
            raise DataError(
                f"{name} needs a time, such as time_s: its sensors have different rates"
            )
        self._step_s = 1.0 / rates.pop() if rates else None
        events = [e for e in entries if e.modality.axis == "event"]
        units = {e: canonical_unit(e.modality.channels[0].unit) for e in events}
        self._column = next((e.columns[0] for e in events if units[e] in ("s", "ms")), None)
        self._unit_s = 1e-3 if "ms" in units.values() else 1.0
        self._next_s = 0.0
        self._came_s: float | None = None

    def times_s(self, values: Mapping[str, np.ndarray], now_s: float) -> np.ndarray:
        """Give the times of samples that came now, one after the other."""
        count = len(next(iter(values.values())))
        if self._came_s is not None and now_s - self._came_s > PAUSE_S and self._step_s:
            self._next_s += now_s - self._came_s
        self._came_s = now_s
        if self._step_s is None and self._column is not None:
            intervals = values[self._column] * self._unit_s
            usual = np.nanmedian(intervals) if np.isfinite(intervals).any() else 0.0
            steps = np.where(np.isfinite(intervals), intervals, usual)
            first_s, self._next_s = self._next_s, self._next_s + float(steps.sum())
            return np.asarray(first_s + np.cumsum(steps))
        step_s = self._step_s or 1.0
        first_s, self._next_s = self._next_s, self._next_s + count * step_s
        return np.asarray(first_s + np.arange(count) * step_s)
