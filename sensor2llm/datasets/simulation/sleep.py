"""EEG, EOG and EMG of the five sleep stages.

Stages follow the AASM scoring manual [Berry et al. 2012, J. Clin. Sleep Med.]: alpha (8 to 13 Hz)
and blinks awake; theta (4 to 7 Hz) and slow rolling eyes in N1; spindles (11 to 16 Hz, 0.5 s or
longer) and K complexes in N2; waves of 0.5 to 2 Hz above 75 uV peak to peak over more than a fifth
of the epoch in N3; low mixed EEG, rapid eye movements and the lowest muscle tone in REM. Spindles
of fast type lie near 13.3 Hz, last 0.8 s and come a few times a minute [Purcell et al. 2017, Nat.
Commun.]. Amplitudes without a rule in the manual are of the order seen in Sleep-EDF [Kemp et al.
2000, IEEE Trans. Biomed. Eng.].
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sensor2llm.datasets.published import sampled_spec
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.noise import band_noise, pink_noise, slow_noise
from sensor2llm.datasets.simulation.truth import Simulated, Truth, make_simulated
from sensor2llm.signals.spec import SignalSpec

LABELS = ("W", "N1", "N2", "N3", "REM")
CYCLE = ("W", "N1", "N2", "N3", "N2", "REM")
RATE_HZ, BOUT_S, WINDOW_S = 100.0, 150.0, 30.0
Signal = Float[np.ndarray, "step"]


@dataclass(frozen=True, kw_only=True)
class SleepStage:
    """Hold RMS amplitudes in uV and events a minute of one stage."""

    delta: float
    theta: float
    alpha: float
    beta: float
    muscle: float
    spindles_per_min: float = 0.0
    complexes_per_min: float = 0.0
    slow_eyes: float = 0.0
    eye_movements_per_min: float = 0.0


STAGES = {
    "W": SleepStage(delta=7, theta=6, alpha=16, beta=7, muscle=22, eye_movements_per_min=14),
    "N1": SleepStage(delta=9, theta=11, alpha=5, beta=5, muscle=13, slow_eyes=45),
    "N2": SleepStage(
        delta=15, theta=9, alpha=4, beta=4, muscle=9, spindles_per_min=5, complexes_per_min=2
    ),
    "N3": SleepStage(delta=42, theta=9, alpha=3, beta=3, muscle=7, spindles_per_min=1),
    "REM": SleepStage(delta=8, theta=10, alpha=4, beta=6, muscle=3, eye_movements_per_min=18),
}


@dataclass(frozen=True, kw_only=True)
class Sleeper:
    """Hold what differs between people."""

    amplitude: float
    tone: float
    alpha_hz: float
    spindle_hz: float


def spec(config: SimulationConfig) -> SignalSpec:
    """Give the spec: eeg, eog and emg in uV at 100 Hz, 30 s a window."""
    window_s = config.window_s or WINDOW_S
    return sampled_spec({name: ([name], "uV", RATE_HZ) for name in ("eeg", "eog", "emg")}, window_s)


def person(config: SimulationConfig, subject: str, rng: np.random.Generator) -> Iterator[Simulated]:
    """Give one person's recordings: one sleep cycle W N1 N2 N3 N2 REM a session."""
    sleeper = Sleeper(
        amplitude=float(np.exp(rng.normal(0, 0.2))),
        tone=float(np.exp(rng.normal(0, 0.3))),
        alpha_hz=float(np.clip(rng.normal(10, 0.8), 8.3, 12)),
        spindle_hz=float(np.clip(rng.normal(13.3, 0.6), 11.5, 15.5)),
    )
    modalities = spec(config)
    length_s = config.bout_s or BOUT_S
    count = round(length_s * RATE_HZ)
    for session in range(config.sessions):
        parts = [_stage(STAGES[label], sleeper, count, rng) for label in CYCLE]
        signals = {n: np.concatenate([part[n] for part in parts])[None] for n in parts[0]}
        values = {"spindle_hz": sleeper.spindle_hz, "alpha_hz": sleeper.alpha_hz}
        truths = [
            Truth(i * count / RATE_HZ, (i + 1) * count / RATE_HZ, label, values)
            for i, label in enumerate(CYCLE)
        ]
        yield make_simulated(subject, str(session + 1), modalities, signals, truths)


def _stage(
    stage: SleepStage, sleeper: Sleeper, count: int, rng: np.random.Generator
) -> dict[str, Signal]:
    eeg = 4 * pink_noise(rng, count, RATE_HZ)
    bands = (
        (stage.delta, 1.2, 0.5),
        (stage.theta, 5.5, 0.8),
        (stage.alpha, sleeper.alpha_hz, 0.5),
        (stage.beta, 20.0, 4.0),
    )
    for amplitude, centre_hz, width_hz in bands:
        eeg = eeg + amplitude * band_noise(rng, count, RATE_HZ, centre_hz, width_hz)
    for start, time_s in _events(stage.spindles_per_min, 0.8, count, rng):
        wave = 28 * np.hanning(len(time_s)) * np.sin(2 * np.pi * sleeper.spindle_hz * time_s)
        eeg[start : start + len(time_s)] += wave
    for start, time_s in _events(stage.complexes_per_min, 1.0, count, rng):
        eeg[start : start + len(time_s)] += 90 * np.sin(2 * np.pi * time_s) * np.exp(-time_s)
    muscle = stage.muscle * sleeper.tone * band_noise(rng, count, RATE_HZ, 35.0, 8.0)
    eog = _eyes(stage, count, rng) + 0.3 * eeg
    return {"eeg": eeg * sleeper.amplitude, "eog": eog * sleeper.amplitude, "emg": muscle}


def _eyes(stage: SleepStage, count: int, rng: np.random.Generator) -> Signal:
    eog = stage.slow_eyes * band_noise(rng, count, RATE_HZ, 0.3, 0.1)
    eog = eog + 5 * slow_noise(rng, count, RATE_HZ, 1.0)
    for start, time_s in _events(stage.eye_movements_per_min, 1.0, count, rng):
        # A saccade jumps within 50 ms and the AC-coupled amplifier lets it decay.
        jump = np.tanh(time_s / 0.03) * np.exp(-time_s / 0.35)
        eog[start : start + len(time_s)] += rng.choice([-1, 1]) * rng.normal(110, 25) * jump
    return eog


def _events(
    per_min: float, length_s: float, count: int, rng: np.random.Generator
) -> Iterator[tuple[int, Signal]]:
    """Give start steps and time axes of events that fall at random."""
    steps = round(length_s * RATE_HZ)
    if per_min <= 0 or count <= steps:
        return
    for start in rng.integers(0, count - steps, rng.poisson(per_min * count / RATE_HZ / 60)):
        yield int(start), np.arange(steps) / RATE_HZ
