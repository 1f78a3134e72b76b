"""Gait and rest at wrist and ankle, and the heart rate that follows.

Sources of the numbers:
    step rates: walking 1.93 Hz, about 116 steps/min of usual walking [Murtagh et al. 2021, Sports
        Med.]; running 2.65 Hz [de Ruiter et al. 2014, J. Sports Sci.]; stairs 1.42 Hz, strides of
        about 1.4 s [Riener et al. 2002, Gait Posture].
    metabolic equivalents: Compendium of Physical Activities [Ainsworth et al. 2011]: walking 3.5,
        running 8.3, stairs between 4.0 (slow) and 8.8 (fast), sitting and standing 1.3, lying 1.0.
    heart: share of heart rate reserve = share of oxygen uptake reserve [Swain and Leutholtz 1997];
        highest rate 208 - 0.7 age [Tanaka et al. 2001]; about 10 bpm more on standing [Smit et
        al. 1999, J. Physiol.]; first-order lag, slower after effort than into it
        [Zakynthinaki 2015, PLoS ONE].
    limbs: swing and impact are set so that the wrist's mean amplitude deviation falls into the
        intensity classes of Vähä-Ypyä et al. 2015 (rest < 16.7 mg, running > 414 mg).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from sensor2llm.datasets.published import sampled_spec
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.gait import Limb, limb_signals
from sensor2llm.datasets.simulation.noise import slow_noise
from sensor2llm.datasets.simulation.truth import Simulated, Truth, make_simulated
from sensor2llm.signals.spec import SignalSpec

BOUT_S, WINDOW_S, HEART_RATE_HZ = 40.0, 5.0, 1.0
LAG_UP_S, LAG_DOWN_S = 30.0, 60.0


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Say what an average person does in one class."""

    effort_met: float
    wrist: Limb
    ankle: Limb
    step_rate_hz: float = 0.0
    posture_bpm: float = 0.0


