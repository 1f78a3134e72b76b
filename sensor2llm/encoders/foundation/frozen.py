"""A foundation encoder as a part of ours: loaded by name, frozen, shared, saved by its hash."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from sensor2llm.artefacts.manifest import first_line
from sensor2llm.artefacts.types import BROKEN
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.foundation.catalogue import Foundation
from sensor2llm.encoders.foundation.weights import find_weights, hash_weights
from sensor2llm.errors import ArtefactError

SERIES_AT_ONCE = 128
"""Channels of windows that go through together: a transformer's inside takes megabytes of each."""


class FrozenFoundation(nn.Module):
    """Hold the one copy of a foundation encoder that all modalities share.

    Its weights are no part of this module: nothing trains them, copies them into an artefact or
    switches their dropout on. They go to whatever device this module goes to.
    """

    def __init__(
        self, module: nn.Module, place: str | None, revision: str | None, sha256: str
    ) -> None:
        super().__init__()
        self._module = (module.eval().requires_grad_(False),)
        self.features: int = module.features  # type: ignore[assignment]
        self.place, self.revision, self.sha256 = place, revision, sha256

    def pin(self, config: EncoderConfig) -> EncoderConfig:
        """Give a configuration that says which weights these are: place, commit and hash."""
        return replace(config, weights=self.place, revision=self.revision, sha256=self.sha256)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FrozenFoundation":
        self._module[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)

    @torch.no_grad()
    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch out features"]:
        """Give the features of each window, a few windows at a time."""
        rows = max(1, SERIES_AT_ONCE // values.shape[1])
        return torch.cat([self._module[0](part) for part in values.split(rows)])


def load_frozen(foundation: Foundation, config: EncoderConfig) -> FrozenFoundation:
    """Load a foundation encoder with the weights that a configuration names.

    Raises:
        ArtefactError: the package with its code is not installed, or the weights cannot be had, are
            not those of `config.sha256`, or do not fit.
    """
    if importlib.util.find_spec(foundation.package) is None:
        raise ArtefactError(
            f"the encoder {config.kind!r} needs {foundation.package}: pip install "
            f"'{foundation.install}'"
        )
    folder, commit = find_weights(config.kind, foundation, config.weights, config.revision)
    actual = hash_weights(folder)
    if config.sha256 not in (None, actual):
        raise ArtefactError(
            f"the weights of the encoder {config.kind!r} in '{folder}' are not those that it was "
            f"saved with (sha256 {actual[:12]}…, expected {str(config.sha256)[:12]}…); give those"
        )
    module = _build(config.kind, foundation, folder)
    return FrozenFoundation(module, config.weights if commit else str(folder), commit, actual)


def _build(kind: str, foundation: Foundation, folder: Path) -> Any:
    try:
        return foundation.build(folder)
    except ImportError as error:
        raise ArtefactError(
            f"the encoder {kind!r} needs another {foundation.package} ({first_line(error)}): pip "
            f"install '{foundation.install}'"
        ) from error
    except (*BROKEN, AssertionError, SafetensorError) as error:
        raise ArtefactError(
            f"the weights in '{folder}' are not those of an encoder {kind!r} "
            f"({first_line(error)}); give the folder of {foundation.hub}'s files"
        ) from error
