"""Say in words what of a recording is not as in training: which way gravity lies, how it moves.

evidence = DeviationEvidence(profile)
evidence.add(windows)
evidence.checks()[0].text
'gravity lies along y; in training it lay along x: turn the device or map the axes'
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sensor2llm.signals.likeness.profile import TrainingProfile
from sensor2llm.signals.likeness.statistics import BANDS, band_edges_hz, is_acceleration
from sensor2llm.signals.modality import Modality, canonical_unit
from sensor2llm.signals.scale import GRAVITY
from sensor2llm.signals.window import Window

CAP = 20.0
"""A deviation counts for no more: one glitch is not to speak for a recording."""
STRIKING = 1.0
"""Standard deviations from its class that a kind of statistics is off, on average, to be named."""
LEAST_GRAVITY, OTHER_SIZE = 0.5, 1.3
_SIZES = {"g": 1.0, "m/s^2": GRAVITY, "mg": 1000.0}
Direction = tuple[int, int]


@dataclass(frozen=True)
class FailedCheck:
    """Name a check that a recording fails, and say in words what was expected."""

    name: str
    """Such as "gravity of total_acc"."""
    text: str


@dataclass
class _Sums:
    """Add up what windows with the same sensors are like."""

    windows: int = 0
    deviations: np.ndarray = field(default_factory=lambda: np.zeros(0))
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0))
    expected: np.ndarray = field(default_factory=lambda: np.zeros(0))


class DeviationEvidence:
    """Collect how windows deviate from training; memory does not grow with them."""

    def __init__(self, profile: TrainingProfile) -> None:
        self.profile = profile
        self._sums: dict[tuple[str, ...], _Sums] = {}
        self._directions: dict[str, Counter[tuple[Direction, Direction]]] = {}

    def add(self, windows: Sequence[Window]) -> None:
        """Take windows into account."""
        profile = self.profile
        for sensors, places, numbers in profile.measure(windows):
            columns = profile.columns(sensors)
            own = profile.gaussians.part(columns)
            normal = (numbers - own.center) / own.scale
            label = alike_classes(profile, columns, numbers)
            off = (normal - own.means[label]) / own.deviations[label]
            sums = self._sums.setdefault(sensors, _Sums())
            sums.windows += len(places)
            sums.deviations = _plus(sums.deviations, np.clip(off, -CAP, CAP))
            sums.numbers = _plus(sums.numbers, numbers)
            sums.expected = _plus(sums.expected, own.means[label] * own.scale + own.center)
            for name in sensors:
                if bears_gravity(profile, name):
                    self._turn(name, columns, numbers, label)

    def checks(self) -> list[FailedCheck]:
        """Give what is not as in training, gravity first, then the most striking kinds first."""
        if not self._sums:
            return []
        sensors, sums = max(self._sums.items(), key=lambda item: item[1].windows)
        names = [self.profile.all_names[i] for i in self.profile.columns(sensors)]
        kinds: dict[tuple[str, str], list[int]] = {}
        for place, name in enumerate(names):
            kinds.setdefault((name.modality, name.kind), []).append(place)
        mean = sums.deviations / sums.windows
        # The size of a mean without gravity says nothing in words; with it, `_gravity` says it.
        sizes = {
            key: float(np.abs(mean[places]).mean())
            for key, places in kinds.items()
            if key[1] != "norm"
        }
        striking = sorted(
            (key for key, size in sizes.items() if size > STRIKING), key=sizes.__getitem__
        )
        failed = [check for name in sensors if (check := self._gravity(name, sums, kinds))]
        turned = {check.name for check in failed}
        for modality, kind in reversed(striking or [max(sizes, key=sizes.__getitem__)]):
            places = kinds[modality, kind]
            worst = max(places, key=lambda place: abs(mean[place]))
            # A turned sensor moves along other axes, too: that needs no words of its own.
            if f"gravity of {modality}" not in turned:
                text = self._words(modality, kind, worst, sums, places)
                failed.append(FailedCheck(f"{kind.split('_')[0]} of {modality}", text))
        return failed

    def _turn(self, name: str, columns: np.ndarray, numbers: np.ndarray, label: np.ndarray) -> None:
        """Count which way gravity lies, and which way it lay in the class that moves alike."""
        stats = [self.profile.all_names[i] for i in columns]
        levels = [i for i, s in enumerate(stats) if (s.modality, s.kind) == (name, "level")]
        usual = training_levels(self.profile, name)
        votes = self._directions.setdefault(name, Counter())
        for own, number in zip(numbers[:, levels], label, strict=True):
            votes[main_direction(own), main_direction(usual[number])] += 1

    def _gravity(
        self, name: str, sums: _Sums, kinds: dict[tuple[str, str], list[int]]
    ) -> FailedCheck | None:
        if name not in self._directions:
            return None
        modality = self.profile.spec[name]
        size = float(sums.numbers[kinds[name, "norm"][0]] / sums.windows)
        usual = float(np.linalg.norm(training_levels(self.profile, name), axis=1).mean())
        title = f"gravity of {name}"
        if not 1 / OTHER_SIZE < size / usual < OTHER_SIZE:
            unit = modality.units[0]
            advice = "check the unit" if size > 0.2 * usual else f"leave {name} out, or add gravity"
            return FailedCheck(
                title,
                f"the pull of gravity in {name} is {size:.2g} {unit}; in training it was "
                f"{usual:.2g}: {advice}",
            )
        (own, expected), _ = self._directions[name].most_common(1)[0]
        if own == expected:
            return None
        return FailedCheck(
            title,
            f"gravity lies along {_axis(modality, own)}; in training it lay along "
            f"{_axis(modality, expected)}: turn the device or map the axes",
        )

    def _words(self, name: str, kind: str, worst: int, sums: _Sums, places: Sequence[int]) -> str:
        """Say how one kind of statistics is off."""
        modality = self.profile.spec[name]
        own, usual = sums.numbers / sums.windows, sums.expected / sums.windows
        first = worst - places[0]
        number = first // (BANDS if kind == "spectrum" else 1)
        channel = self.profile.statistics.channel_name(name, number)
        if kind == "level":
            here, there = distinct_texts(own[worst], usual[worst])
            return f"{channel} lies at {here} {modality.units[0]}; in training it lay at {there}"
        if kind in ("spread", "norm_spread"):
            what = channel if kind == "spread" else name
            ratio = float(np.exp(own[worst] - usual[worst]))
            much = f"{ratio:.1f} times" if ratio >= 1 else f"{ratio:.2f} times"
            return f"{what} varies {much} as much as in training"
        if kind == "spectrum":
            edges, band = band_edges_hz(modality), first % BANDS
            more = "more" if own[worst] > usual[worst] else "less"
            unit = "Hz" if modality.axis == "time" else "cycles a step"
            return (
                f"{channel} moves {more} at {edges[band]:.2g} to {edges[band + 1]:.2g} {unit} than "
                "in training"
            )
        return f"the channels of {name} move together otherwise than in training"


def alike_classes(profile: TrainingProfile, columns: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Give the class that moves as much as each window does, whichever way gravity lies."""
    own = profile.gaussians.part(columns)
    kinds = np.array([profile.all_names[i].kind for i in columns])
    moving = np.isin(kinds, ("spread", "norm_spread"))
    moving = moving if moving.any() else np.ones(len(columns), bool)
    normal = ((numbers - own.center) / own.scale)[:, None, moving]
    label: np.ndarray = ((normal - own.means[None][:, :, moving]) ** 2).sum(2).argmin(1)
    return label


