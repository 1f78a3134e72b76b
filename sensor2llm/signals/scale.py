"""Recognise values that are in another unit than the one that was written down."""

import numpy as np
from jaxtyping import Float

from sensor2llm.errors import SpecError
from sensor2llm.signals.spec import Modality, canonical_unit

GRAVITY = 9.80665
_GRAVITY = {"g": 1.0, "m/s^2": GRAVITY, "mg": 1000.0}
COUNTS = "raw counts of the sensor"
# A steady pull of so many times gravity is none that people wear a sensor in.
_STRONGEST_PULL = 4.0
# A turn faster than this (about 2,300 deg/s) is beyond the range of the sensors people wear.
_FASTEST_RAD_S = 40.0
# Inter-beat intervals: 0.25 s is 240 beats a minute, 3 s is 20.
_INTERVAL_S = (0.25, 3.0)
# Of values in several chunks, every so many are looked at.
_SAMPLED = 256


def check_scale(
    values: Float[np.ndarray, "channel step"], unit: str, name: str = "", axis: str = "time"
) -> None:
    """Raise SpecError if the values cannot be in `unit`, and say which unit they look like.

    Recognised are accelerations (three channels, gravity included) in g, mg or m/s^2, turn rates
    in rad/s that are deg/s, and on an event axis intervals in s or ms. NaN is left out.
    """
    values = np.asarray(values, dtype=np.float64)
    measured = values[:, np.isfinite(values).all(axis=0)]
    if measured.shape[1] == 0:
        return
    unit = canonical_unit(unit)
    guess, why = None, ""
    if unit in _GRAVITY and len(values) == 3:
        guess, why = _acceleration(np.linalg.norm(measured, axis=0), unit)
    elif unit == "rad/s":
        if np.abs(measured).max() > _FASTEST_RAD_S:
            fastest = float(np.quantile(np.abs(measured), 0.99))
            guess, why = ("deg/s" if fastest > _FASTEST_RAD_S else None), f"values of {fastest:.3g}"
    elif unit in ("s", "ms") and axis == "event":
        guess, why = _interval(float(np.median(measured)))
    if guess not in (None, unit):
        subject = repr(name) if name else "the signal"
        cure = "convert them" if guess == COUNTS else f"convert it or write unit {guess}"
        raise SpecError(
            f"{subject} is said to be in {unit}, but with {why} it looks like {guess}; {cure}"
        )


def check_track_scale(modality: Modality, values: Float[np.ndarray, "channel step"]) -> None:
    """Raise SpecError if a modality's values look like another unit than its channels name."""
    for unit in dict.fromkeys(modality.units):
        rows = [i for i, other in enumerate(modality.units) if other == unit]
        check_scale(np.asarray(values)[rows], unit, modality.name, modality.axis)


class ScaleSample:
    """Keep some of a modality's values that come in chunks, and look at their unit at the end."""

    def __init__(self, modality: Modality) -> None:
        self._modality = modality
        self._parts: list[np.ndarray] = []

    def see(self, values: Float[np.ndarray, "channel step"]) -> None:
        """Keep all values of the first chunk until there is a second."""
        if len(self._parts) == 1:
            self._parts[0] = self._parts[0][:, ::_SAMPLED].copy()
        self._parts.append(values[:, ::_SAMPLED].copy() if self._parts else values)

    def check(self) -> None:
        """Raise SpecError if the values look like another unit than the channels name."""
        if self._parts:
            check_track_scale(self._modality, np.concatenate(self._parts, axis=1))


def _acceleration(norm: np.ndarray, unit: str) -> tuple[str | None, str]:
    middle = float(np.median(norm))
    pulls = [name for name, pull in _GRAVITY.items() if 0.75 * pull <= middle <= 1.4 * pull]
    guess = pulls[0] if pulls else None
    if guess is None and middle > _STRONGEST_PULL * _GRAVITY[unit]:
        guess = COUNTS
    why = f"a median norm of {middle:.3g}"
    if guess in (None, unit):
        return guess, why
    # Body acceleration (gravity taken out) has no steady norm, and any size: nothing to recognise.
    low, high = np.quantile(norm, (0.25, 0.75)).tolist()
    return (None if (high - low) / middle > 0.4 else guess), why


def _interval(median: float) -> tuple[str | None, str]:
    low, high = _INTERVAL_S
    for unit, factor in (("s", 1.0), ("ms", 1000.0)):
        if low * factor <= median <= high * factor:
            return unit, f"a median interval of {median:.3g}"
    return None, ""
