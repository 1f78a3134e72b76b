"""Take out of a table's values what stands for none and what cannot be, and count it."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.modality import LARGEST
from sensor2llm.signals.spec import Modality, canonical_unit

# Least and greatest value of a unit; worn sensors end far below.
LIMITS = {
    "m/s^2": (-2000.0, 2000.0), "g": (-200.0, 200.0), "mg": (-2e5, 2e5),
    "rad/s": (-110.0, 110.0), "deg/s": (-6000.0, 6000.0),
    "bpm": (0.0, 400.0), "degC": (-100.0, 200.0), "uS": (-10.0, 1000.0),
}  # fmt: skip
# Intervals between beats or breaths, in seconds.
_SHORTEST_INTERVAL_S, _LONGEST_INTERVAL_S = 1e-3, 600.0
# More of a channel than this is no slip of the sensor but another unit.
MOST_SHARE = 0.05
# What programs write for a missing value.
MARKERS = (-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, -32768.0)
# A marker lies this many times further off than all other values, or below where none is negative.
_FAR = 5.0


def measured_values(
    values: Float64[np.ndarray, "channel step"],
    modality: Modality,
    columns: Sequence[str],
    missing: Sequence[str | float] | None,
    ledger: Ledger,
    unit: str = "rows",
    *,
    scale: Sequence[float] | None = None,
) -> Float64[np.ndarray, "channel step"]:
    """Give the values with NaN for those that were not measured: markers, and what cannot be.

    Markers are looked for in the numbers as they were written; `scale`, one a channel, brings them
    to the channels' units.

    Raises:
        DataError: For values that look like a marker that is not declared.
        SpecError: For a channel with many values that cannot be in its unit.
    """
    measured = MeasuredValues(modality, columns, missing, ledger, unit, scale)
    values = measured.take(values)
    measured.check()
    return values


class MeasuredValues:
    """Take what was not measured out of values that come in chunks; see `measured_values`."""

    def __init__(
        self,
        modality: Modality,
        columns: Sequence[str],
        missing: Sequence[str | float] | None,
        ledger: Ledger,
        unit: str = "rows",
        scale: Sequence[float] | None = None,
    ) -> None:
        self._modality, self._columns, self._ledger, self._unit = modality, columns, ledger, unit
        self._markers = [marker for marker in missing or () if not isinstance(marker, str)]
        self._scale = None if scale is None else np.asarray(scale)[:, None]
        self._suspects = [MarkerSearch() for _ in columns] if missing is None else []
        self.finite = np.zeros(len(columns), dtype=np.int64)
        """How many values of each channel were measured."""
        self._beyond, self._all = self.finite.copy(), self.finite.copy()

    def take(self, values: Float64[np.ndarray, "channel step"]) -> np.ndarray:
        """Give a chunk with NaN for what was not measured, in the channels' units."""
        for row, suspect in zip(values, self._suspects, strict=False):
            suspect.see(row)
        if self._markers and (marks := np.isin(values, self._markers)).any():
            values = np.where(marks, np.nan, values)
            shown = ", ".join(f"{number:g}" for number in self._markers)
            self._change(marks, f"with a mark of a missing value ({shown})")
        if self._scale is not None:
            values = values * self._scale
        return self._possible(values)

    def check(self) -> None:
        """Look at all that was taken.

        Raises:
            DataError: For values that look like a marker that is not declared.
            SpecError: For a channel with many values that cannot be in its unit.
        """
        for suspect, column in zip(self._suspects, self._columns, strict=False):
            suspect.check(column)
        for i, column in enumerate(self._columns):
            unit = self._modality.channels[i].unit
            low, high = limits_of(canonical_unit(unit), self._modality, i)
            share = self._beyond[i] / max(1, self._all[i])
            if share > MOST_SHARE:
                raise SpecError(
                    f"'{self._modality.name}' is said to be in {unit}, but {share:.0%} of the "
                    f"values of {column!r} are not within {low:g} to {high:g} {unit}; is it "
                    "another unit, or raw counts of the sensor?"
                )

    def _possible(self, values: np.ndarray) -> np.ndarray:
        beyond: np.ndarray | None = None
        for i, channel in enumerate(self._modality.channels):
            low, high = limits_of(canonical_unit(channel.unit), self._modality, i)
            row = values[i]
            if row.size and low <= row.min() and row.max() <= high:
                self.finite[i] += row.size
                self._all[i] += row.size
                continue
            outside, finite = (row < low) | (row > high), np.isfinite(row)
            self._all[i] += finite.sum()
            self.finite[i] += (finite & ~outside).sum()
            if outside.any():
                self._beyond[i] += outside.sum()
                beyond = np.zeros(values.shape, dtype=bool) if beyond is None else beyond
                beyond[i] = outside
        if beyond is None:
            return values
        units = "/".join(dict.fromkeys(self._modality.units))
        self._change(beyond, f"with a value that cannot be in {units} taken as missing")
        return np.where(beyond, np.nan, values)

    def _change(self, where: np.ndarray, reason: str) -> None:
        self._ledger.change(self._unit, int(where.any(axis=0).sum()), reason)


class MarkerSearch:
    """Look for a number that marks a missing value in a channel that comes in chunks."""

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf
        self._seen: dict[float, tuple[int, float, float]] = {}
        """Of each marker among the values: how often, and the range of all others."""

    def see(self, row: np.ndarray) -> None:
        """Look at the next values."""
        if not row.size:
            return
        finite, low, high = row, float(row.min()), float(row.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            finite = row[np.isfinite(row)]
            low, high = float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))
        for marker in MARKERS:
            count = int((finite == marker).sum()) if low <= marker <= high else 0
            if not count and marker not in self._seen:
                continue
            before, rest_low, rest_high = self._seen.get(marker, (0, self._low, self._high))
            rest = finite[finite != marker] if count else finite
            rest_low = float(rest.min(initial=rest_low))
            self._seen[marker] = before + count, rest_low, float(rest.max(initial=rest_high))
        self._low, self._high = min(self._low, low), max(self._high, high)

    def marker(self) -> float | None:
        """Give the number that looks like a mark of a missing value; None without one."""
        for marker in filter(self._seen.__contains__, MARKERS):
            _, low, high = self._seen[marker]
            if abs(marker) > _FAR * max(-low, high) or marker < 0 <= low:
                return marker
        return None

    def check(self, column: str) -> None:
        """Refuse a marker."""
        if (marker := self.marker()) is not None:
            raise DataError(
                f"{self._seen[marker][0]} values of {column!r} are {marker:g}, which looks like a "
                f"mark of a missing value; write missing: [{marker:g}] into the description "
                "(TABLE.yaml), or missing: [] where it was measured"
            )


def limits_of(unit: str, modality: Modality, channel: int) -> tuple[float, float]:
    """Give the least and the greatest value that a channel in a unit can have."""
    if modality.axis == "event" and channel == 0 and unit in ("s", "ms"):
        scale = 1.0 if unit == "s" else 1000.0
        return _SHORTEST_INTERVAL_S * scale, _LONGEST_INTERVAL_S * scale
    return LIMITS.get(unit, (-LARGEST, LARGEST))


def find_marker(row: np.ndarray) -> float | None:
    """Give the number in a channel that looks like a mark of a missing value; None without one."""
    search = MarkerSearch()
    search.see(row)
    return search.marker()
