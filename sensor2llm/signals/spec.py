"""What a window holds: modalities, their channels and units, their axis and how many steps.

accel = Modality(
    name="watch_accel",
    channels=tuple(Channel(name=axis, unit="m/s^2") for axis in "xyz"),
    steps=128,
    rate_hz=50.0,
)
spec = SignalSpec(modalities=(accel,), window_s=2.56)
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sensor2llm.errors import SpecError
from sensor2llm.signals.modality import Axis, Channel, Modality, canonical_unit

if TYPE_CHECKING:
    from sensor2llm.signals.window import Window

__all__ = ["Axis", "Channel", "Modality", "SignalSpec", "canonical_unit"]


@dataclass(frozen=True, kw_only=True)
class SignalSpec:
    """Describe every modality that a window may hold; any of them may be absent from a window.

    `window_s` is the length in seconds of windows that have a time axis; without it, the length
    is taken from the modalities' steps and rates. A modality may have a length of its own, as where
    data sets stand side by side.

    Raises:
        SpecError: If names repeat, or steps and rates do not fit the window's length.
    """

    modalities: tuple[Modality, ...]
    window_s: float | None = None

    def __post_init__(self) -> None:
        modalities = tuple(self.modalities)
        object.__setattr__(self, "modalities", modalities)
        if not modalities or len(set(self.names)) < len(modalities):
            raise SpecError(f"a spec needs modalities with different names, got {list(self.names)}")
        timed = [m for m in modalities if m.rate_hz]
        if self.window_s is None and timed:
            object.__setattr__(self, "window_s", max(m.steps / (m.rate_hz or 1.0) for m in timed))
        for modality in timed:
            self._check_steps(modality)

    def _check_steps(self, modality: Modality) -> None:
        length_s = self.length_s(modality.name) or 0.0
        exact = length_s * (modality.rate_hz or 0.0)
        # Half a step off is rounding (2.56 s of 20 Hz); one step or more is a mistake.
        if abs(exact - modality.steps) > 0.5 + 1e-6:
            raise SpecError(
                f"{modality.name!r} has {modality.steps} steps at {modality.rate_hz:g} Hz, but "
                f"a window of {length_s:g} s has {round(exact)}; change one of the three"
            )

    def length_s(self, name: str) -> float | None:
        """Give how many seconds a window of one modality lasts; None without a time axis."""
        modality = self[name]
        return (modality.window_s or self.window_s) if modality.axis == "time" else None

    @property
    def lengths_s(self) -> tuple[float, ...]:
        """Give the different lengths of its modalities' windows in seconds, the shortest first."""
        lengths = {self.length_s(name) for name in self.names}
        return tuple(sorted(length for length in lengths if length is not None))

    @property
    def length_text(self) -> str:
        """Say how long windows are: "2.56 s", "2.56 to 30 s", or nothing without a time axis."""
        ends = dict.fromkeys(self.lengths_s[:1] + self.lengths_s[-1:])
        return " to ".join(f"{length:g}" for length in ends) + " s" * bool(ends)

    @property
    def names(self) -> tuple[str, ...]:
        """Give the modalities' names in order."""
        return tuple(modality.name for modality in self.modalities)

    def __getitem__(self, name: str) -> Modality:
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise SpecError(f"unknown modality {name!r}; the spec has {', '.join(self.names)}")

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def subset(self, names: Iterable[str]) -> "SignalSpec":
        """Give the spec with only these modalities, in this spec's order.

        Where those that are left have one length, it is the spec's.
        """
        wanted = {self[name].name for name in names}
        modalities = tuple(m for m in self.modalities if m.name in wanted)
        window_lengths = (self.length_s(m.name) for m in modalities)
        lengths = {length for length in window_lengths if length is not None}
        window_s = max(lengths, default=None)
        if len(lengths) == 1:
            modalities = tuple(replace(m, window_s=None) for m in modalities)
        elif any(m.axis == "time" and m.window_s is None for m in modalities):
            window_s = self.window_s
        return SignalSpec(modalities=modalities, window_s=window_s)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON types; `from_dict` is the inverse.

        Bounds and lengths that are not set are left out, so that specs keep the fingerprint that
        they had.
        """
        plain = asdict(self)
        for modality in plain["modalities"]:
            modality["channels"] = [_plain_channel(channel) for channel in modality["channels"]]
            if modality["window_s"] is None:
                del modality["window_s"]
        return {**plain, "modalities": list(plain["modalities"])}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "SignalSpec":
        """Build a spec from what `to_dict` gave.

        Raises:
            SpecError: If fields are missing or unknown.
        """
        try:
            modalities = tuple(_modality(fields) for fields in plain["modalities"])
            return cls(**{**plain, "modalities": modalities})
        except (KeyError, TypeError, AttributeError) as error:
            newer = "unexpected keyword" in str(error)
            advice = "; a newer release may have written it: upgrade sensor2llm" * newer
            raise SpecError(f"not a signal spec: {error}{advice}") from error

    def without_gaps(self, window: "Window") -> "Window":
        """Give the window without rows of values (axis none) that hold NaN: they are missing.

        A row is missing as a whole: what stands in for it is learned for the row.
        """
        gaps = {
            name
            for name, values in window.signals.items()
            if name in self and self[name].axis == "none" and np.isnan(values).any()
        }
        signals = {name: values for name, values in window.signals.items() if name not in gaps}
        return replace(window, signals=signals) if gaps else window

    def check(self, window: "Window") -> None:
        """Raise SpecError unless the window fits: known modalities, (channel, step), finite values.

        Values outside a channel's bounds do not fit.
        """
        if not window.signals:
            raise SpecError(f"window has no modality, the spec expects some of {list(self.names)}")
        for name, values in window.signals.items():
            self._expect(name)
            self[name].check_values(np.asarray(values))

    def check_compatible(self, other: "SignalSpec") -> None:
        """Raise SpecError unless data with spec `other` can be used where this spec is expected.

        Modalities that `other` lacks are allowed: they are missing sensors.
        """
        for modality in other.modalities:
            self._expect(modality.name)
            self[modality.name].check_compatible(modality)

    def _expect(self, name: str) -> None:
        if name not in self.names:
            raise SpecError(
                f"window has the unknown modality {name!r}, the spec expects "
                f"{', '.join(self.names)}; rename it or leave it out, or map it: "
                f"classify --map {self.names[0]}={name}"
            )


def _plain_channel(channel: Mapping[str, Any]) -> dict[str, Any]:
    unset = {bound for bound in ("low", "high") if channel[bound] is None}
    return {name: value for name, value in channel.items() if name not in unset}


def _modality(fields: Mapping[str, Any]) -> Modality:
    channels = tuple(Channel(**channel) for channel in fields["channels"])
    return Modality(**{**fields, "channels": channels})
