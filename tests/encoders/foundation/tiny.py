"""A foundation encoder as a package of others registers one: small, and its weights in a folder."""

import json
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.foundation.catalogue import PLUGINS, Foundation
from sensor2llm.encoders.temporal_cnn import TemporalCNN
from sensor2llm.signals.spec import Modality

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class TinyModel(nn.Module):
    """Give a step a channel: what a linear layer makes of its mean and its deviation."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.linear = nn.Linear(2, features)
        self.dropout = nn.Dropout(0.5)
        self.most_windows = 0

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.most_windows = max(self.most_windows, len(values))
        values = values.to(self.linear.weight)
        facts = torch.stack([values.mean(2), values.std(2, correction=0)], dim=2)
        return self.dropout(self.linear(facts))


def read_tiny(folder: Path) -> TinyModel:
    model = TinyModel(json.loads((folder / "config.json").read_text())["features"])
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model


def build_small_cnn(modality: Modality, config: EncoderConfig) -> nn.Module:
    return TemporalCNN(len(modality.channels), config)


TINY = Foundation(
    what="for tests", hub="someone/tiny", package="torch", install="tiny", build=read_tiny
)
ABSENT = Foundation(
    what="for tests", hub="someone/tiny", package="no_such_code", install="tiny[all]",
    build=read_tiny,
)  # fmt: skip
REGISTERED = {
    "tiny": f"{__name__}:TINY",
    "absent": f"{__name__}:ABSENT",
    "small_cnn": f"{__name__}:build_small_cnn",
    "broken": "no_such_code:BUILD",
}


def registered(group: str) -> EntryPoints:
    """Stand in for the entry points of what is installed."""
    pairs = REGISTERED.items() if group == PLUGINS else ()
    return EntryPoints(EntryPoint(name, value, PLUGINS) for name, value in pairs)


def save_tiny(folder: Path, seed: int = 0, features: int = 8) -> Path:
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"features": features}))
    save_file(TinyModel(features).state_dict(), folder / "model.safetensors")
    return folder


def save_in_hub_cache(cache: Path, name: str = "someone/tiny", seed: int = 0) -> Path:
    """Write the hub's cache as it is after the files were fetched once."""
    repo = cache / f"models--{name.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    return save_tiny(repo / "snapshots" / COMMIT, seed)
