"""Chronos-2: a transformer that was trained to forecast series together [Ansari et al. 2025]."""

import json
from pathlib import Path

import torch
from chronos.chronos2 import Chronos2CoreConfig, Chronos2Model
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from sensor2llm.encoders.foundation import SETTINGS, WEIGHTS


class Chronos2(nn.Module):
    """Give the encoder's features of each channel's patches, one channel's after another's.

    The channels of a window attend to each other, those of other windows are out of sight. Each is
    brought to mean 0 and deviation 1 first: what that takes away reaches the LLM by
    `projector.scale`. Of a window longer than the model's context its end alone is heard.
    """

    def __init__(self, model: Chronos2Model) -> None:
        super().__init__()
        self.model, self.features = model, model.model_dim

    @classmethod
    def read(cls, folder: Path) -> "Chronos2":
        """Build it of a folder's settings and weights; all of them must fit."""
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        model = Chronos2Model(Chronos2CoreConfig(**settings))
        model.load_state_dict(load_file(folder / WEIGHTS))
        return cls(model)

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch patch features"]:
        """Give channels times patches feature vectors."""
        windows, channels = values.shape[:2]
        groups = torch.arange(windows, device=values.device).repeat_interleave(channels)
        encoded, _, _, patches = self.model.encode(values.flatten(0, 1), group_ids=groups)
        # Behind the patches stand a token of the whole series and one of what is to come.
        inside = encoded.last_hidden_state[:, :patches]
        return inside.reshape(windows, channels * patches, self.features)
