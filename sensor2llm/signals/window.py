"""Windows and recordings: what a person measured, before and after it is cut into windows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sensor2llm.errors import DataError
from sensor2llm.signals.modality import Modality, canonical_unit

_SECONDS = {"s": 1.0, "ms": 1e-3}


@dataclass(frozen=True, eq=False)
class Window:
    """Hold one window: modality name -> float32 values of shape (channel, step).

    An absent modality is simply not there. `start_s` counts from the start of its recording, which
    `recording` names among its person's; None where nothing says which one it is.
    """

    signals: Mapping[str, np.ndarray]
    subject: str | None = None
    label: str | None = None
    start_s: float = 0.0
    recording: str | None = None

    def __post_init__(self) -> None:
        signals = {name: np.asarray(v, dtype=np.float32) for name, v in self.signals.items()}
        object.__setattr__(self, "signals", signals)


@dataclass(frozen=True, eq=False)
class Track:
    """Hold one modality of a whole recording: values of shape (channel, step), any length.

    `modality.steps` is ignored here. NaN marks values that were not measured. `stamps_s` gives the
    time of each step of an event axis, or of each row where the axis is `none`; without it, event
    times are the running sum of the first channel if that is an interval in s or ms.

    Raises:
        DataError: If the shape does not fit the modality's channels or the stamps.
    """

    modality: Modality
    values: np.ndarray
    start_s: float = 0.0
    stamps_s: np.ndarray | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float32)
        object.__setattr__(self, "values", values)
        channels = len(self.modality.channels)
        if values.ndim != 2 or values.shape[0] != channels:
            hint = "; it is transposed: pass its .T" if values.shape[-1:] == (channels,) else ""
            raise DataError(
                f"track {self.modality.name!r} has shape {values.shape}, expected "
                f"({channels}, step) for channels {', '.join(self.modality.channel_names)}{hint}"
            )
        if self.stamps_s is not None:
            object.__setattr__(self, "stamps_s", np.asarray(self.stamps_s, dtype=np.float64))
            self._check_stamps(np.asarray(self.stamps_s))

    def _check_stamps(self, stamps: np.ndarray) -> None:
        name, steps = self.modality.name, self.values.shape[1]
        if stamps.shape != (steps,):
            raise DataError(
                f"track {name!r} has {steps} steps but stamps of shape {stamps.shape}; "
                "give one stamp a step"
            )
        back = np.flatnonzero(~(np.diff(stamps) >= 0)) + 1
        if back.size:
            row = int(back[0])
            raise DataError(
                f"stamps of {name!r} go back at step {row}: {stamps[row]:.6g} s after "
                f"{stamps[row - 1]:.6g} s; sort them"
            )

    @property
    def times_s(self) -> Float64[np.ndarray, " step"]:
        """Give the time of every step in seconds (an event's is the end of its interval).

        Raises:
            DataError: If the axis is `event` and neither stamps nor intervals in s or ms are there.
        """
        steps = self.values.shape[1]
        if self.stamps_s is not None:
            return self.stamps_s
        if self.modality.axis == "time":
            return self.start_s + np.arange(steps) / float(self.modality.rate_hz or 1.0)
        if self.modality.axis == "none":
            return np.full(steps, self.start_s)
        return self.start_s + np.cumsum(self._intervals_s())

    def _intervals_s(self) -> Float64[np.ndarray, " step"]:
        unit = canonical_unit(self.modality.channels[0].unit)
        if unit not in _SECONDS:
            raise DataError(
                f"the events of {self.modality.name!r} have no times: its first channel is in "
                f"{unit!r}, not s or ms; give stamps_s"
            )
        intervals = self.values[0].astype(np.float64) * _SECONDS[unit]
        there = np.isfinite(intervals)
        return np.where(there, intervals, np.median(intervals[there]) if there.any() else 0.0)


@dataclass(frozen=True)
class Annotation:
    """Say that `label` holds from `start_s` up to `stop_s`, in the recording's seconds."""

    start_s: float
    stop_s: float
    label: str


@dataclass(frozen=True, eq=False)
class Recording:
    """Hold what one person's sensors measured in one go: tracks on a common clock, and labels.

    `row_times_s` are the times of the rows that it was read from, never going back: with them
    `segment` can say of every row what became of it.
    """

    subject: str
    tracks: Mapping[str, Track]
    annotations: tuple[Annotation, ...] = ()
    name: str = ""
    row_times_s: np.ndarray | None = None
