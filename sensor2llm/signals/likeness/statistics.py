"""A window in a few numbers: level, spread, spectrum, gravity and how channels go together.

    statistics = WindowStatistics(spec, floors)
    statistics.of("total_acc", values)      (window, statistic), named by `names("total_acc")`

A sensor that an encoder hears by what no turn changes is measured so, too: `turned` gives three
channels in place of its axes, and there is no gravity axis.

Spectra are shares of a channel's power in five bands, evenly apart in logarithm. Those of movement
end at 10 Hz, whatever the rate: a slower sensor's recording is like a faster one's up to there, and
people move slower than that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float

from sensor2llm.signals.modality import Modality, canonical_unit
from sensor2llm.signals.spec import SignalSpec

ACCELERATION = ("g", "m/s^2", "mg")
MOVEMENT = (*ACCELERATION, "rad/s", "deg/s")
BANDS, FEWEST_STEPS = 5, 16
LOWEST_HZ, FASTEST_HZ = 0.3, 10.0
TURNED = ("along its mean", "across its mean", "in size")
"""What stands in the place of the axes of a sensor that may be turned any way round."""
# A channel that stands still has no spectrum: below this share of its usual spread all is rest.
STILL = 0.01


@dataclass(frozen=True)
class Statistic:
    """Name one number of a window: of which sensor, what it measures, of which channel or band."""

    modality: str
    kind: str
    """level, spread, spectrum, norm, norm_spread or together."""
    channel: int = -1
    band: int = -1


@dataclass(frozen=True, eq=False)
class WindowStatistics:
    """Compute windows' statistics.

    Args:
        spec: what the windows are.
        floors: of each modality and channel, the spread below which all is rest.
        turn_free: modalities of three axes that count by what no turn of them changes.
    """

    spec: SignalSpec
    floors: Mapping[str, np.ndarray]
    turn_free: frozenset[str] = frozenset()

    def names(self, modality: str) -> list[Statistic]:
        """Name a modality's statistics in the order of `of`."""
        one = self.spec[modality]
        channels = range(len(one.channels))
        names = [Statistic(modality, "level", c) for c in channels]
        if one.steps == 1:
            return names
        names += [Statistic(modality, "spread", c) for c in channels]
        if one.steps >= FEWEST_STEPS:
            names += [Statistic(modality, "spectrum", c, b) for c in channels for b in range(BANDS)]
        if len(one.channels) == 3 and modality not in self.turn_free:
            names += [Statistic(modality, kind) for kind in ("norm", "norm_spread")]
            names += [Statistic(modality, "together", c) for c in channels]
        return names

    def of(
        self, modality: str, values: Float[np.ndarray, "window channel step"]
    ) -> Float[np.ndarray, "window statistic"]:
        """Give one modality's statistics of windows that have it."""
        one, values = self.spec[modality], np.asarray(values, np.float64)
        if modality in self.turn_free:
            values = turned(values)
        level = values.mean(-1)
        if one.steps == 1:
            return level
        moved = values - level[..., None]
        spread = moved.std(-1) + self.floors[modality]
        parts = [level, np.log(spread)]
        if one.steps >= FEWEST_STEPS:
            parts.append(_spectrum(one, moved, self.floors[modality]).reshape(len(values), -1))
        if len(one.channels) == 3 and modality not in self.turn_free:
            size = np.linalg.norm(values, axis=1).std(-1) + self.floors[modality].mean()
            pairs = [
                (moved[:, a] * moved[:, b]).mean(-1) / (spread[:, a] * spread[:, b])
                for a, b in combinations(range(3), 2)
            ]
            parts += [np.linalg.norm(level, axis=1)[:, None], np.log(size)[:, None]]
            parts.append(np.stack(pairs, 1))
        return np.concatenate(parts, 1)

    def channel_name(self, modality: str, channel: int) -> str:
        """Name a channel for people."""
        if modality in self.turn_free:
            return f"{modality} {TURNED[channel]}"
        return self.spec[modality].channel_names[channel]

    def to_dict(self) -> dict[str, Any]:
        """Give the floors as plain JSON."""
        return {name: [float(v) for v in values] for name, values in self.floors.items()}


def turned(values: Float[np.ndarray, "window 3 step"]) -> Float[np.ndarray, "window 3 step"]:
    """Give what no turn of the axes changes: along the mean vector, across it, size of movement."""
    mean = values.mean(-1, keepdims=True)
    up = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-6)
    movement = values - mean
    across = movement - (movement * up).sum(1, keepdims=True) * up
    parts = (values * up).sum(1), np.linalg.norm(across, axis=1), np.linalg.norm(movement, axis=1)
    return np.stack(parts, 1)


def is_acceleration(modality: Modality) -> bool:
    """Say whether a modality is an accelerometer's three axes."""
    units = {canonical_unit(unit) for unit in modality.units}
    return len(modality.channels) == 3 and units <= set(ACCELERATION)


def band_edges_hz(modality: Modality) -> Float[np.ndarray, " edge"]:
    """Give the edges of a modality's bands, in Hz; on an event axis in cycles an event."""
    rate = modality.rate_hz or 1.0
    length = modality.steps / rate
    highest = 0.5 * rate
    if {canonical_unit(unit) for unit in modality.units} <= set(MOVEMENT):
        highest = min(highest, FASTEST_HZ)
    return np.geomspace(min(max(LOWEST_HZ, 0.75 / length), highest / 2), highest, BANDS + 1)


def _spectrum(
    modality: Modality, moved: Float[np.ndarray, "window channel step"], floors: np.ndarray
) -> Float[np.ndarray, "window channel band"]:
    """Give the logarithm of each band's share of the power."""
    power = np.abs(np.fft.rfft(moved * np.hanning(modality.steps))) ** 2
    hz = np.fft.rfftfreq(modality.steps, 1 / (modality.rate_hz or 1.0))
    edges = band_edges_hz(modality)
    of_band = np.clip(np.searchsorted(edges, hz, side="right") - 1, -1, BANDS)
    bands = np.stack([power[..., of_band == band].sum(-1) for band in range(BANDS)], -1)
    # What rest would have stands below the fraction, so that stillness has a spectrum, too.
    rest = (STILL * floors[:, None] * modality.steps) ** 2 + 1e-12
    whole = bands.sum(-1, keepdims=True)
    return np.log((bands + 1e-3 * whole + rest) / (whole + rest))