def bears_gravity(profile: TrainingProfile, name: str) -> bool:
    """Say whether gravity tells how a sensor lay: in an accelerometer not heard any way round."""
    modality = profile.spec[name]
    if not is_acceleration(modality) or name in profile.statistics.turn_free:
        return False
    size = np.linalg.norm(training_levels(profile, name), axis=1).mean()
    return bool(size > LEAST_GRAVITY * _SIZES[canonical_unit(modality.units[0])])


def training_levels(profile: TrainingProfile, name: str) -> np.ndarray:
    """Give the mean level of each class: (label, channel)."""
    gaussians = profile.gaussians
    stats = enumerate(profile.all_names)
    places = [i for i, s in stats if s.modality == name and s.kind == "level"]
    return gaussians.means[:, places] * gaussians.scale[places] + gaussians.center[places]


def gravity_lines(profile: TrainingProfile) -> list[str]:
    """Say which way gravity lay in training in each accelerometer: how the device was turned."""
    lines = []
    for modality in profile.spec.modalities:
        if not bears_gravity(profile, modality.name):
            continue
        levels = training_levels(profile, modality.name)
        votes = Counter(_axis(modality, main_direction(level)) for level in levels)
        axes = ", ".join(f"{axis} in {count}" for axis, count in votes.most_common())
        lines.append(
            f"Gravity lay in training along these axes of {modality.name}, in labels: {axes}"
        )
    return lines


def _plus(before: np.ndarray, rows: np.ndarray) -> np.ndarray:
    total: np.ndarray = rows.sum(0)
    return total if not before.size else before + total


def main_direction(level: np.ndarray) -> Direction:
    """Give the axis that most of a level lies along, and its sign."""
    axis = int(np.abs(level).argmax())
    return axis, 1 if level[axis] >= 0 else -1


def distinct_texts(*levels: float) -> list[str]:
    """Write two levels in as many digits as tell them apart, in three at least.

    Example:
        >>> distinct_texts(9.8071, 9.8112), distinct_texts(1233.7, 800.0)
        (['9.807', '9.811'], ['1230', '800'])
    """
    for digits in range(3, 9):
        texts = [f"{float(f'{level:.{digits}g}'):.8g}" for level in levels]
        if texts[0] != texts[1]:
            break
    return texts


def _axis(modality: Modality, direction: Direction) -> str:
    """Name an axis with its sign: x, -y."""
    name = modality.channel_names[direction[0]]
    short = name.removeprefix(f"{modality.name}_") or name
    return f"{'-' if direction[1] < 0 else ''}{short}"
