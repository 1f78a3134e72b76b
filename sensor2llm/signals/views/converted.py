"""A view of a window store in another spec: names, units, rates and window length.

har = WindowStore.open("stores/uci_har")
accel = ConvertedView(har, {"total_acc": "accel"}, spec)
accel.read([0, 1, 2])["accel"]

A view converts what a batch needs when it is asked for, and holds no signal. What takes a
WindowStore's windows takes a view of them (`sensor2llm.signals.store.windows.Windows`);
`WindowStore.write(path, view.spec, view)` makes a store of it, converted once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np
from jaxtyping import Float32

from sensor2llm.errors import DataError
from sensor2llm.signals.resample import resample
from sensor2llm.signals.scale import GRAVITY
from sensor2llm.signals.spec import Modality, SignalSpec, canonical_unit
from sensor2llm.signals.store.windows import Indices, SelectedWindows, Windows

# Unit -> what it measures, and its size in that quantity's own unit.
_UNITS = {
    "m/s^2": ("acceleration", 1.0), "g": ("acceleration", GRAVITY),
    "mg": ("acceleration", 1e-3 * GRAVITY),
    "rad/s": ("turn rate", 1.0), "deg/s": ("turn rate", pi / 180),
    "V": ("voltage", 1.0), "mV": ("voltage", 1e-3), "uV": ("voltage", 1e-6),
    "s": ("duration", 1.0), "ms": ("duration", 1e-3),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Conversion:
    """Turn one modality's values into those of the common spec."""

    name: str
    factors: Float32[np.ndarray, "channel 1"]
    rate_hz: float
    common_rate_hz: float
    start: int
    steps: int

    def __call__(
        self, values: Float32[np.ndarray, "batch channel step"]
    ) -> Float32[np.ndarray, "batch channel common_step"]:
        if self.common_rate_hz != self.rate_hz and len(values):
            # The whole window is resampled before it is cut: a cut in the middle has no edge.
            rows = values.reshape(-1, values.shape[2])
            rows = resample(rows, self.rate_hz, self.common_rate_hz)
            values = rows.reshape(*values.shape[:2], -1)
        # Rounding of steps leaves up to half a step of theirs uncovered: the last value is held.
        cut = np.minimum(np.arange(self.start, self.start + self.steps), values.shape[2] - 1)
        return values.take(cut, axis=2) * self.factors


