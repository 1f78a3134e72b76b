"""SignalEncoder: one encoder a modality and the cross-modal aggregator, saved as one folder.

    encoder = SignalEncoder(spec, EncoderConfig())
    output = encoder(batch)            # steps, pooled and joint embeddings
    encoder.save_pretrained("my-encoder", {"normaliser": normaliser.to_dict()})
    SignalEncoder.from_pretrained("uci-har-encoder")    a folder, a released name or a hub name

Notation: B batch, M modality, S step (each modality has its own), W width, A aggregate.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.artefacts.atomic_write import replace_folder
from sensor2llm.artefacts.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    build_settings,
    check_files,
    find_folder,
    first_line,
    hash_files,
    is_evaluation,
    push_folder,
)
from sensor2llm.artefacts.manifest import read_manifest as read_folder
from sensor2llm.artefacts.types import BROKEN
from sensor2llm.encoders.aggregator import Aggregator
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.external import EXTERNAL, fit_modules
from sensor2llm.encoders.modality_encoders import build_encoders
from sensor2llm.encoders.tokens import encode_some
from sensor2llm.errors import ArtefactError
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.training.allocation import AllocationBudget, stored_numbers
from sensor2llm.training.record import versions, write_json

WEIGHTS = "encoder.safetensors"
CARD = "README.md"
FILES = (WEIGHTS, MANIFEST, "metrics.json", CARD)


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


class SignalEncoder(nn.Module):
    """Encode windows of any subset of a spec's modalities.

    A missing modality changes nothing for the ones present; its own features are zeros.

    Args:
        spec: modalities, in the order of `SignalBatch.present`'s columns.
        config: kind and sizes.
        modules: encoders of others, by modality; see `from_modules`.

    Raises:
        ConfigError: the kind is unknown, or the modules do not fit.
    """

    def __init__(
        self,
        spec: SignalSpec,
        config: EncoderConfig | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.spec, self.config = spec, config or EncoderConfig()
        if modules is None:
            self.modalities, self.backbone = build_encoders(spec, self.config)
        else:
            self.config = replace(self.config, kind=EXTERNAL)
            self.modalities, self.backbone = fit_modules(spec, modules, self.config), None
        self.aggregator = Aggregator(len(spec.modalities), self.config)

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

        Args:
            batch: normalised windows.
            token_drop: share of each window's tokens left out at random, in pretraining: patches,
                or output steps of encoders without patches. Every window keeps as many.
            generator: source of randomness, on the CPU.

        Raises:
            ConfigError: the share is not at least 0 and below 1.
        """

        def encode(
            encoder: nn.Module, values: Float[Tensor, "row channel step"]
        ) -> Float[Tensor, "row out width"]:
            if token_drop:
                return encode_some(encoder, values, token_drop, generator)
            return encoder(values)

        return {
            name: _encode_present(partial(encode, encoder), batch.signals[name], there)
            for name, encoder, there in zip(
                self.spec.names, self.modalities, batch.present.T, strict=True
            )
        }

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
        with replace_folder(Path(folder), _is_foreign) as part:
            weights = {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}
            save_file(weights, part / WEIGHTS)
            write_json(part / MANIFEST, manifest | {"files": hash_files(part, [WEIGHTS])})
            shutil.copymode(part / MANIFEST, part / WEIGHTS)  # safetensors' is for one's eyes only

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
        folder = find_encoder(name)
        manifest = read_manifest(folder)
        settings = manifest.get("encoder")
        kind = settings.get("kind") if isinstance(settings, Mapping) else None
        if (kind == EXTERNAL) != (modules is not None):
            raise ArtefactError(_modules_message(folder, kind))
        check_files(folder, manifest.get("files", {}), "encoder", "fetch or train it again")
        try:
            spec = SignalSpec.from_dict(manifest["spec"])
            config = build_settings(
                EncoderConfig, manifest["encoder"], f"the encoder in '{folder}'"
            )
            with AllocationBudget(stored_numbers(folder / WEIGHTS)):
                encoder = cls(spec, config, modules)
            encoder.load_state_dict(load_file(folder / WEIGHTS))
        except ArtefactError:
            raise
        except (*BROKEN, SafetensorError) as error:
            what, advice = "is broken", "fetch or train it again"
            if modules is not None:
                what, advice = "does not fit the modules", "build them as the saved ones were"
            raise ArtefactError(
                f"the encoder in '{folder}' {what} ({first_line(error)}); {advice}"
            ) from error
        return encoder.eval()

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
        folder = Path(folder)
        if read_manifest(folder).get("fingerprint") != self.fingerprint():
            raise ArtefactError(
                f"'{folder}' holds other weights than this encoder's; save_pretrained('{folder}') "
                "first, or load what is there"
            )
        if not (folder / CARD).is_file():
            raise ArtefactError(
                f"'{folder}' has no card ({CARD}), and nothing goes to the hub without one; "
                f"`python -m sensor2llm.evaluate {folder} --data STORE` writes it"
            )
        return push_folder(folder, repo_id, FILES, private=private)


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


def _is_foreign(name: str) -> bool:
    return name not in FILES and not is_evaluation(name)


def _modules_message(folder: str | Path, kind: str | None) -> str:
    if kind == EXTERNAL:
        return (
            f"the encoder in '{folder}' has modules of others; build them as the saved ones were "
            "and pass modules={modality: module} to SignalEncoder.from_pretrained"
        )
    return f"the encoder in '{folder}' is of kind {kind!r} and takes no modules; leave them out"


def find_encoder(name: str | Path) -> Path:
    """Find an encoder's folder: a folder, a name under `adapters/`, or a hub name.

    Raises:
        ArtefactError: it is none of them.
    """
    return find_folder(name, {"encoder": FILES})


def read_manifest(name: str | Path) -> dict[str, Any]:
    """Read an encoder's manifest: spec, config, normaliser and what else was saved.

    Args:
        name: a folder, a name under `adapters/` or a hub name.

    Raises:
        ArtefactError: there is none, or it is of another kind or format.
    """
    return read_folder(find_encoder(name), "encoder", "pretrain_encoder")
