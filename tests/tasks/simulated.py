"""Simulated windows of several people, and what is true of them; made once a session."""

import functools

from sensor2llm.datasets.simulation.simulate import SimulationConfig, simulate, simulated_spec
from sensor2llm.signals.facts.facts import Fact, extract_facts
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Window

CONFIG = SimulationConfig(subjects=5, sessions=1, bout_s=10, missing_share=0.2)
SPEC: SignalSpec = simulated_spec(CONFIG)


@functools.cache
def moving_windows() -> tuple[Window, ...]:
    return tuple(window for made in simulate(CONFIG) for window in segment(made, SPEC))


@functools.cache
def moving_facts() -> tuple[dict[str, Fact], ...]:
    return tuple(extract_facts(window, SPEC) for window in moving_windows())
