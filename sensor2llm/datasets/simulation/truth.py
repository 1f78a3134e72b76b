"""What is known of a simulated recording besides its labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Annotation, Recording


@dataclass(frozen=True)
class Truth:
    """Hold the numbers behind a stretch of a recording; a name ends in its unit."""

    start_s: float
    stop_s: float
    label: str
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def annotation(self) -> Annotation:
        """Give the label alone, as recordings carry it."""
        return Annotation(self.start_s, self.stop_s, self.label)


@dataclass(frozen=True, eq=False)
class Simulated:
    """Hold a recording and what is true of it, in the order of time."""

    recording: Recording
    truths: tuple[Truth, ...]


class ScenarioModule(Protocol):
    """A scenario: a module with these names."""

    LABELS: tuple[str, ...]

    def spec(self, config: SimulationConfig) -> SignalSpec:
        """Give the spec of the scenario's windows."""

    def person(
        self, config: SimulationConfig, subject: str, rng: np.random.Generator
    ) -> Iterator[Simulated]:
        """Give one person's recordings."""
