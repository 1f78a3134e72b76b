"""Make multi-sensor recordings with known truth, from a seed.

    >>> config = SimulationConfig(subjects=1, sessions=1, missing_share=0.0)
    >>> [recording] = simulate(config)
    >>> sorted(recording.tracks)
    ['ankle_acc', 'heart_rate', 'wrist_acc', 'wrist_gyro']

Six scenarios, each a file in `sensor2llm.datasets.simulation` with its sources: activity, rhythm,
sleep, spirometry, daily, phone. A person is drawn from the seed and the person's own number, so
that ten people are the first ten of twenty. What is known beyond the labels comes from
`simulate_with_truth`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from sensor2llm.datasets.simulation import activity, daily, phone, rhythm, sleep, spirometry
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.truth import ScenarioModule, Simulated, Truth
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Recording, Window

__all__ = [
    "SCENARIOS",
    "Simulated",
    "SimulationConfig",
    "Truth",
    "simulate",
    "simulate_store",
    "simulate_with_truth",
    "simulated_labels",
    "simulated_spec",
]

SCENARIOS: dict[str, ScenarioModule] = {
    "activity": cast(ScenarioModule, activity),
    "rhythm": cast(ScenarioModule, rhythm),
    "sleep": cast(ScenarioModule, sleep),
    "spirometry": cast(ScenarioModule, spirometry),
    "daily": cast(ScenarioModule, daily),
    "phone": cast(ScenarioModule, phone),  # the place in this list is part of every person's seed
}


def simulated_spec(config: SimulationConfig) -> SignalSpec:
    """Give the spec of the windows that a configuration makes."""
    return SCENARIOS[config.scenario].spec(config)


def simulated_labels(config: SimulationConfig) -> tuple[str, ...]:
    """Give the labels of a scenario in their order."""
    if config.levels == len(daily.LEVELS):
        return daily.LEVELS
    return SCENARIOS[config.scenario].LABELS


def simulate(config: SimulationConfig) -> Iterator[Recording]:
    """Give the recordings of all people, person by person."""
    return (simulated.recording for simulated in simulate_with_truth(config))


def simulate_with_truth(config: SimulationConfig) -> Iterator[Simulated]:
    """Give the recordings with what is true of them (step rates, FEV1, stress scores, …)."""
    scenario = list(SCENARIOS).index(config.scenario)
    for number in range(config.subjects):
        rng = np.random.default_rng([config.seed, scenario, number])
        # Its own source: the signals stay the same whatever is missing.
        losses = np.random.default_rng([config.seed, scenario, number, 1])
        subject = f"S{number + 1:02d}"
        for simulated in SCENARIOS[config.scenario].person(config, subject, rng):
            recording = _lose(simulated.recording, config.missing_share, losses)
            yield replace(simulated, recording=recording)


def _lose(recording: Recording, share: float, rng: np.random.Generator) -> Recording:
    """Drop each modality with probability `share`; one that is drawn always stays."""
    names = list(recording.tracks)
    lost = rng.random(len(names)) < share
    lost[rng.integers(len(names))] = False
    tracks = {
        name: recording.tracks[name] for name, gone in zip(names, lost, strict=True) if not gone
    }
    return replace(recording, tracks=tracks)


def simulate_store(path: str | Path, config: SimulationConfig) -> WindowStore:
    """Write the windows of a simulation into a WindowStore; no split is published.

    Raises:
        DataError: If something else than a store is at `path`.
    """
    from sensor2llm.signals.transforms import segment

    spec, ledger = simulated_spec(config), Ledger()
    windows: Iterator[Window] = (
        window
        for recording in simulate(config)
        for window in segment(recording, spec, ledger=ledger)
    )
    return WindowStore.write(
        path,
        spec,
        windows,
        label_names=simulated_labels(config),
        source=f"simulated: {config}",
        ledger=ledger,
    )
