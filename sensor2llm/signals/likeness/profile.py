"""TrainingProfile: what an adapter's training people's windows look like, and which others do not.

    profile = fit_profile(store, rows, classes)
    profile.scores(windows)                  how unlike each window is; above 0 it is unlike
    profile.recording_score(scores, there)   the same of a recording of 20 windows or more

Of a window's sensors any may be missing: a subset has thresholds of its own. They are quantiles of
the scores of people who did not make the Gaussians: each person's by Gaussians without that person.
A recording's score is the median of its windows'.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from sensor2llm.errors import DataError
from sensor2llm.signals.likeness.gaussians import ClassGaussians, fit_gaussians
from sensor2llm.signals.likeness.statistics import STILL, Statistic, WindowStatistics
from sensor2llm.signals.normalise import fit_normaliser
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.window import Window

FEWEST_WINDOWS = 20
"""So many windows of a recording are judged together; fewer one by one."""
FALSE_ALARMS = 0.05
FOLDS = 10
MOST_SENSORS = 5
"""Of more sensors not every subset has thresholds: each alone, all, and all but one."""
_CHUNK = 1024
Rows = Int[np.ndarray, " window"]
Signals = Mapping[str, np.ndarray]
Variant = Callable[[Signals], Signals]
"""Signals as another device gives them: without gravity, at half the rate."""


@dataclass(frozen=True)
class Thresholds:
    """Hold the scores above which a window, or a recording, is unlike."""

    window: float
    recording: float


@dataclass(frozen=True, eq=False)
class TrainingProfile:
    """Judge windows by what the training people's look like.

    Args:
        statistics: how a window becomes numbers.
        gaussians: of all sensors' statistics.
        thresholds: by the sensors that are there, in the spec's order.
        people: how many made it.
        recordings: whether their recordings were told apart.
    """

    statistics: WindowStatistics
    gaussians: ClassGaussians
    thresholds: Mapping[tuple[str, ...], Thresholds]
    people: int
    recordings: bool

    @property
    def spec(self) -> SignalSpec:
        """Give what the windows are."""
        return self.statistics.spec

    @cached_property
    def all_names(self) -> list[Statistic]:
        """Name every statistic, in the order of the Gaussians."""
        return _all_names(self.statistics)

    def columns(self, sensors: Sequence[str]) -> Int[np.ndarray, " column"]:
        """Give the places of these sensors' statistics."""
        return np.array([i for i, s in enumerate(self.all_names) if s.modality in sensors])

    def measure(
        self, windows: Sequence[Window]
    ) -> list[tuple[tuple[str, ...], Rows, Float[np.ndarray, "some statistic"]]]:
        """Give windows' statistics, a group a subset of sensors: sensors, places, numbers."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, window in enumerate(windows):
            sensors = tuple(name for name in self.spec.names if name in window.signals)
            groups.setdefault(sensors, []).append(place)
        measured = []
        for sensors, places in groups.items():
            parts = [
                self.statistics.of(name, np.stack([windows[i].signals[name] for i in places]))
                for name in sensors
            ]
            measured.append((sensors, np.array(places), np.concatenate(parts, 1)))
        return measured

    def scores(self, windows: Sequence[Window]) -> Float[np.ndarray, " window"]:
        """Give how far each window is above its threshold; NaN where its sensors have none."""
        scores = np.full(len(windows), np.nan)
        for sensors, places, numbers in self.measure(windows):
            if sensors in self.thresholds:
                distances = self.gaussians.distances(numbers, self.columns(sensors))
                scores[places] = distances.min(1) - self.thresholds[sensors].window
        return scores

    def recording_score(
        self, scores: Float[np.ndarray, " window"], sensors: Sequence[str]
    ) -> float:
        """Give how far a recording of windows with these sensors is above its threshold."""
        limit = self.thresholds[tuple(sensors)]
        return float(np.median(scores)) - (limit.recording - limit.window)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Give the arrays that a file holds."""
        gaussians = self.gaussians
        arrays = {name: getattr(gaussians, name) for name in _ARRAYS}
        return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}

    def to_dict(self) -> dict[str, Any]:
        """Give the rest as plain JSON; the spec is the adapter's."""
        return {
            "floors": self.statistics.to_dict(),
            "turn_free": sorted(self.statistics.turn_free),
            "people": self.people,
            "recordings": self.recordings,
            "thresholds": [
                {"sensors": list(sensors), "window": one.window, "recording": one.recording}
                for sensors, one in self.thresholds.items()
            ],
        }

    @classmethod
    def restore(
        cls, spec: SignalSpec, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]
    ) -> "TrainingProfile":
        """Make a profile again of what `to_tensors` and `to_dict` gave."""
        floors = {name: np.asarray(values, np.float64) for name, values in plain["floors"].items()}
        thresholds = {
            tuple(one["sensors"]): Thresholds(one["window"], one["recording"])
            for one in plain["thresholds"]
        }
        return cls(
            WindowStatistics(spec, floors, frozenset(plain.get("turn_free", ()))),
            ClassGaussians(*(np.asarray(arrays[name], np.float64) for name in _ARRAYS)),
            thresholds,
            plain["people"],
            plain["recordings"],
        )


