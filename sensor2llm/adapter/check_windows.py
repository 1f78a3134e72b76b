"""A few windows with what the adapter's own LLM says of them: another LLM is tried on them.

`training_data.safetensors` holds them in the adapter's folder: features as bfloat16, which is what
the probabilities are of, and no signal.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from sensor2llm.adapter.batches import FeatureBatch

FILE = "training_data.safetensors"
START = "check."


@dataclass(frozen=True, eq=False)
class CheckWindows:
    """Hold windows' features and every label's probability.

    Args:
        features: as the adapter takes them.
        probabilities: by the LLM that it was trained for.
    """

    features: FeatureBatch
    probabilities: Float[Tensor, "window label"]

    def to_tensors(self) -> dict[str, Tensor]:
        """Give what a file holds; texts are JSON."""
        features = self.features
        texts = {"texts": features.texts, "template_values": features.template_values}
        words = json.dumps({k: v for k, v in texts.items() if v is not None}).encode()
        parts = {"steps": features.steps, "present": features.present, "scale": features.scale}
        parts |= {"labels": features.labels, "probabilities": self.probabilities}
        parts |= {"words": torch.frombuffer(bytearray(words), dtype=torch.uint8)}
        return {START + k: v.cpu().contiguous() for k, v in parts.items() if v is not None}

    @classmethod
    def read(cls, folder: Path) -> "CheckWindows | None":
        """Read an adapter's; None where it has none, as those of earlier releases."""
        if not (folder / FILE).is_file():
            return None
        stored = load_file(folder / FILE)
        parts = {k.removeprefix(START): v for k, v in stored.items() if k.startswith(START)}
        if "probabilities" not in parts:
            return None
        probabilities, words = parts.pop("probabilities"), parts.pop("words")
        texts = json.loads(bytes(words.tolist()))
        texts = {name: tuple(values) for name, values in texts.items()}
        return cls(FeatureBatch(**parts, **texts), probabilities)