ACTIVITIES = {
    "walking": Activity(
        effort_met=3.5,
        step_rate_hz=1.93,
        wrist=Limb(pitch=0.15, swing=0.26, lever_m=0.55, bounce=0.18),
        ankle=Limb(pitch=0.1, swing=0.42, lever_m=0.35, bounce=0.1, strike=1.2, phase=2.0),
    ),
    "running": Activity(
        effort_met=8.3,
        step_rate_hz=2.65,
        wrist=Limb(pitch=1.3, swing=0.4, lever_m=0.35, bounce=1.2),
        ankle=Limb(pitch=0.3, swing=0.6, lever_m=0.35, bounce=0.4, strike=3.5, phase=2.0),
    ),
    "stairs": Activity(
        effort_met=6.0,
        step_rate_hz=1.42,
        wrist=Limb(pitch=0.4, swing=0.18, lever_m=0.5, bounce=0.15),
        ankle=Limb(pitch=0.3, swing=0.5, lever_m=0.35, bounce=0.08, strike=0.8, phase=1.6),
    ),
    "sitting": Activity(
        effort_met=1.3,
        wrist=Limb(pitch=1.3, roll=0.1, fidget=0.025),
        ankle=Limb(pitch=0.2, fidget=0.01),
    ),
    "standing": Activity(
        effort_met=1.3,
        posture_bpm=10.0,
        wrist=Limb(pitch=0.2, fidget=0.03),
        ankle=Limb(pitch=0.03, fidget=0.015),
    ),
    "lying": Activity(
        effort_met=1.0,
        posture_bpm=-3.0,
        wrist=Limb(pitch=1.5, roll=1.2, fidget=0.01),
        ankle=Limb(pitch=1.5, roll=0.3, fidget=0.005),
    ),
}
LABELS = tuple(ACTIVITIES)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Hold what differs between people; mounts are (3, 3) rotations of limb to sensor frame."""

    resting_bpm: float
    highest_bpm: float
    highest_met: float
    cadence: float
    vigour: float
    wrist_mount: Float[np.ndarray, "3 3"]
    ankle_mount: Float[np.ndarray, "3 3"]


def spec(config: SimulationConfig) -> SignalSpec:
    """Give the spec: wrist_acc and ankle_acc in g, wrist_gyro in rad/s, heart_rate in bpm."""
    moving = {"wrist_acc": "g", "wrist_gyro": "rad/s", "ankle_acc": "g"}
    sensors = {name: (tuple("xyz"), unit, config.rate_hz) for name, unit in moving.items()}
    sensors["heart_rate"] = (("heart_rate",), "bpm", HEART_RATE_HZ)
    return sampled_spec(sensors, config.window_s or WINDOW_S)


def person(config: SimulationConfig, subject: str, rng: np.random.Generator) -> Iterator[Simulated]:
    """Give one person's sessions: every activity once a session, in any order."""
    someone = draw_person(rng)
    modalities = spec(config)
    for session in range(config.sessions):
        order = rng.permutation(np.array(LABELS)).tolist()
        signals, truths = _session(config, someone, order, rng)
        yield make_simulated(subject, str(session + 1), modalities, signals, truths)


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person: age 20 to 60, resting heart rate 66 (SD 8), 11 (SD 1.5) METs at most."""
    # A watch turns around the forearm and sits on either arm, with the crown either way.
    flip = np.pi if rng.random() < 0.3 else 0.0
    return Person(
        resting_bpm=float(np.clip(rng.normal(66, 8), 48, 90)),
        highest_bpm=208 - 0.7 * float(rng.uniform(20, 60)) + float(rng.normal(0, 5)),
        highest_met=float(np.clip(rng.normal(11, 1.5), 9, 15)),
        cadence=float(np.clip(rng.normal(1, 0.05), 0.88, 1.12)),
        vigour=float(np.exp(rng.normal(0, 0.2))),
        wrist_mount=_mount(rng, flip + rng.normal(0, 0.35)),
        ankle_mount=_mount(rng, rng.normal(0, 0.5)),
    )


def _mount(rng: np.random.Generator, roll: float) -> Float[np.ndarray, "3 3"]:
    from scipy.spatial.transform import Rotation

    tilt = rng.normal(0, 0.12, 2)
    return np.asarray(Rotation.from_euler("xyz", [roll, *tilt]).as_matrix())


def _session(
    config: SimulationConfig, someone: Person, order: list[str], rng: np.random.Generator
) -> tuple[dict[str, Float[np.ndarray, "channel step"]], tuple[Truth, ...]]:
    # Whole seconds, so that every sensor's bouts end together.
    seconds = max(1, round(config.bout_s or BOUT_S))
    bouts = [_bout(ACTIVITIES[label], someone, config.rate_hz, seconds, rng) for label in order]
    signals = {name: np.concatenate([b[name] for b, _ in bouts], axis=1) for name in bouts[0][0]}
    heart = _heart(someone, order, seconds, rng)
    signals["heart_rate"] = heart[None]
    truths = []
    for i, (label, (_, step_rate_hz)) in enumerate(zip(order, bouts, strict=True)):
        start, stop = i * seconds, (i + 1) * seconds
        values = {"heart_rate_bpm": float(heart[start:stop].mean())}
        if step_rate_hz:
            values["step_rate_hz"] = step_rate_hz
        truths.append(Truth(float(start), float(stop), label, values))
    return signals, tuple(truths)


def _bout(
    activity: Activity, someone: Person, rate_hz: float, seconds: int, rng: np.random.Generator
) -> tuple[dict[str, Float[np.ndarray, "3 step"]], float]:
    """Give a bout's signals and its mean step rate in Hz (0 at rest)."""
    count = round(seconds * rate_hz)
    mean_hz = activity.step_rate_hz * someone.cadence * float(rng.normal(1, 0.02))
    step_hz = mean_hz * (1 + 0.01 * slow_noise(rng, count, rate_hz, 0.2))
    steps_taken = np.cumsum(step_hz) / rate_hz + rng.random() * 2
    held = {
        "wrist": _vary(activity.wrist, someone, 0.15, rng),
        "ankle": _vary(activity.ankle, someone, 0.05, rng),
    }
    acceleration, velocity = limb_signals(held["wrist"], steps_taken, rate_hz, rng)
    ankle, _ = limb_signals(held["ankle"], steps_taken, rate_hz, rng)
    signals = {
        "wrist_acc": someone.wrist_mount @ acceleration,
        "wrist_gyro": someone.wrist_mount @ velocity,
        "ankle_acc": someone.ankle_mount @ ankle,
    }
    return signals, float(step_hz.mean())


def _vary(limb: Limb, someone: Person, spread: float, rng: np.random.Generator) -> Limb:
    """Give the limb as this person holds it this time; `spread` of the posture in radians."""
    vigour = someone.vigour * float(np.exp(rng.normal(0, 0.08)))
    return replace(
        limb,
        pitch=limb.pitch + float(rng.normal(0, spread)),
        roll=limb.roll + float(rng.normal(0, 2 * spread)),
        swing=limb.swing * vigour,
        bounce=limb.bounce * vigour,
        strike=limb.strike * vigour,
    )


def _heart(
    someone: Person, order: list[str], seconds: int, rng: np.random.Generator
) -> Float[np.ndarray, " second"]:
    """Give the heart rate in bpm once a second; it follows effort with a first-order lag."""
    reserve = someone.highest_bpm - someone.resting_bpm
    rate, rates = someone.resting_bpm, []
    for label in order:
        activity = ACTIVITIES[label]
        share = (activity.effort_met - 1) / (someone.highest_met - 1)
        target = someone.resting_bpm + activity.posture_bpm + min(share, 1.0) * reserve
        for _ in range(seconds):
            rate += (target - rate) / (LAG_UP_S if target > rate else LAG_DOWN_S)
            rates.append(rate)
    wander = 1.5 * slow_noise(rng, len(rates), HEART_RATE_HZ, 0.05)
    return np.array(rates) + wander + rng.normal(0, 0.5, len(rates))
