"""Facts of simulated, real and hand-made windows for the tests of this folder."""

import numpy as np
import pytest

from sensor2llm.datasets.motion import uci_har
from sensor2llm.datasets.simulation.simulate import SimulationConfig, simulate, simulated_spec
from sensor2llm.signals.facts.facts import Fact, extract_facts
from sensor2llm.signals.questions.missing import hide
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.transforms import segment

SIMULATED = {
    "activity": SimulationConfig(subjects=3, sessions=1, bout_s=20.0),
    "rhythm": SimulationConfig(scenario="rhythm", subjects=3, sessions=1),
    "sleep": SimulationConfig(scenario="sleep", subjects=1, sessions=1),
    "daily": SimulationConfig(scenario="daily", subjects=2, sessions=1),
}


def _simulated(config):
    spec = simulated_spec(config)
    return spec, [window for recording in simulate(config) for window in segment(recording, spec)]


def _told(spec, windows, seed=0):
    """Give facts of windows; a quarter of the modalities is hidden."""
    rng = np.random.default_rng(seed)
    return [extract_facts(hide(window, rng, 0.25), spec) for window in windows]


@pytest.fixture(scope="session")
def simulations():
    """Give spec, windows and facts of a scenario each."""
    made = {name: _simulated(config) for name, config in SIMULATED.items()}
    return {name: (spec, windows, _told(spec, windows)) for name, (spec, windows) in made.items()}


@pytest.fixture(scope="session")
def every_fact(simulations):
    """Give the facts of all simulated windows, each with its scenario."""
    return [(name, told) for name, (_, _, all_told) in simulations.items() for told in all_told]


@pytest.fixture(scope="session")
def real(shared):
    """Give spec and facts of real windows (UCI HAR, 90 windows)."""
    windows = list(uci_har.read(shared / "data" / "uci_har" / "mini", SourceOptions()).windows)
    return uci_har.SPEC, _told(uci_har.SPEC, windows)


@pytest.fixture
def told():
    """Give facts written by hand: two accelerometers, a heart rate, beats; the EDA is missing."""

    def make(**changed):
        values = {
            "wrist_acc.intensity": "moderate", "wrist_acc.step_rate": 1.94,
            "wrist_acc.dominant_frequency": 3.84, "wrist_acc.orientation": "-wrist_acc_y",
            "ankle_acc.intensity": "light", "ankle_acc.step_rate": None,
            "heart_rate.heart_rate": 71.4, "heart_rate.trend": "rising",
            "ibi.rmssd": 46.3, "ibi.irregularity": 0.0832, "ibi.heart_rate": 72.0,
            "missing": ("wrist_eda",),
        }  # fmt: skip
        numbers = {"wrist_acc.intensity": 0.2, "ankle_acc.intensity": 0.05}
        near = {}
        for name, value in changed.items():
            key = name.replace("__", ".")
            if isinstance(value, dict):
                numbers[key] = value.get("number", numbers.get(key))
                near[key] = value.get("near", ())
                value = value.get("value", values.get(key))
            values[key] = value
        made = {}
        for key, value in values.items():
            modality, _, name = key.rpartition(".")
            made[key] = Fact(
                name, modality, value, "", key, number=numbers.get(key), near=near.get(key, ())
            )
        return made

    return make
