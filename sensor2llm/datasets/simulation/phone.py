"""A phone at the waist, with the sensors, units and labels of UCI HAR; simulated all the same.

Windows are those that the released adapter `uci-har` hears: 128 steps at 50 Hz of total_acc (g),
body_acc (`total_acc` less its part below 0.3 Hz) and body_gyro (rad/s), x upwards.

Sources of the numbers:
    step rate: as in the scenario activity.
    tilt of the phone, bounce, sway and turn: of the order of the medians over people in UCI HAR
        [Anguita et al. 2012], whose people wore it so.

Stairs are left out: what tells them from level ground is finer than these few sines.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, sosfiltfilt

from sensor2llm.datasets.motion.uci_har import RATE_HZ, SPEC
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.noise import slow_noise
from sensor2llm.datasets.simulation.truth import Simulated, Truth, make_simulated
from sensor2llm.errors import ConfigError
from sensor2llm.signals.spec import SignalSpec

BOUT_S = 40.0
GRAVITY_BELOW_HZ = 0.3
Vector = Float[np.ndarray, "3 step"]


@dataclass(frozen=True, kw_only=True)
class Waist:
    """Say how the trunk is held and moves in one activity.

    `lean` and `side` are the angles of the phone against the vertical, in radians; `bounce` in g
    goes with the step, `sway` in g with the stride, `turn` in rad/s with both.
    """

    lean: float
    side: float
    step_rate_hz: float = 0.0
    bounce: float = 0.0
    sway: float = 0.0
    turn: float = 0.0
    slow_turn: float = 0.01


ACTIVITIES = {
    "walking": Waist(
        lean=-0.08, side=-0.16, step_rate_hz=1.93, bounce=0.28, sway=0.1, turn=0.5, slow_turn=0.1
    ),
    "sitting": Waist(lean=0.35, side=0.25),
    "standing": Waist(lean=-0.1, side=-0.28),
    "lying": Waist(lean=0.55, side=1.45),
}
LABELS = tuple(ACTIVITIES)


@dataclass(frozen=True, kw_only=True)
class Wearer:
    """Hold what differs between people."""

    cadence: float
    vigour: float
    lean: float
    side: float


def spec(config: SimulationConfig) -> SignalSpec:
    """Give the spec of UCI HAR, whatever rate and length other scenarios take."""
    return SPEC


def person(config: SimulationConfig, subject: str, rng: np.random.Generator) -> Iterator[Simulated]:
    """Give one person's sessions: every activity once a session, in any order."""
    wearer = _wearer(rng)
    count = round((config.bout_s or BOUT_S) * RATE_HZ)
    for session in range(config.sessions):
        order = rng.permutation(np.array(LABELS)).tolist()
        bouts = [_bout(ACTIVITIES[label], wearer, count, rng) for label in order]
        signals = {n: np.concatenate([bout[n] for bout, _ in bouts], axis=1) for n in SPEC.names}
        truths = tuple(
            Truth(i * count / RATE_HZ, (i + 1) * count / RATE_HZ, label, values)
            for i, (label, (_, values)) in enumerate(zip(order, bouts, strict=True))
        )
        yield make_simulated(subject, str(session + 1), SPEC, signals, truths)


def simulate_columns(
    *activities: str, bout_s: float = BOUT_S, seed: int = 0
) -> dict[str, Float[np.ndarray, " sample"]]:
    """Give a recording of one person as a table's columns, activity after activity.

    Raises:
        ConfigError: an activity that is not simulated, or none.

    Example:
        >>> columns = simulate_columns("walking", "lying", bout_s=30)
        >>> list(columns)[:2], len(columns["time_s"])
        (['time_s', 'body_acc.body_acc_x'], 3000)
    """
    if not activities or not set(activities) <= set(LABELS):
        raise ConfigError(f"a phone hears {', '.join(LABELS)}; got {', '.join(activities) or 0}")
    rng = np.random.default_rng(seed)
    wearer, count = _wearer(rng), round(bout_s * RATE_HZ)
    bouts = [_bout(ACTIVITIES[label], wearer, count, rng)[0] for label in activities]
    columns = {"time_s": np.arange(count * len(bouts)) / RATE_HZ}
    for modality in SPEC.modalities:
        values = np.concatenate([bout[modality.name] for bout in bouts], axis=1)
        names = [f"{modality.name}.{channel}" for channel in modality.channel_names]
        columns |= dict(zip(names, values, strict=True))
    return columns