_ARRAYS = ("center", "scale", "means", "covariances")


def fit_profile(
    store: Windows,
    rows: Rows,
    classes: Rows,
    *,
    turn_free: Collection[str] = (),
    variants: Sequence[Variant] = (),
) -> TrainingProfile:
    """Measure windows that taught, and set the thresholds on each person's by the others.

    Windows that lack a sensor make no Gaussian.

    Args:
        store: of the adapter's spec.
        rows: which of its windows, nobody's who is tested.
        classes: a number a row, -1 for none.
        turn_free: modalities that are heard by what no turn of the device changes.
        variants: what training did to some windows; each counts beside the windows as they are,
            as classes of its own.

    Raises:
        DataError: no window has all sensors.
    """
    whole = np.asarray(store.present)[rows].all(1)
    rows, classes = rows[whole], classes[whole]
    if len(rows) < 2:
        raise DataError("no two training windows have all sensors; what they look like is not kept")
    scale = fit_normaliser(store, rows, turn_free).scale
    statistics = WindowStatistics(
        store.spec, {n: STILL * values for n, values in scale.items()}, frozenset(turn_free)
    )
    kinds: list[Variant] = [dict, *variants]
    numbers = np.concatenate([
        _measured(store, rows[start : start + _CHUNK], statistics, variant)
        for variant in kinds
        for start in range(0, len(rows), _CHUNK)
    ])  # fmt: skip
    people, known = np.asarray(store.subject_ids)[rows], classes >= 0
    pieces = _pieces(np.asarray(store.recording_ids)[rows])
    many = int(classes.max(initial=0)) + 1
    classes = np.concatenate([np.where(known, classes + k * many, -1) for k in range(len(kinds))])
    return TrainingProfile(
        statistics,
        fit_gaussians(numbers, classes),
        _thresholds(
            statistics,
            numbers,
            classes,
            np.tile(people, len(kinds)),
            [piece + k * len(rows) for k in range(len(kinds)) for piece in pieces],
        ),
        len(np.unique(people)),
        store.names_recordings,
    )


def _all_names(statistics: WindowStatistics) -> list[Statistic]:
    return [s for name in statistics.spec.names for s in statistics.names(name)]


def _measured(
    store: Windows, rows: Rows, statistics: WindowStatistics, variant: Variant
) -> Float[np.ndarray, "some statistic"]:
    values = variant(store.read(rows))
    return np.concatenate([statistics.of(name, values[name]) for name in store.spec.names], 1)


def _pieces(recordings: Rows) -> list[Rows]:
    """Cut recordings into 20 windows each; a shorter one is a piece."""
    pieces = []
    for number in np.unique(recordings):
        own = np.flatnonzero(recordings == number)
        starts = range(0, max(len(own) - FEWEST_WINDOWS, 0) + 1, FEWEST_WINDOWS)
        pieces += [own[start : start + FEWEST_WINDOWS] for start in starts]
    return pieces


def _thresholds(
    statistics: WindowStatistics,
    numbers: Float[np.ndarray, "window statistic"],
    classes: Rows,
    people: Rows,
    pieces: Sequence[Rows],
) -> dict[tuple[str, ...], Thresholds]:
    names, subsets = _all_names(statistics), _subsets(statistics.spec.names)
    columns = {s: np.array([i for i, n in enumerate(names) if n.modality in s]) for s in subsets}
    scores = {subset: np.zeros(len(numbers)) for subset in subsets}
    for out in _folds(people):
        gaussians = fit_gaussians(numbers[~out], classes[~out]) if not out.all() else None
        gaussians = gaussians or fit_gaussians(numbers, classes)
        for subset in subsets:
            own = columns[subset]
            scores[subset][out] = gaussians.distances(numbers[out][:, own], own).min(1)
    level = 1 - FALSE_ALARMS
    return {
        subset: Thresholds(
            float(np.quantile(own, level, method="higher")),
            float(np.quantile([np.median(own[p]) for p in pieces], level, method="higher")),
        )
        for subset, own in scores.items()
    }


def _folds(people: Rows) -> list[Bool[np.ndarray, " window"]]:
    """Divide people into groups that are left out in turn; one person alone is left in."""
    everybody = np.unique(people)
    groups = [everybody[i::FOLDS] for i in range(min(FOLDS, len(everybody)))]
    return [np.isin(people, group) for group in groups]


def _subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    many, whole = len(names) > MOST_SENSORS, len(names)
    sizes = [1, whole - 1, whole] if many else range(1, whole + 1)
    return [subset for size in dict.fromkeys(sizes) for subset in combinations(names, size)]
