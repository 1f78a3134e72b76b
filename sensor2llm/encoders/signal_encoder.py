"""SignalEncoder: one encoder a modality and the cross-modal aggregator, saved as one folder.

    encoder = SignalEncoder(spec, EncoderConfig())
    output = encoder(batch)            # steps, pooled and joint embeddings
    encoder.save_pretrained("my-encoder", {"normaliser": normaliser.to_dict()})
    SignalEncoder.from_pretrained("uci-har-encoder")    a folder, a released name or a hub name

Notation: B batch, M modality, S step (each modality has its own), W width, A aggregate.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.external import EXTERNAL, fit_modules
from sensor2llm.encoders.files import load_encoder, push_encoder, read_manifest, save_encoder
from sensor2llm.encoders.foundation.frozen import FrozenFoundation
from sensor2llm.encoders.joint import encode_jointly
from sensor2llm.encoders.modality_encoders import build_encoders, load_foundation
from sensor2llm.encoders.orientation import faint_names, with_faint
from sensor2llm.encoders.patch_transformer import Backbone, PatchTransformer
from sensor2llm.encoders.tokens import encode_some
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import SignalSpec

# Cards of released encoders read the manifest from here.
__all__ = ["EncoderOutput", "Features", "SignalEncoder", "read_manifest"]


class EncoderOutput(NamedTuple):
    """What an encoder knows of a batch of windows; everything absent is zeros."""

    steps: dict[str, Float[Tensor, "batch step width"]]
    """Features of each modality's steps, not pooled."""
    pooled: Float[Tensor, "batch modality width"]
    """Each modality's mean over its steps (global average pooling), or its last step."""
    joint: Float[Tensor, "batch aggregate"]
    """The aggregator's output."""
    present: Bool[Tensor, "batch modality"]


class Features(NamedTuple):
    """What the bridge takes and what is cached."""

    steps: Float[Tensor, "batch modality step width"]
    present: Bool[Tensor, "batch modality"]


