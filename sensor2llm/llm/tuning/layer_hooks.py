"""What reaches into the LLM's layers while a prompt is run: gated cross-attention, LoRA."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sensor2llm.bridge.extra.cross_attention import GatedCrossAttention
from sensor2llm.llm.language_model import LanguageModel
from sensor2llm.llm.tuning.hooks import Hook, active, decoder_layers, turn
from sensor2llm.llm.tuning.recomputation import recomputed


@dataclass(frozen=True)
class CrossAttentionInputs:
    """Hold what gated cross-attention hears in a batch of prompts.

    `window_of` counts the windows at or before each position after the cached prefix.
    """

    layers: GatedCrossAttention
    media: Float[Tensor, "batch window medium width"]
    window_of: Int[Tensor, "row length"]

    def select(self, rows: Sequence[int], pads: int = 0) -> "CrossAttentionInputs":
        """Give some rows', from a position on."""
        shared = len(self.window_of) == 1
        window_of = self.window_of if shared else self.window_of[list(rows)]
        return replace(self, media=self.media[list(rows)], window_of=window_of[:, pads:])


@dataclass(frozen=True)
class LayerHooks:
    """Say what acts inside the LLM during a prompt's forwards; nothing by default."""

    hooks: tuple[Hook, ...] = ()
    cross_attention: CrossAttentionInputs | None = None

    @contextmanager
    def attached(self, llm: LanguageModel) -> Iterator[None]:
        """Let it act for one forward, or for a whole generation; other threads wait.

        Where gradients are taken and the LLM is checkpointed, it acts once more in the backward
        pass, which may come when this is over.
        """
        inputs, hooks = self.cross_attention, list(self.hooks)
        if inputs is not None:
            pairs = inputs.layers.hooks(decoder_layers(llm.model), inputs.media, inputs.window_of)
            hooks += [Hook(module, before=before) for module, before in pairs]
        recompute = llm.checkpointing and torch.is_grad_enabled()
        acting = recomputed(llm.model, hooks) if recompute else active(hooks)
        with turn(llm.model), acting:
            yield

    def select(self, rows: Sequence[int], pads: int = 0) -> "LayerHooks":
        """Give some rows', from a position on."""
        inputs = self.cross_attention
        return replace(self, cross_attention=inputs.select(rows, pads) if inputs else None)


def count_windows(ids: Int[Tensor, "row length"], signal_id: int) -> Int[Tensor, "row length"]:
    """Count the windows whose mark stands at or before each position."""
    return (ids == signal_id).long().cumsum(1)