class ConvertedView(SelectedWindows):
    """Read a store's windows in a common spec: names, units, rates and window length.

    Channels are matched by position. Accelerations in g, mg and m/s^2, turn rates in deg/s and
    rad/s, voltages in V, mV and uV and durations in s and ms are converted. A modality of the
    common spec that the store lacks is absent from all its windows; a modality of the store that
    is not mapped is left out, and so is a window that then has nothing. Of longer windows the
    centre is kept.

    Raises:
        SpecError: If a name in `modalities` is in neither spec.
        DataError: If nothing is mapped or no window has it, two modalities are mapped to one,
            channels, units or axes do not fit, or the windows are shorter than the common ones.
    """

    def __init__(self, store: Windows, modalities: Mapping[str, str], spec: SignalSpec) -> None:
        self.store, self.modalities, self.spec = store, dict(modalities), spec
        _check_names(store, self.modalities)
        offsets_s = {
            theirs: _spare_s(store, theirs, spec, ours) / 2
            for theirs, ours in self.modalities.items()
        }
        self._conversions = {
            ours: _conversion(store, store.spec[theirs], spec[ours], offsets_s[theirs])
            for theirs, ours in self.modalities.items()
        }
        there = _present(store, self.modalities, spec)
        self._rows = np.flatnonzero(there.any(axis=1))
        if not self._rows.size:
            raise DataError(f"no window of '{store.path}' has {' or '.join(self.modalities)}")
        self.present = there[self._rows]
        self.labels = np.asarray(store.labels)[self._rows]
        timed = [s for name, s in offsets_s.items() if store.spec[name].axis == "time"]
        self.starts = np.asarray(store.starts)[self._rows] + min(timed, default=0.0)
        people, ids = np.unique(np.asarray(store.subject_ids)[self._rows], return_inverse=True)
        self.subject_ids = ids.astype(np.int32)
        self.subject_names = tuple(store.subject_names[person] for person in people.tolist())
        self._take_words(store)

    def __reduce__(self) -> tuple[Any, ...]:
        # The store pickles as its path; the arrays here are made again from it.
        return ConvertedView, (self.store, self.modalities, self.spec)

    def _origin(self) -> Mapping[str, Any]:
        return {"mapped": self.store.fingerprint, "names": self.modalities, "place": "centre"}

    def read(self, indices: Indices, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Read windows in the common spec: name -> float32 (batch, channel, step), absent zeros."""
        rows = self._rows[np.asarray(indices, dtype=np.int64)]
        wanted = [self.spec[name] for name in (self.spec.names if names is None else names)]
        sources = {m.name: self._conversions[m.name] for m in wanted if m.name in self._conversions}
        values = self.store.read(rows, [conversion.name for conversion in sources.values()])
        return {
            m.name: sources[m.name](values[sources[m.name].name])
            if m.name in sources
            else np.zeros((len(rows), *m.shape), np.float32)
            for m in wanted
        }


def _check_names(store: Windows, modalities: Mapping[str, str]) -> None:
    if not modalities:
        has = ", ".join(store.spec.names)
        raise DataError(f"no modality of '{store.path}' is mapped; it has {has}")
    for ours in modalities.values():
        both = [theirs for theirs, other in modalities.items() if other == ours]
        if len(both) > 1:
            raise DataError(
                f"{' and '.join(both)} of '{store.path}' are both mapped to {ours!r}; map one"
            )


def _present(store: Windows, modalities: Mapping[str, str], spec: SignalSpec) -> np.ndarray:
    present = np.zeros((len(store), len(spec.names)), np.bool_)
    for theirs, ours in modalities.items():
        column = np.asarray(store.present)[:, store.spec.names.index(theirs)]
        present[:, spec.names.index(ours)] = column
    return present


def _spare_s(store: Windows, name: str, spec: SignalSpec, common: str) -> float:
    """Give how much longer the store's windows are, in seconds (0 where nothing has a clock)."""
    theirs, ours = store.spec.length_s(name) or 0.0, spec.length_s(common) or 0.0
    if not theirs:
        return 0.0
    # A millionth: 2.56 s that was computed from steps and a rate.
    if theirs < ours * (1 - 1e-6):
        raise DataError(
            f"windows of '{store.path}' are {theirs:g} s long, the common spec's are {ours:g} s; "
            f"take a common window_s of at most {theirs:g}"
        )
    return max(0.0, theirs - ours)


def _conversion(store: Windows, theirs: Modality, ours: Modality, offset_s: float) -> _Conversion:
    _check_fit(store, theirs, ours)
    start = offset_s * ours.rate_hz if ours.rate_hz else (theirs.steps - ours.steps) / 2
    factors = [unit_factor(a, b) for a, b in zip(theirs.units, ours.units, strict=True)]
    return _Conversion(
        name=theirs.name,
        factors=np.array(factors, np.float32)[:, None],
        rate_hz=theirs.rate_hz or 0.0,
        common_rate_hz=ours.rate_hz or 0.0,
        start=round(start),
        steps=ours.steps,
    )


def _check_fit(store: Windows, theirs: Modality, ours: Modality) -> None:
    def refuse(has: str, wants: str, advice: str) -> None:
        raise DataError(
            f"{theirs.name!r} of '{store.path}' has {has}, the common {ours.name!r} {wants}; "
            f"{advice}"
        )

    if theirs.axis != ours.axis:
        refuse(f"axis {theirs.axis!r}", f"{ours.axis!r}", "map a modality of that kind")
    if len(theirs.channels) != len(ours.channels):
        actual, wanted = (", ".join(m.channel_names) for m in (theirs, ours))
        refuse(f"channels {actual}", wanted, "map one with as many channels")
    for actual, wanted in zip(theirs.units, ours.units, strict=True):
        if unit_factor(actual, wanted) is None:
            refuse(f"unit {actual}", wanted, "no conversion is known; name a unit it can be in")
    if not ours.rate_hz and theirs.steps < ours.steps:
        refuse(f"{theirs.steps} steps", str(ours.steps), f"take at most {theirs.steps}")


def unit_factor(actual: str, wanted: str) -> float | None:
    """Give what a value in one unit is multiplied by to be in another; None where nothing is known.

    Example:
        >>> unit_factor("g", "m/s^2")
        9.80665
    """
    actual, wanted = canonical_unit(actual), canonical_unit(wanted)
    if actual == wanted:
        return 1.0
    (kind, size), (other, unit) = (
        _UNITS.get(actual, (actual, 1.0)),
        _UNITS.get(wanted, (wanted, 1.0)),
    )
    return size / unit if kind == other else None
