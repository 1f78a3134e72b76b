"""Which way a device lay: the turn of its axes that makes its windows most like training's.

Gravity leaves four turns of a quarter each; of those the one is taken with which the windows are
likeliest of the class that moves as much. All sensors of one device are turned alike.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.likeness.evidence import (
    DeviationEvidence,
    alike_classes,
    bears_gravity,
    main_direction,
    training_levels,
)
from sensor2llm.signals.likeness.profile import TrainingProfile
from sensor2llm.signals.likeness.statistics import MOVEMENT
from sensor2llm.signals.mapping.data_map import DataMap
from sensor2llm.signals.modality import canonical_unit
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window

Turn = np.ndarray
MOST_WINDOWS = 500


@dataclass(frozen=True)
class AxesFit:
    """Hold the turn that is proposed, and what it changes."""

    data_map: DataMap
    before: str
    after: str

    @property
    def changes(self) -> bool:
        """Say whether anything is turned."""
        eye = np.eye(3)
        return any(not np.array_equal(turn, eye) for turn in self.data_map.turns.values())


def fit_axes(profile: TrainingProfile, windows: Sequence[Window]) -> AxesFit:
    """Propose how a device's axes are to be turned.

    Args:
        profile: of the adapter.
        windows: of one device that lay one way; moving ones say most.

    Raises:
        DataError: none of the sensors bears gravity, or any turn is heard alike.
    """
    spread = np.linspace(0, len(windows) - 1, min(len(windows), MOST_WINDOWS)).astype(int)
    windows = [windows[i] for i in spread]
    turns: dict[str, Turn] = {}
    present = {name for window in windows for name in window.signals}
    bearing = [n for n in profile.spec.names if n in present and bears_gravity(profile, n)]
    if not bearing and profile.statistics.turn_free:
        raise DataError(
            "this adapter hears its sensors any way round: there are no axes to fit, label the "
            "file as it is"
        )
    if not bearing:
        raise DataError("no sensor of these windows bears gravity; axes cannot be told from it")
    for name in bearing:
        device = _device(profile.spec, name, bearing)
        turns |= dict.fromkeys(device, _turn(profile, windows, name, device))
    sensors = [name for name in profile.spec.names if name in turns and name in present]
    data_map = DataMap(turns={name: turns[name] for name in sensors})
    return AxesFit(
        data_map, _looks(profile, windows), _looks(profile, list(data_map.turned(windows)))
    )


def _turn(
    profile: TrainingProfile, windows: Sequence[Window], name: str, device: Sequence[str]
) -> Turn:
    """Give the likeliest of the turns with which gravity lies as it did in training."""
    votes: Counter[tuple[int, int]] = Counter()
    for _, places, numbers in profile.measure(windows):
        sensors = [n for n in profile.spec.names if n in windows[places[0]].signals]
        label = alike_classes(profile, profile.columns(sensors), numbers)
        votes.update(main_direction(training_levels(profile, name)[i]) for i in label)
    wanted = votes.most_common(1)[0][0]
    own = main_direction(
        np.mean([w.signals[name].mean(1) for w in windows if name in w.signals], axis=0)
    )
    fits = [turn for turn in quarter_turns() if turn[wanted[0], own[0]] == wanted[1] * own[1]]
    costs = [_cost(profile, windows, dict.fromkeys(device, turn)) for turn in fits]
    return fits[int(np.argmin(costs))]


def _cost(profile: TrainingProfile, windows: Sequence[Window], turns: dict[str, Turn]) -> float:
    """Give how unlike the class that moves as much the turned windows are, in the middle."""
    costs = []
    turned = [DataMap(turns=turns).turn(window) for window in windows]
    for sensors, _, numbers in profile.measure(turned):
        columns = profile.columns(sensors)
        distances = profile.gaussians.distances(numbers, columns)
        label = alike_classes(profile, columns, numbers)
        costs.append(distances[np.arange(len(label)), label])
    return float(np.median(np.concatenate(costs)))


def quarter_turns() -> list[Turn]:
    """Give the 24 turns of a box onto itself, the one that changes nothing first."""
    turns = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        turn = np.zeros((3, 3), np.float32)
        turn[range(3), order] = signs
        if np.linalg.det(turn) > 0:
            turns.append(turn)
    return turns


def _device(spec: SignalSpec, name: str, bearing: Sequence[str]) -> list[str]:
    """Give the sensors of movement that lie in one device with another.

    Where several bear gravity, names begin alike: watch_accel, watch_gyro.
    """
    moving = [
        m.name
        for m in spec.modalities
        if len(m.channels) == 3 and {canonical_unit(u) for u in m.units} <= set(MOVEMENT)
    ]
    if len(bearing) == 1:
        return moving
    first = name.partition("_")[0]
    return [other for other in moving if other.partition("_")[0] == first]


def _looks(profile: TrainingProfile, windows: Sequence[Window]) -> str:
    """Say how many windows are unlike training, and what is most."""
    scores, evidence = profile.scores(windows), DeviationEvidence(profile)
    evidence.add(windows)
    share, checks = float(np.mean(scores > 0)), evidence.checks()
    text = f"{share:.0%} of {len(windows)} windows are unlike training".replace("%", " %", 1)
    return f"{text} ({checks[0].text})" if share and checks else text
