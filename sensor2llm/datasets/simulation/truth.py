"""What is known of a simulated recording besides its labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Annotation, Recording, Track


@dataclass(frozen=True)
class Truth:
    """Hold the numbers behind a stretch of a recording; a name ends in its unit."""

    start_s: float
    stop_s: float
    label: str
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Simulated:
    """Hold a recording and what is true of it, in the order of time."""

    recording: Recording
    truths: tuple[Truth, ...]


def make_simulated(
    subject: str,
    name: str,
    spec: SignalSpec,
    signals: Mapping[str, np.ndarray],
    truths: Sequence[Truth],
) -> Simulated:
    """Make a recording of signals (channel, step) that start together, labelled as is true."""
    tracks = {m.name: Track(modality=m, values=signals[m.name]) for m in spec.modalities}
    annotations = tuple(Annotation(t.start_s, t.stop_s, t.label) for t in truths)
    return Simulated(Recording(subject, tracks, annotations, f"{subject}-{name}"), tuple(truths))


class ScenarioModule(Protocol):
    """A scenario: a module with these names."""

    LABELS: tuple[str, ...]

    def spec(self, config: SimulationConfig) -> SignalSpec:
        """Give the spec of the scenario's windows."""

    def person(
        self, config: SimulationConfig, subject: str, rng: np.random.Generator
    ) -> Iterator[Simulated]:
        """Give one person's recordings."""
