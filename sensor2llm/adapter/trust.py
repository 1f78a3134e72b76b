"""When an adapter may be trusted: what its training windows look like, and how sure its labels are.

Both lie in `training_data.safetensors`, beside the check windows; adapters of earlier releases have
neither, and `evaluate --calibrate` adds them without touching a weight.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from sensor2llm.adapter.calibration import Calibration
from sensor2llm.adapter.check_windows import FILE
from sensor2llm.errors import ConfigError
from sensor2llm.signals.likeness.profile import TrainingProfile
from sensor2llm.signals.spec import SignalSpec

PROFILE, CALIBRATION, WORDS = "profile.", "calibration.", "words"


@dataclass(frozen=True, eq=False)
class Trust:
    """Hold what is known of an adapter's training windows and of its labels' probabilities."""

    profile: TrainingProfile | None = None
    calibration: Calibration | None = None

    @property
    def temperature(self) -> float:
        """Give what labels' scores are divided by."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    def least_confidence(self, abstain: float | None) -> float:
        """Give the probability below which a label is unknown; that of none where None.

        Args:
            abstain: the share of wrong labels that is taken.

        Raises:
            ConfigError: the adapter is not calibrated.
        """
        if abstain is None:
            return -math.inf
        if self.calibration is None:
            raise ConfigError(
                "this adapter is not calibrated and cannot abstain; calibrate it first: "
                "sensor2llm evaluate ADAPTER --data STORE --calibrate"
            )
        return self.calibration.least_confidence(abstain)

    def to_tensors(self) -> dict[str, Tensor]:
        """Give what a file holds."""
        arrays: dict[str, np.ndarray] = {}
        if self.profile is not None:
            words = json.dumps(self.profile.to_dict()).encode()
            own = self.profile.to_tensors() | {WORDS: np.frombuffer(words, np.uint8).copy()}
            arrays |= {PROFILE + name: array for name, array in own.items()}
        if self.calibration is not None:
            stored = self.calibration.to_arrays()
            arrays |= {CALIBRATION + name: array for name, array in stored.items()}
        return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}

    @classmethod
    def read(cls, folder: Path, spec: SignalSpec) -> "Trust":
        """Read an adapter's; empty where it has none, as those of earlier releases."""
        if not (folder / FILE).is_file():
            return cls()
        stored = {name: tensor.numpy() for name, tensor in load_file(folder / FILE).items()
                  if not name.startswith("check.")}  # fmt: skip
        profile, calibration = _part(stored, PROFILE), _part(stored, CALIBRATION)
        return cls(
            TrainingProfile.restore(spec, profile, json.loads(bytes(profile[WORDS].tolist())))
            if profile
            else None,
            Calibration.from_arrays(calibration) if calibration else None,
        )


def _part(stored: Mapping[str, np.ndarray], start: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(start): a for name, a in stored.items() if name.startswith(start)}