def _wearer(rng: np.random.Generator) -> Wearer:
    return Wearer(
        cadence=float(np.clip(rng.normal(1, 0.05), 0.88, 1.12)),
        vigour=float(np.exp(rng.normal(0, 0.15))),
        lean=float(rng.normal(0, 0.05)),
        side=float(rng.normal(0, 0.05)),
    )


def _bout(
    activity: Waist, wearer: Wearer, count: int, rng: np.random.Generator
) -> tuple[dict[str, Vector], dict[str, float]]:
    """Give a bout's signals, and its mean step rate in Hz where there is one."""
    mean_hz = activity.step_rate_hz * wearer.cadence * float(rng.normal(1, 0.02))
    step_hz = mean_hz * (1 + 0.02 * slow_noise(rng, count, RATE_HZ, 0.2))
    step = 2 * np.pi * (np.cumsum(step_hz) / RATE_HZ + rng.random() * 2)
    total = _tilt(activity, wearer, count, rng) + wearer.vigour * _gait(activity, step)
    total = total + (0.004 + 0.15 * activity.bounce * wearer.vigour) * rng.normal(size=(3, count))
    # As published: a Butterworth low-pass of third order tells gravity from movement.
    low = butter(3, GRAVITY_BELOW_HZ, fs=RATE_HZ, output="sos")
    body = total - sosfiltfilt(low, total, axis=1, padlen=min(3 * 50, count - 1))
    slow = np.stack([slow_noise(rng, count, RATE_HZ, 0.4) for _ in range(3)])
    noise = (0.008 + 0.3 * activity.turn) * rng.normal(size=(3, count))
    gyro = wearer.vigour * _turn(activity, step) + activity.slow_turn * slow + noise
    values = {"step_rate_hz": float(step_hz.mean())} if activity.step_rate_hz else {}
    return {"total_acc": total, "body_acc": body, "body_gyro": gyro}, values


def _tilt(activity: Waist, wearer: Wearer, count: int, rng: np.random.Generator) -> Vector:
    """Give gravity in g in the phone's frame: x upwards where nothing leans."""
    held = np.array([activity.lean + wearer.lean, activity.side + wearer.side])
    held = held + rng.normal(0, 0.05, 2)
    lean, side = (angle + 0.01 * slow_noise(rng, count, RATE_HZ, 0.3) for angle in held)
    return np.stack([np.cos(lean) * np.cos(side), np.cos(lean) * np.sin(side), np.sin(lean)])


def _gait(activity: Waist, step: Float[np.ndarray, " step"]) -> Vector:
    """Give the trunk's acceleration in g: up and down with the step, sideways with the stride."""
    stride = step / 2
    up = np.cos(step) + 0.35 * np.cos(2 * step + 0.8) + 0.12 * np.cos(3 * step)
    side = 0.5 * np.cos(step + 2.2) + 0.3 * np.cos(2 * step + 1.0)
    ahead = 0.45 * np.cos(step + 1.2) + 0.2 * np.cos(2 * step)
    sway = activity.sway * np.stack([0 * stride, np.cos(stride), np.sin(stride + 0.5)])
    return activity.bounce * np.stack([up, side, ahead]) + sway


def _turn(activity: Waist, step: Float[np.ndarray, " step"]) -> Vector:
    """Give the trunk's angular velocity in rad/s: the hip turns with the stride."""
    stride = step / 2
    return activity.turn * np.stack(
        [
            np.cos(stride) + 0.4 * np.cos(3.5 * stride),
            0.6 * np.cos(stride + 1.0) + 0.6 * np.cos(3 * stride + 0.4),
            0.6 * np.cos(stride + 2.0) + 0.5 * np.cos(3 * stride),
        ]
    )
