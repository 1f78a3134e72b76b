"""The turn of a device's axes that is proposed for an adapter: as it is typed, and shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.mapping.data_map import parse_map
from sensor2llm.signals.mapping.fitting import AxesFit, fit_axes


@dataclass(frozen=True)
class AxesProposal:
    """Hold what is to be typed, and what it changes."""

    words: list[str]
    fit: AxesFit

    def text(self) -> str:
        """Write it for people."""
        if not self.fit.changes:
            return f"the axes lie as in training; {self.fit.before}"
        lines = [f"--map {' '.join(self.words)}", f"as it is:  {self.fit.before}"]
        return "\n".join([*lines, f"turned so: {self.fit.after}"])

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        changes = {"changes": self.fit.changes, "before": self.fit.before, "after": self.fit.after}
        return {"map": self.words, **changes}


def propose_axes(
    adapter: str, file: Path, words: Sequence[str] = (), overlap: float = 0.0
) -> AxesProposal:
    """Fit the axes of a file's device to an adapter.

    Raises:
        ConfigError: the adapter does not say what its training windows look like.
        DataError: the file holds no window, or none with gravity.
    """
    loaded = SensorAdapter.load(adapter)
    profile = loaded.trust.profile
    if profile is None:
        raise ConfigError(
            f"'{adapter}' does not say what its training windows look like; add it first: "
            "sensor2llm evaluate ADAPTER --data STORE --calibrate"
        )
    names = parse_map(words, loaded.spec)
    if any((turn != np.eye(len(turn))).any() for turn in names.turns.values()):
        raise ConfigError("fit-axes finds the axes itself; map only sensors and columns here")
    windows = list(names.read(file, loaded.spec, overlap))
    if not windows:
        raise DataError(f"{file.name} holds no whole window of {loaded.spec.length_text}")
    fit = fit_axes(profile, windows)
    sensors = [f"{ours}={theirs}" for ours, theirs in names.sensors.items()]
    return AxesProposal(sensors + fit.data_map.words(loaded.spec, names.named), fit)
