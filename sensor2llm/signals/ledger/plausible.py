"""Take out of a table's values what stands for none and what cannot be, and count it."""

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
    if missing is None:
        for row, column in zip(values, columns, strict=True):
            _refuse_marker(row, column)
    numbers = [marker for marker in missing or () if not isinstance(marker, str)]
    marks = np.isin(values, numbers)
    if marks.any():
        values = np.where(marks, np.nan, values)
        shown = ", ".join(f"{number:g}" for number in numbers)
        ledger.change(
            unit, int(marks.any(axis=0).sum()), f"with a mark of a missing value ({shown})"
        )
    if scale is not None:
        values = values * np.asarray(scale)[:, None]
    return _possible_values(values, modality, columns, ledger, unit)


def _possible_values(
    values: np.ndarray, modality: Modality, columns: Sequence[str], ledger: Ledger, unit: str
) -> np.ndarray:
    beyond = np.zeros(values.shape, dtype=bool)
    for i, (channel, column) in enumerate(zip(modality.channels, columns, strict=True)):
        low, high = limits_of(canonical_unit(channel.unit), modality, i)
        beyond[i] = (values[i] < low) | (values[i] > high)
        share = beyond[i].sum() / max(1, np.isfinite(values[i]).sum())
        if share > MOST_SHARE:
            raise SpecError(
                f"'{modality.name}' is said to be in {channel.unit}, but {share:.0%} of the values "
                f"of {column!r} are not within {low:g} to {high:g} {channel.unit}; is it another "
                "unit, or raw counts of the sensor?"
            )
    if not beyond.any():
        return values
    units = "/".join(dict.fromkeys(modality.units))
    reason = f"with a value that cannot be in {units} taken as missing"
    ledger.change(unit, int(beyond.any(axis=0).sum()), reason)
    return np.where(beyond, np.nan, values)


def limits_of(unit: str, modality: Modality, channel: int) -> tuple[float, float]:
    """Give the least and the greatest value that a channel in a unit can have."""
    if modality.axis == "event" and channel == 0 and unit in ("s", "ms"):
        scale = 1.0 if unit == "s" else 1000.0
        return _SHORTEST_INTERVAL_S * scale, _LONGEST_INTERVAL_S * scale
    return LIMITS.get(unit, (-LARGEST, LARGEST))


def find_marker(row: np.ndarray) -> float | None:
    """Give the number in a channel that looks like a mark of a missing value; None without one."""
    for marker in MARKERS:
        marked = row == marker
        if marked.any():
            rest = row[np.isfinite(row) & ~marked]
            far = not rest.size or abs(marker) > _FAR * np.abs(rest).max()
            if far or (marker < 0 <= rest.min()):
                return marker
    return None


def _refuse_marker(row: np.ndarray, column: str) -> None:
    if (marker := find_marker(row)) is not None:
        raise DataError(
            f"{int((row == marker).sum())} values of {column!r} are {marker:g}, which looks like a "
            f"mark of a missing value; write missing: [{marker:g}] into the description "
            "(TABLE.yaml), or missing: [] where it was measured"
        )
