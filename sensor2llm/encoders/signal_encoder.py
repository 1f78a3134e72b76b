"""SignalEncoder: one encoder a modality and the cross-modal aggregator, saved as one folder.

    encoder = SignalEncoder(spec, EncoderConfig())
    output = encoder(batch)            # steps, pooled and joint embeddings
    encoder.save_pretrained("my-encoder", {"normaliser": normaliser.to_dict()})

Notation: B batch, M modality, S step (each modality has its own), W width, A aggregate.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.aggregator import Aggregator
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.temporal_cnn import MODALITY_ENCODERS
from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.manifest import FORMAT_VERSION, MANIFEST, first_line
from sensor2llm.manifest import read_manifest as read_folder
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.training.record import replace_folder, versions, write_json

WEIGHTS = "encoder.safetensors"


class EncoderOutput(NamedTuple):
    """What an encoder knows of a batch of windows; everything absent is zeros."""

    steps: dict[str, Float[Tensor, "batch step width"]]
    """Features of each modality's steps, not pooled."""
    pooled: Float[Tensor, "batch modality width"]
    """Each modality's mean over its steps (global average pooling)."""
    joint: Float[Tensor, "batch aggregate"]
    """The aggregator's output."""
    present: Bool[Tensor, "batch modality"]


class Features(NamedTuple):
    """What the bridge takes and what is cached."""

    steps: Float[Tensor, "batch modality step width"]
    present: Bool[Tensor, "batch modality"]


class SignalEncoder(nn.Module):
    """Encode windows of any subset of a spec's modalities.

    A missing modality changes nothing for the ones present; its own features are zeros.

    Args:
        spec: modalities, in the order of `SignalBatch.present`'s columns.
        config: kind and sizes.

    Raises:
        ConfigError: the kind is unknown.
    """

    def __init__(self, spec: SignalSpec, config: EncoderConfig | None = None) -> None:
        super().__init__()
        self.spec, self.config = spec, config or EncoderConfig()
        if self.config.kind not in MODALITY_ENCODERS:
            choices = ", ".join(MODALITY_ENCODERS)
            raise ConfigError(f"unknown encoder {self.config.kind!r}; choose from {choices}")
        build = MODALITY_ENCODERS[self.config.kind]
        # A list, not a dict: a modality may be called "values", which ModuleDict refuses.
        self.modalities = nn.ModuleList(build(m, self.config) for m in spec.modalities)
        self.aggregator = Aggregator(len(spec.modalities), self.config)

    @property
    def width(self) -> int:
        """Give the number of features a step."""
        return self.config.width

    def forward(self, batch: SignalBatch) -> EncoderOutput:
        """Encode a normalised batch."""
        steps = self.encode_steps(batch)
        pooled = self.pool(steps)
        return EncoderOutput(steps, pooled, self.aggregator(pooled), batch.present)

    def encode_steps(self, batch: SignalBatch) -> dict[str, Float[Tensor, "batch step width"]]:
        """Give every modality's step features; zeros where it is absent."""
        return {
            name: self._encode_present(encoder, batch.signals[name], batch.present[:, i])
            for i, (name, encoder) in enumerate(zip(self.spec.names, self.modalities, strict=True))
        }

    def pool(
        self, steps: Mapping[str, Float[Tensor, "batch step width"]]
    ) -> Float[Tensor, "batch modality width"]:
        """Average each modality's features over its steps."""
        return torch.stack([steps[name].mean(1) for name in self.spec.names], dim=1)

    def features(self, batch: SignalBatch) -> Features:
        """Give each modality's steps, averaged to exactly `config.pooled_steps`."""
        count = self.config.pooled_steps
        pooled = [
            functional.adaptive_avg_pool1d(values.transpose(1, 2), count).transpose(1, 2)
            for values in self.encode_steps(batch).values()
        ]
        return Features(torch.stack(pooled, dim=1), batch.present)

    def _encode_present(
        self,
        encoder: nn.Module,
        values: Float[Tensor, "batch channel step"],
        present: Bool[Tensor, " batch"],
    ) -> Float[Tensor, "batch step width"]:
        """Encode the rows that have the modality; the others cost nothing and are zeros."""
        if bool(present.all()):
            return encoder(values)
        rows = present.nonzero().squeeze(1)
        # One zero row stands in where nobody has the modality, to learn the number of steps.
        encoded = encoder(values[rows] if len(rows) else torch.zeros_like(values[:1]))
        out = encoded.new_zeros(len(values), *encoded.shape[1:])
        return out.index_copy(0, rows, encoded[: len(rows)])

    def fingerprint(self) -> str:
        """Give "sha256:…" of the spec, the configuration and every weight."""
        digest = hashlib.sha256()
        head = {"spec": self.spec.to_dict(), "config": asdict(self.config)}
        digest.update(json.dumps(head, sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return f"sha256:{digest.hexdigest()}"

    def save_pretrained(self, folder: str | Path, extra: Mapping[str, Any] | None = None) -> None:
        """Write the encoder's folder; one that is already there stays whole until the end.

        Args:
            folder: where it goes.
            extra: what else the manifest holds, plain JSON: `normaliser`, `label_names`, `recipe`.
        """
        manifest = {
            "format_version": FORMAT_VERSION,
            "kind": "encoder",
            "spec": self.spec.to_dict(),
            "encoder": asdict(self.config),
            "fingerprint": self.fingerprint(),
            "versions": versions(),
            **(extra or {}),
        }
        with replace_folder(Path(folder)) as part:
            weights = {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}
            save_file(weights, part / WEIGHTS)
            write_json(part / MANIFEST, manifest)
            shutil.copymode(part / MANIFEST, part / WEIGHTS)  # safetensors' is for one's eyes only

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "SignalEncoder":
        """Read an encoder's folder; `read_manifest` gives what else was saved there.

        Raises:
            ArtefactError: the folder is no encoder, is truncated, or its parts do not fit.
        """
        manifest = read_manifest(folder)
        try:
            spec = SignalSpec.from_dict(manifest["spec"])
            encoder = cls(spec, EncoderConfig(**manifest["encoder"]))
            encoder.load_state_dict(load_file(Path(folder) / WEIGHTS))
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise ArtefactError(
                f"the encoder in '{folder}' is broken ({first_line(error)}); train it again"
            ) from error
        return encoder.eval()


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Read an encoder folder's manifest: spec, config, normaliser and what else was saved.

    Raises:
        ArtefactError: there is none, or it is of another kind or format.
    """
    return read_folder(Path(folder), "encoder", "pretrain_encoder")
