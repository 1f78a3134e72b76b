"""Attention over few positions on a CPU, as plain matrix products.

    use_short_attention(model)

A sensor prompt has some 20 to 60 positions. There torch's fused attention on CPUs is slow in the
backward pass of bfloat16: two products over the heads that share keys and values (no copy of them)
take an eighth of its time at 21 of 45 positions and a fifth at 64 (forward and backward).
Longer rows, dropout and what is no plain attention go to the fused one.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

NAME = "sdpa_short"
LONGEST = 256
# Layers of these families ask for attention by name and know nothing of what answers.
FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


def use_short_attention(model: Any) -> Any:
    """Let a model that has torch's attention, and runs on a CPU, take products for short rows."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    config = model.config
    if config.model_type in FAMILIES and config._attn_implementation == "sdpa":
        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)
    return model


def attend(
    module: nn.Module,
    query: Float[Tensor, "batch head length dim"],
    key: Float[Tensor, "batch group all dim"],
    value: Float[Tensor, "batch group all dim"],
    attention_mask: Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[Float[Tensor, "batch length head dim"], None]:
    """Attend as transformers' interface says it.

    Args:
        module: the layer's attention.
        query: of the positions that are run.
        key: of all positions; heads come in groups that share keys and values.
        value: as `key`.
        attention_mask: True where a position is seen, or added to the scores; None: causal.
        scaling: of the scores.
        dropout: share of the weights that training drops.
        **options: what families pass on beside it.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    (length, total), device = (query.shape[2], key.shape[2]), query.device.type
    causal = attention_mask is None and length == total
    if total > LONGEST or dropout or device != "cpu" or not (causal or attention_mask is not None):
        output: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **options
        )
        return output
    if attention_mask is None:
        attention_mask = torch.ones(1, 1, length, total, dtype=torch.bool).tril()
    return _products(query, key, value, attention_mask, scaling), None


def _products(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float
) -> Float[Tensor, "batch length head dim"]:
    batch, heads, length, _ = query.shape
    groups, total = key.shape[1:3]
    grouped = query.reshape(batch, groups, -1, query.shape[-1])
    scores = (grouped @ key.transpose(2, 3)).view(batch, groups, -1, length, total).float()
    weights = _masked(scores * scaling, mask.unsqueeze(2)).softmax(-1).to(value.dtype)
    output = weights.view(batch, groups, -1, total) @ value
    return output.view(batch, heads, length, -1).transpose(1, 2).contiguous()


def _masked(scores: Tensor, mask: Bool[Tensor, "..."] | Float[Tensor, "..."]) -> Tensor:
    if mask.dtype == torch.bool:
        return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores + mask
