"""What a device measures, and the samples that its files hold."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64

from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.resample import MAX_GAP_S
from sensor2llm.signals.spec import Channel, Modality

Clock = Literal["utc", "local", "none"]
"""Seconds since 1970 in UTC, or as the device's own clock shows them; or from the start."""

EVENTS = 60
"""Beats a window."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """Say what one sensor of a device measures, and how its samples become regular.

    `kind`: `signal` is interpolated between samples; `total` holds what each minute or so counted
    (steps), which is added up, and is zero in a pause that is bridged; `event` has one step a beat.
    """

    channels: tuple[str, ...]
    unit: str
    kind: Literal["signal", "total", "event"] = "signal"
    rate_hz: float | None = None
    """Samples a second of a window; None takes the rate at which the samples come."""
    max_gap_s: float = MAX_GAP_S
    """Longest pause that is bridged."""
    sort: bool = False
    """Whether records come in any order; else one that is earlier than one before is left out."""

    def modality(self, name: str, rate_hz: float | None, window_s: float) -> Modality:
        """Describe this sensor's part of a window."""
        channels = tuple(Channel(name=channel, unit=self.unit) for channel in self.channels)
        if self.kind == "event":
            return Modality(name=name, channels=channels, steps=EVENTS, axis="event")
        rate_hz = rate_hz or 1.0
        steps = max(1, round(window_s * rate_hz))
        return Modality(name=name, channels=channels, steps=steps, rate_hz=rate_hz)


class SensorStream(NamedTuple):
    """Hold all samples of one person's sensor, in order of time; the arrays are files."""

    times_s: np.memmap
    values: Float32[np.ndarray, "sample channel"]


class Samples(NamedTuple):
    """Hold some samples of one sensor, in order of time; of `total`, the start of what is counted.

    `source` names the recorder: what two recorders counted is not added up.
    """

    sensor: str
    times_s: Float64[np.ndarray, " sample"]
    values: Float[np.ndarray, "channel sample"]
    clock: Clock = "utc"
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Device:
    """Say what a kind of export holds, which files of it are read, and how."""

    name: str
    """What `prepare` calls it."""
    sensors: Mapping[str, Sensor]
    window_s: float | None
    """Seconds a window; None where windows are of beats."""
    expected: str
    """The files of an export, for the message where there are none."""
    wanted: Callable[[str], bool]
    """Says by a file's path within the export, in lower case, whether it is read."""
    read: Callable[[ExportFile, Ledger], Iterator[Samples]]
    by_file: bool = True
    """Whether a file is a recording, and names a person where no folder does."""
    folders: tuple[str, ...] = ()
    """Names of folders that every such export has."""


def axis_channels(sensor: str) -> tuple[str, ...]:
    """Name the channels of a sensor with three axes."""
    return tuple(f"{sensor}_{axis}" for axis in "xyz")
