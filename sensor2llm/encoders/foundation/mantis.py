"""Mantis: a transformer that was trained to tell series apart [Feofanov et al. 2025]."""

import json
from pathlib import Path

from jaxtyping import Float
from mantis.architecture import MantisV1
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.foundation import SETTINGS, WEIGHTS


class Mantis(nn.Module):
    """Give each channel's class token: as many steps as a window has channels.

    Mantis hears one channel of one length, so each is stretched to that, as its authors do.
    """

    def __init__(self, model: MantisV1) -> None:
        super().__init__()
        self.model, self.features = model, model.hidden_dim

    @classmethod
    def read(cls, folder: Path) -> "Mantis":
        """Build it of a folder's settings and weights; all of them must fit."""
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        model = MantisV1(**(settings | {"device": "cpu"}))
        model.load_state_dict(load_file(folder / WEIGHTS))
        return cls(model)

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch channel features"]:
        """Give one feature vector a channel."""
        series = functional.interpolate(
            values.flatten(0, 1).unsqueeze(1), size=self.model.seq_len, mode="linear"
        )
        return self.model(series).unflatten(0, values.shape[:2])
