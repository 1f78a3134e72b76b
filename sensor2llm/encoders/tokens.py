"""Dropping tokens at random in pretraining: each window keeps the same number [VATT, DropToken]."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sensor2llm.errors import ConfigError


def sample_kept_tokens(
    rows: int, tokens: int, drop: float, generator: torch.Generator | None = None
) -> Int[Tensor, "row kept"]:
    """Draw which tokens each row keeps: round(tokens · (1 - drop)) of them, one at least, in order.

    Raises ConfigError unless the share is at least 0 and below 1.
    """
    if not 0 <= drop < 1:
        raise ConfigError(f"token_drop must be at least 0 and below 1, got {drop}")
    count = max(1, round(tokens * (1 - drop)))
    order = torch.rand(rows, tokens, generator=generator).argsort(1)
    return order[:, :count].sort(1).values


def encode_some(
    encoder: Any,
    values: Float[Tensor, "batch channel step"],
    drop: float,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch kept width"]:
    """Encode a modality and drop a share of its tokens.

    An encoder with `encode_kept` never computes those that are dropped. Of another, output steps
    are dropped after encoding.
    """
    if drop and hasattr(encoder, "encode_kept"):
        keep = sample_kept_tokens(len(values), encoder.patches, drop, generator)
        return encoder.encode_kept(values, keep.to(values.device))
    steps = encoder(values)
    if not drop:
        return steps
    keep = sample_kept_tokens(len(values), steps.shape[1], drop, generator).to(values.device)
    return steps.gather(1, keep.unsqueeze(-1).expand(-1, -1, steps.shape[-1]))
