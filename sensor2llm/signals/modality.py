"""One sensor of a window: its channels with their units, its axis, and how many steps."""

import math
import re
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, get_args

import numpy as np

from sensor2llm.errors import SpecError

LARGEST = 1e15
"""Largest value of any window; its square is still a number in 32 bits."""

Axis = Literal["time", "event", "none"]

# A modality's name is also the name of its file in a store and of its encoder in a checkpoint.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_RESERVED = ("present", "labels", "subjects", "starts", "recordings", "digests", "store")
_SPELLINGS = {
    "m/s2": "m/s^2", "m/s²": "m/s^2", "m/s**2": "m/s^2", "m s^-2": "m/s^2", "m.s-2": "m/s^2",
    "dps": "deg/s", "°/s": "deg/s", "degrees/s": "deg/s", "G": "g",
    "µV": "uV", "μV": "uV", "µS": "uS", "μS": "uS", "°C": "degC", "sec": "s", "msec": "ms",
}  # fmt: skip


def canonical_unit(unit: str) -> str:
    """Give one spelling for a unit: `m/s2` and `m/s²` are `m/s^2`; others stay as they are."""
    return _SPELLINGS.get(unit.strip(), unit.strip())


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Name one row of a modality, its unit (`"x"` in `"m/s^2"`), and what its values can be.

    `low` and `high` are the least and the greatest value that can be right; None for no bound. A
    window outside of them is refused, as an age of 670 years is a slip and no age.

    Raises:
        SpecError: If the name is empty, or the bounds cannot be.
    """

    name: str
    unit: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise SpecError("a channel needs a name, got ''")
        low, high = self.bounds
        if math.isnan(low) or math.isnan(high) or low > high:
            raise SpecError(
                f"bounds of channel {self.name!r} must be numbers, low up to high, "
                f"got {self.low} and {self.high}"
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """Give the least and the greatest value; infinite where there is no bound."""
        low = -math.inf if self.low is None else self.low
        return low, math.inf if self.high is None else self.high


@dataclass(frozen=True, kw_only=True)
class Modality:
    """Describe one sensor: its channels, and how many steps of which axis a window has.

    `axis` is `time` (regular samples, `rate_hz` given), `event` (one step a beat or a breath) or
    `none` (a row of values: one step). `window_s` is this sensor's length of a window in seconds,
    where it is not the spec's.

    Raises:
        SpecError: If the fields do not fit each other.
    """

    name: str
    channels: tuple[Channel, ...]
    steps: int
    axis: Axis = "time"
    rate_hz: float | None = None
    window_s: float | None = None

    def __post_init__(self) -> None:
        channels = tuple(self.channels)
        object.__setattr__(self, "channels", channels)
        if not _NAME.fullmatch(self.name) or self.name in _RESERVED:
            raise SpecError(
                f"modality name {self.name!r} cannot be used; take letters, digits, '_' and '-', "
                f"a letter first, and none of {', '.join(_RESERVED)}"
            )
        if self.axis not in get_args(Axis):
            choices = ", ".join(get_args(Axis))
            raise SpecError(f"unknown axis {self.axis!r} of {self.name!r}; choose from {choices}")
        if not channels or len(set(self.channel_names)) < len(channels):
            raise SpecError(
                f"{self.name!r} needs channels with different names, got {list(self.channel_names)}"
            )
        self._check_axis()

    def _check_axis(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, Integral) or self.steps < 1:
            raise SpecError(f"steps of {self.name!r} must be positive, got {self.steps!r}")
        if self.axis == "none" and self.steps != 1:
            raise SpecError(f"{self.name!r} has no axis, so steps must be 1, got {self.steps}")
        if self.axis != "time" and self.rate_hz is not None:
            raise SpecError(
                f"{self.name!r} has axis {self.axis!r}; only a time axis has a rate, "
                f"got {self.rate_hz:g} Hz"
            )
        if self.axis == "time" and (
            self.rate_hz is None or not math.isfinite(self.rate_hz) or self.rate_hz <= 0
        ):
            raise SpecError(f"{self.name!r} needs a rate in Hz above 0, got {self.rate_hz}")
        if self.window_s is not None and not (self.axis == "time" and self.window_s > 0):
            raise SpecError(
                f"window_s of {self.name!r} must be positive, and only a time axis has one, "
                f"got {self.window_s:g} on axis {self.axis!r}"
            )

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Give the channels' names in order."""
        return tuple(channel.name for channel in self.channels)

    @property
    def units(self) -> tuple[str, ...]:
        """Give the channels' units in order, as they were written."""
        return tuple(channel.unit for channel in self.channels)

    @property
    def shape(self) -> tuple[int, int]:
        """Give the shape of one window of this modality: (channel, step)."""
        return len(self.channels), self.steps

    def check_compatible(self, other: "Modality") -> None:
        """Raise SpecError unless `other` holds the same channels, units, axis, rate and steps.

        `other` is what was given, `self` what is expected.
        """
        if other.channel_names != self.channel_names:
            names, expected = (", ".join(m.channel_names) for m in (other, self))
            self._refuse(f"channels {names}", expected, "name or order the columns so")
        for theirs, ours in zip(other.channels, self.channels, strict=True):
            if canonical_unit(theirs.unit) != canonical_unit(ours.unit):
                self._refuse(f"in {theirs.unit}", ours.unit, "convert it or name the right unit")
        if other.axis != self.axis:
            self._refuse(f"on axis {other.axis!r}", repr(self.axis), "use data of that kind")
        if self.rate_hz and other.rate_hz and not math.isclose(other.rate_hz, self.rate_hz):
            self._refuse(f"at {other.rate_hz:g} Hz", f"{self.rate_hz:g} Hz", "resample it")
        if other.steps != self.steps:
            self._refuse(f"with {other.steps} steps", str(self.steps), "cut the windows so")

    def _refuse(self, actual: str, expected: str, advice: str) -> None:
        raise SpecError(f"window has {self.name!r} {actual}, the spec expects {expected}; {advice}")

    def check_values(self, values: np.ndarray) -> None:
        """Raise SpecError unless `values` is (channel, step), finite and within the bounds."""
        if values.shape != self.shape:
            actual, expected = f"of shape {values.shape}", f"{self.shape} (channel, step)"
            if values.shape == self.shape[::-1]:
                self._refuse(actual, expected, "it is transposed (step, channel): pass its .T")
            self._refuse(actual, expected, "cut or resample it")
        if not np.isfinite(values).all():
            bad = int(values.size - np.isfinite(values).sum())
            self._refuse(f"with {bad} NaN or infinite values", "finite ones",
                         "fill them, or leave the modality out of the window")  # fmt: skip
        if values.size and float(np.abs(values).max()) > LARGEST:
            self._refuse(f"with values up to {float(np.abs(values).max()):.3g}",
                         f"at most {LARGEST:g}", "is the unit right?")  # fmt: skip
        # Stored values are float32: 0.1 is not beyond a bound of 0.1.
        for channel, row in zip(self.channels, np.asarray(values, np.float32), strict=True):
            if (channel.low, channel.high) == (None, None):
                continue
            low, high = (np.float32(bound) for bound in channel.bounds)
            outside = row[(row < low) | (row > high)]
            if outside.size:
                self._refuse(f"with {channel.name} {outside[0]:g} {channel.unit}".rstrip(),
                             f"{low:g} to {high:g}",
                             "mend the value or its unit, or leave the modality out")  # fmt: skip