class Aggregator(nn.Module):
    """Join modality embeddings: concatenate, two ReLU layers, a linear one, LayerNorm.

    A missing modality's embedding is zeros, in pretraining (latent masking) as in use
    [CroSSL, sec. 3.2].

    Example:
        >>> import torch
        >>> Aggregator(3, EncoderConfig())(torch.zeros(2, 3, 96)).shape
        torch.Size([2, 32])
    """

    def __init__(self, modalities: int, config: EncoderConfig) -> None:
        super().__init__()
        hidden, width = config.aggregator_hidden, config.aggregator_width
        self.layers = nn.Sequential(
            nn.Linear(modalities * config.width, hidden),
            nn.ReLU(),
            nn.Linear(hidden, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.LayerNorm(width),
        )

    def forward(
        self, embeddings: Float[Tensor, "batch modality width"]
    ) -> Float[Tensor, "batch aggregate"]:
        """Give the joint embedding; absent modalities' rows must already be zeros."""
        return self.layers(embeddings.flatten(1))


class SignalEncoder(nn.Module):
    """Encode windows of any subset of a spec's modalities.

    A missing modality changes nothing for the ones present, but in a joint encoder; its own
    features are zeros.

    Columns of `SignalBatch.present` are the spec's modalities, in order. Raises ConfigError for an
    unknown kind, or modules (see `from_modules`) that do not fit; see `load_foundation` for an
    encoder that others pretrained, which is loaded unless it is passed.
    """

    def __init__(
        self,
        spec: SignalSpec,
        config: EncoderConfig | None = None,
        modules: Mapping[str, nn.Module] | None = None,
        *,
        foundation: FrozenFoundation | None = None,
    ) -> None:
        super().__init__()
        self.spec, self.config = spec, config or EncoderConfig()
        if modules is None:
            foundation = foundation or load_foundation(self.config)
            if foundation is not None:
                self.config = foundation.pin(self.config)
            self.modalities, self.backbone = build_encoders(spec, self.config, foundation)
        else:
            self.config = replace(self.config, kind=EXTERNAL, faint=False)
            self.modalities, self.backbone = fit_modules(spec, modules, self.config), None
        self.aggregator = Aggregator(len(spec.modalities), self.config)
        self._faint = faint_names(spec, self.config)

    @classmethod
    def from_modules(
        cls,
        spec: SignalSpec,
        modules: Mapping[str, nn.Module],
        config: EncoderConfig | None = None,
    ) -> "SignalEncoder":
        """Build an encoder of modules that others wrote; `ExternalEncoder` wraps most of them.

        Args:
            spec: modalities.
            modules: by modality, what maps (batch, channel, step) to (batch, out_step, width); a
                modality without an axis may do without.
            config: width and aggregator; the kind becomes "external".

        Raises:
            ConfigError: a module is missing or too many, or does not give the width.
        """
        return cls(spec, config, modules)

    @property
    def is_joint(self) -> bool:
        """Say whether what is known of one modality depends on the others."""
        return self.config.fusion == "joint"

    @property
    def width(self) -> int:
        """Give the number of features a step."""
        return self.config.width

    def forward(self, batch: SignalBatch) -> EncoderOutput:
        """Encode a normalised batch."""
        steps = self.encode_steps(batch)
        pooled = self.pool(steps)
        return EncoderOutput(steps, pooled, self.aggregator(pooled), batch.present)

    def encode_steps(
        self,
        batch: SignalBatch,
        *,
        token_drop: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> dict[str, Float[Tensor, "batch _step width"]]:
        """Give every modality's step features; zeros where it is absent.

        A share `token_drop` of each window's tokens (patches, or output steps of encoders without
        patches) is left out at random, in pretraining; every window keeps as many. Raises
        ConfigError unless it is at least 0 and below 1.
        """
        batch = self._heard(batch)
        encode = partial(encode_some, drop=token_drop, generator=generator)
        joint = self._encode_jointly(batch, token_drop, generator)
        present = zip(self.spec.names, self.modalities, batch.present.T, strict=True)
        return {
            name: joint[name]
            if name in joint
            else _encode_present(partial(encode, encoder), batch.signals[name], there)
            for name, encoder, there in present
        }

    def _heard(self, batch: SignalBatch) -> SignalBatch:
        """Add the channels of faint movement."""
        faint = {name: with_faint(batch.signals[name]) for name in self._faint}
        return replace(batch, signals=batch.signals | faint)

    def _encode_jointly(
        self, batch: SignalBatch, token_drop: float, generator: torch.Generator | None
    ) -> dict[str, Float[Tensor, "batch _step width"]]:
        """Encode what is heard jointly: every modality that has patches, or none."""
        pairs = zip(self.spec.names, self.modalities, strict=True)
        heard = {name: one for name, one in pairs if isinstance(one, PatchTransformer)}
        if not (self.is_joint and heard):
            return {}
        assert isinstance(self.backbone, Backbone)
        columns = [self.spec.names.index(name) for name in heard]
        steps = encode_jointly(
            list(heard.values()), self.backbone, [batch.signals[name] for name in heard],
            batch.present[:, columns], token_drop=token_drop, generator=generator,
        )  # fmt: skip
        return dict(zip(heard, steps, strict=True))

    def pool(
        self, steps: Mapping[str, Float[Tensor, "batch _step width"]]
    ) -> Float[Tensor, "batch modality width"]:
        """Average each modality's features over its steps; a recurrent encoder's last step is it.

        An encoder says by `pools_last` that its last step has read the whole window.
        """
        pooled = [
            steps[name][:, -1] if getattr(encoder, "pools_last", False) else steps[name].mean(1)
            for name, encoder in zip(self.spec.names, self.modalities, strict=True)
        ]
        return torch.stack(pooled, dim=1)

    def features(self, batch: SignalBatch) -> Features:
        """Give each modality's steps, averaged to exactly `config.pooled_steps`."""
        count = self.config.pooled_steps
        pooled = [
            functional.adaptive_avg_pool1d(values.transpose(1, 2), count).transpose(1, 2)
            for values in self.encode_steps(batch).values()
        ]
        return Features(torch.stack(pooled, dim=1), batch.present)

    def fingerprint(self) -> str:
        """Give "sha256:…" of the spec, the configuration and every weight."""
        digest = hashlib.sha256()
        head = {"spec": self.spec.to_dict(), "config": self.config.identity()}
        digest.update(json.dumps(head, sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            # As bytes, since NumPy has no bfloat16.
            flat = tensor.detach().cpu().contiguous().flatten()
            digest.update(flat.view(torch.uint8).numpy().tobytes())
        return f"sha256:{digest.hexdigest()}"

    def save_pretrained(self, folder: str | Path, extra: Mapping[str, Any] | None = None) -> Path:
        """Write the encoder's folder; one that is already there stays whole until the end.

        `extra` is what else the manifest holds, plain JSON: `normaliser`, `label_names`, `recipe`.
        """
        stated = {
            "spec": self.spec.to_dict(),
            "encoder": asdict(self.config),
            "fingerprint": self.fingerprint(),
            **(extra or {}),
        }
        save_encoder(Path(folder), self.state_dict(), stated)
        return Path(folder)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, modules: Mapping[str, nn.Module] | None = None
    ) -> "SignalEncoder":
        """Read a saved encoder; `read_manifest` gives what else was saved with it.

        Args:
            name: a folder that `save_pretrained` wrote, a name under `adapters/` or a hub name.
            modules: for an encoder with modules of others, ones built as those were, by modality.

        Raises:
            ArtefactError: there is none, it is no encoder, is truncated, or its parts do not fit.
        """
        return load_encoder(cls, name, modules).eval()

    def push_to_hub(self, repo_id: str, folder: str | Path, *, private: bool = True) -> str:
        """Upload this encoder's folder to the Hugging Face hub and return the commit's address.

        Weights, manifest, metrics and card go; other files there stay behind.

        Args:
            repo_id: OWNER/NAME.
            folder: where `save_pretrained` wrote it and `evaluate` its card.
            private: who sees it; a repository that is there stays as it is.

        Raises:
            ArtefactError: the folder is of other weights than these, or has no card.
        """
        return push_encoder(Path(folder), self.fingerprint(), repo_id, private=private)


def _encode_present(
    encode: Callable[[Tensor], Tensor],
    values: Float[Tensor, "batch channel step"],
    present: Bool[Tensor, " batch"],
) -> Float[Tensor, "batch out width"]:
    """Encode the rows that have the modality; the others cost nothing and are zeros."""
    if bool(present.all()):
        return encode(values)
    rows = present.nonzero().squeeze(1)
    # One zero row stands in where nobody has the modality, to learn the number of steps.
    encoded = encode(values[rows] if len(rows) else torch.zeros_like(values[:1]))
    out = encoded.new_zeros(len(values), *encoded.shape[1:])
    return out.index_copy(0, rows, encoded[: len(rows)])
