"""The times of a file's rows, chunk by chunk, from their column, their number or their rate."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.errors import DataError
from sensor2llm.signals.spec import canonical_unit
from sensor2llm.signals.tables.columns import numbers, times_s
from sensor2llm.signals.tables.description import SAMPLES, Table
from sensor2llm.signals.tables.times import ClockState, Place


class FileClock:
    """Give the times of a file's rows, chunk by chunk."""

    def __init__(self, table: Table, path: Path) -> None:
        self.table, self.path = table, path
        self._state, self._passed_s, self._interval_s = ClockState(), 0.0, np.nan

    def times_s(
        self, data: pa.Table, values: Mapping[str, np.ndarray], first_row: int
    ) -> np.ndarray:
        """Give the times of the next rows in seconds."""
        clock, layout = self.table.clock, self.table.layout
        if clock.unit != SAMPLES and clock.columns:
            return times_s(data, clock, self.path, layout, first_row, self._state)
        if not clock.columns:
            return self._counted_s(values, first_row, len(data)) + clock.offset_s
        counts = numbers(data, clock.columns[0], self.path, layout, first_row)
        if (empty := np.flatnonzero(np.isnan(counts))).size:
            place = Place(self.path.name, clock.name, first_row)
            raise place.error(int(empty[0]), "the number of the sample is missing")
        return counts / self._rate_hz() + clock.offset_s

    def finish(self) -> None:
        """Tell what was unsure in the times."""
        clock = self.table.clock
        self._state.warn(Place(self.path.name, clock.name), clock.zone)

    def _rate_hz(self) -> float:
        rates = {entry.rate_hz for entry in self.table.modalities if entry.rate_hz}
        if self.table.clock.rate_hz:
            return self.table.clock.rate_hz
        if len(rates) != 1:
            raise DataError(
                f"{self.path.name}: which rate does {self.table.clock.name!r} count at? write "
                "rate_hz into time"
            )
        return rates.pop()

    def _counted_s(self, values: Mapping[str, np.ndarray], first_row: int, rows: int) -> np.ndarray:
        """Give a clock to rows without one: from their rate, their intervals, or their number."""
        table = self.table
        rates = {entry.rate_hz for entry in table.modalities if entry.rate_hz}
        if table.clock.rate_hz:
            rates = {table.clock.rate_hz}
        if len(rates) > 1:
            raise DataError(
                f"{self.path.name} needs a time column, such as time_s: its modalities have "
                "different rates"
            )
        counts = np.arange(first_row, first_row + rows, dtype=np.float64)
        if rates:
            return counts / rates.pop()
        for entry in table.modalities:
            first, name = entry.modality.channels[0], entry.modality.name
            scale = {"s": 1.0, "ms": 1e-3}.get(canonical_unit(first.unit))
            if entry.modality.axis == "event" and scale and np.isfinite(values[name]).any():
                return self._summed_s(values[name][0] * scale)
        return counts

    def _summed_s(self, intervals: np.ndarray) -> np.ndarray:
        if np.isfinite(intervals).any():
            self._interval_s = float(np.nanmedian(intervals))
        intervals = np.where(np.isnan(intervals), self._interval_s, intervals)
        times = np.cumsum(np.r_[self._passed_s, intervals])[1:]
        self._passed_s = float(times[-1])
        return times
