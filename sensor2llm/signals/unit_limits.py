"""Which values a unit cannot have on a body: a sensor's fault or a marker, not a measurement."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sensor2llm.signals.ledger import Ledger
from sensor2llm.signals.spec import Channel, canonical_unit

LIMITS: dict[str, tuple[float, float]] = {
    "m/s^2": (-981.0, 981.0),  # 100 g: what stops a car, not what a wrist does
    "g": (-100.0, 100.0),
    "rad/s": (-100.0, 100.0),
    "deg/s": (-5730.0, 5730.0),
    "uV": (-1e6, 1e6),
    "mV": (-1e3, 1e3),
    "uS": (-10.0, 1000.0),
    "degC": (-50.0, 100.0),
    "bpm": (0.0, 400.0),
    "%": (-200.0, 200.0),
}
"""Least and greatest value that can be; wide, so that no true value lies outside."""
# Other units are bounded by what arithmetic in single precision can still square and add up.
_ANY = (-1e15, 1e15)


def mask_impossible(
    values: Float[np.ndarray, "channel sample"],
    channels: Sequence[Channel],
    ledger: Ledger,
    rows_unit: str = "samples",
) -> Float[np.ndarray, "channel sample"]:
    """Turn values that their unit cannot have, infinite ones too, into NaN.

    Args:
        values: Float values; NaN is a value that was not measured.
        channels: The row's names and units.
        ledger: Counts the samples with such a value, by sensor and limit, as changed.
        rows_unit: What the ledger calls the samples.

    Returns:
        The same array where there is nothing to mask.
    """
    low, high = np.array([LIMITS.get(canonical_unit(c.unit), _ANY) for c in channels]).T
    with np.errstate(invalid="ignore"):
        outside = (values < low[:, None]) | (values > high[:, None])
    for row, channel in zip(outside, channels, strict=True):
        n = int(row.sum())
        if n:
            bounds = "{:g} to {:g}".format(*LIMITS.get(canonical_unit(channel.unit), _ANY))
            reason = f"with {channel.name} outside {bounds} {channel.unit}, taken as missing"
            ledger.change(rows_unit, n, reason)
    return np.where(outside, np.nan, values) if outside.any() else values
