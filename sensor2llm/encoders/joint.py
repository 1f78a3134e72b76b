"""Hear all modalities together: one transformer over the patches of all of them.

    features = encode_jointly(patch_transformers, backbone, values, present)

A patch looks at those of every modality that its window has, so cross-modal layers are part of
what is probed [Fang et al. 2024]. What is known of one modality then depends on the others: taking
a modality away is another input, not a vector less.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sensor2llm.encoders.patch_transformer import Backbone, PatchTransformer, take_tokens
from sensor2llm.encoders.tokens import sample_kept_tokens


def encode_jointly(
    encoders: Sequence[PatchTransformer],
    backbone: Backbone,
    values: Sequence[Float[Tensor, "batch _channel _step"]],
    present: Bool[Tensor, "batch modality"],
    *,
    token_drop: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Float[Tensor, "batch _token width"]]:
    """Give each modality's token features; zeros where a window does not have it.

    Args:
        encoders: what embeds each modality's patches.
        backbone: the transformer that they share.
        values: of each modality; what stands where it is absent may be anything.
        present: which modalities each window has.
        token_drop: share of each modality's tokens that is left out at random.
        generator: of these draws.
    """
    parts: list[Tensor] = []
    for encoder, signal, there in zip(encoders, values, present.T, strict=True):
        tokens = encoder.embed(torch.where(there[:, None, None], signal, 0.0))
        if token_drop:
            keep = sample_kept_tokens(len(signal), len(tokens), token_drop, generator)
            tokens = take_tokens(tokens, keep.to(tokens.device))
        parts.append(tokens)
    counts = torch.tensor([len(tokens) for tokens in parts], device=present.device)
    absent = ~present.T.repeat_interleave(counts, dim=0)
    features, _ = backbone(torch.cat(parts), absent)
    features = features.masked_fill(absent.T.unsqueeze(2), 0.0)
    return list(features.split(counts.tolist(), dim=1))
