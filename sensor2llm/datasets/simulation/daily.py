"""Daily summaries of a wearable and a stress score that shapes them.

Sources of the numbers:
    steps: about 7,000 a day, spread widely within and between people [Tudor-Locke et al. 2011, Int.
        J. Behav. Nutr. Phys. Act.].
    resting heart rate: 65 bpm, spread 8 between people and about 3 within [Quer et al. 2020, PLoS
        ONE]; in non-REM sleep it lies lower, by 5 bpm here.
    sleep: 7 h, spread 50 min within people [Watson et al. 2015, Sleep, for the 7 h].
    stress: heart rate rises by 2 to 4 bpm with work stress [Vrijkotte et al. 2000, Hypertension];
        sleep shortens and mood falls [Akerstedt 2006, Scand. J. Work Environ. Health]. The sizes
        of the effects on steps, sleep and mood are a modest choice of ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.truth import Simulated, Truth, make_simulated
from sensor2llm.signals.spec import Channel, Modality, SignalSpec

LABELS = ("calm", "stressed")
DAY_S, DAYS = 86_400.0, 7
STRESSED_FROM = 6.0
LEVELS = ("1", "2", "3", "4", "5")
LEVELS_FROM = (3.1, 4.4, 5.6, 6.9)
"""Scores at which the next level begins: about a fifth of all days has each."""
PERSISTENCE = 0.6
COLUMNS = {
    "activity": (("steps", "steps/day"),),
    "heart": (("resting_heart_rate", "bpm"), ("non_rem_heart_rate", "bpm")),
    "sleep": (("sleep", "min"),),
    "mood": (("mood", "of 5"),),
}


@dataclass(frozen=True, kw_only=True)
class Habits:
    """Hold a person's usual day."""

    steps: float
    resting_bpm: float
    sleep_min: float
    mood: float
    strain: float


def spec(config: SimulationConfig) -> SignalSpec:
    """Give the spec: activity, heart, sleep and mood, each a row of values a day."""
    modalities = tuple(
        Modality(
            name=name,
            channels=tuple(Channel(name=column, unit=unit) for column, unit in columns),
            steps=1,
            axis="none",
        )
        for name, columns in COLUMNS.items()
    )
    return SignalSpec(modalities=modalities)


def person(config: SimulationConfig, subject: str, rng: np.random.Generator) -> Iterator[Simulated]:
    """Give one person's days: seven a session, one recording each."""
    habits = Habits(
        steps=7000 * float(np.exp(rng.normal(0, 0.3))),
        resting_bpm=float(np.clip(rng.normal(65, 8), 45, 95)),
        sleep_min=float(rng.normal(420, 30)),
        mood=float(np.clip(rng.normal(3.5, 0.4), 2, 4.5)),
        strain=float(rng.normal(0, 0.5)),
    )
    modalities = spec(config)
    stress = float(rng.normal())
    for day in range(config.sessions * DAYS):
        stress = PERSISTENCE * stress + float(rng.normal(0, np.sqrt(1 - PERSISTENCE**2)))
        score = float(np.clip(5 + 2 * (habits.strain + stress), 0, 10))
        rows = summarise(habits, (score - 5) / 2, rng)
        truth = Truth(0.0, DAY_S, label_of(score, config.levels), {"stress_score": score})
        signals = {name: np.array(row, np.float32)[:, None] for name, row in rows.items()}
        yield make_simulated(subject, f"day-{day + 1}", modalities, signals, [truth])


def label_of(score: float, levels: int) -> str:
    """Give a day's label by its stress score, from 0 to 10."""
    if levels == len(LEVELS):
        return LEVELS[int(np.searchsorted(LEVELS_FROM, score, side="right"))]
    return LABELS[score >= STRESSED_FROM]


def summarise(habits: Habits, stress: float, rng: np.random.Generator) -> dict[str, list[float]]:
    """Give a day's rows by modality for a stress of so many standard deviations."""
    resting = habits.resting_bpm + 2.5 * stress + float(rng.normal(0, 2))
    steps = habits.steps * float(np.exp(rng.normal(-0.1 * stress, 0.3)))
    mood = habits.mood - 0.6 * stress + float(rng.normal(0, 0.5))
    return {
        "activity": [float(np.round(steps))],
        "heart": [resting, resting - 5 + 0.8 * stress + float(rng.normal(0, 1))],
        "sleep": [float(np.clip(habits.sleep_min - 18 * stress + rng.normal(0, 40), 120, 660))],
        "mood": [float(np.clip(np.round(mood), 1, 5))],
    }
