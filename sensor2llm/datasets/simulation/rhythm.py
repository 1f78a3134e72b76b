"""Inter-beat intervals of sinus rhythm and of atrial fibrillation.

Sources of the numbers:
    sinus rhythm: mean interval 926 ms (SD 90 between people), power of 657 ms^2 in the respiratory
        band and 519 ms^2 around the Mayer waves' 0.1 Hz, RMSSD about 42 ms
        [Nunan et al. 2010, Pacing Clin. Electrophysiol.]; a bimodal spectrum with these two
        oscillations [McSharry et al. 2003, IEEE Trans. Biomed. Eng.]; rare ectopic beats, each
        early and followed by a pause.
    atrial fibrillation: independent intervals whose coefficient of variation is about 0.24
        whatever the rate [Tateno and Glass 2001, Med. Biol. Eng. Comput.], with an exponential
        tail above a refractory time [Hennig et al. 2006, Phys. Rev. E]; resting rate 60 to 110 bpm.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.noise import slow_noise
from sensor2llm.datasets.simulation.truth import Simulated, Truth, make_simulated
from sensor2llm.signals.spec import Channel, Modality, SignalSpec

LABELS = ("sinus rhythm", "atrial fibrillation")
BOUT_S, BEATS = 240.0, 60
RESPIRATORY_MS2, MAYER_MS2 = 657.0, 519.0
VARIATION_IN_FIBRILLATION, REFRACTORY_SHARE = 0.24, 0.45
Intervals = Float[np.ndarray, "beat"]


@dataclass(frozen=True, kw_only=True)
class Heart:
    """Hold what differs between people's hearts."""

    mean_ms: float
    fibrillation_ms: float
    breath_hz: float
    variability: float
    ectopic_share: float


def spec(config: SimulationConfig) -> SignalSpec:
    """Give the spec: `ibi` in ms, 60 beats a window on the event axis."""
    channels = (Channel(name="ibi", unit="ms"),)
    return SignalSpec(
        modalities=(Modality(name="ibi", channels=channels, steps=BEATS, axis="event"),)
    )


def person(config: SimulationConfig, subject: str, rng: np.random.Generator) -> Iterator[Simulated]:
    """Give one person's recordings: one of each rhythm a session."""
    heart = Heart(
        mean_ms=float(np.clip(rng.normal(926, 90), 650, 1200)),
        fibrillation_ms=60_000 / float(np.clip(rng.normal(88, 12), 60, 110)),
        breath_hz=float(np.clip(rng.normal(0.25, 0.04), 0.15, 0.38)),
        variability=float(np.exp(rng.normal(0, 0.35))),
        ectopic_share=float(rng.exponential(0.005)),
    )
    modalities = spec(config)
    length_s = config.bout_s or BOUT_S
    for session in range(config.sessions):
        for label, draw in zip(LABELS, (sinus, fibrillation), strict=True):
            intervals = draw(heart, length_s, rng)
            stop_s = float(intervals.sum()) / 1000
            values = {"heart_rate_bpm": 60_000 / float(intervals.mean())}
            values["rmssd_ms"] = float(np.sqrt(np.mean(np.diff(intervals) ** 2)))
            truth = Truth(0.0, stop_s + 1e-3, label, values)
            name = f"{session + 1}-{label.replace(' ', '-')}"
            yield make_simulated(subject, name, modalities, {"ibi": intervals[None]}, [truth])


def sinus(heart: Heart, length_s: float, rng: np.random.Generator) -> Intervals:
    """Give the intervals in ms of about `length_s` seconds of sinus rhythm."""
    count = max(2, round(length_s * 1000 / heart.mean_ms))
    breath = np.sqrt(2 * RESPIRATORY_MS2) * heart.variability
    mayer = np.sqrt(2 * MAYER_MS2) * heart.variability
    wander = 20 * heart.variability * slow_noise(rng, count, 1000 / heart.mean_ms, 0.03)
    breath_phase, mayer_phase = rng.uniform(0, 2 * np.pi, 2)
    time_s, intervals = 0.0, np.empty(count)
    for i, jitter in enumerate(rng.normal(0, 6, count)):
        swing = breath * np.sin(2 * np.pi * heart.breath_hz * time_s + breath_phase)
        swing += mayer * np.sin(2 * np.pi * 0.1 * time_s + mayer_phase)
        intervals[i] = max(300.0, heart.mean_ms + swing + wander[i] + jitter)
        time_s += intervals[i] / 1000
    early = np.flatnonzero(rng.random(count - 1) < heart.ectopic_share)
    intervals[early] *= 0.7
    intervals[early + 1] *= 1.3
    return intervals


def fibrillation(heart: Heart, length_s: float, rng: np.random.Generator) -> Intervals:
    """Give the intervals in ms of about `length_s` seconds of atrial fibrillation."""
    count = max(2, round(length_s * 1000 / heart.fibrillation_ms))
    free = 1 - REFRACTORY_SHARE
    shape = (free / VARIATION_IN_FIBRILLATION) ** 2
    excess = rng.gamma(shape, free / shape, count)
    return heart.fibrillation_ms * (REFRACTORY_SHARE + excess)
