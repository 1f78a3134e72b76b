"""Put vectors at placeholder tokens, in batches whose rows are equal to single rows.

Notation: `length` counts the tokens of the longest row, `slot` the copies of one placeholder.

    ids        = [pad pad <|soft|> <|soft|> Activity ? <|signal|> …]
    embeddings = llm.embed(ids)                       any vector at the placeholders
    embeddings = place(embeddings, ids, soft_id, soft_prompt)
    embeddings = place(embeddings, ids, signal_id, signal_tokens)

Padding goes to the left and every row counts its positions from its own first token. Every family
that the tests build (Llama, Qwen2, Qwen3, Gemma, Mistral, Phi, GPT-2, GPT-NeoX, OPT) takes these
position ids in `forward`, those with learned positions too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sensor2llm.errors import ModelError


class PaddedRows(NamedTuple):
    """Rows of token ids as one rectangle, padded on the left."""

    ids: Int[Tensor, "batch length"]
    attention_mask: Int[Tensor, "batch length"]
    position_ids: Int[Tensor, "batch length"]


def pad_left(rows: Sequence[Sequence[int]], pad_id: int) -> PaddedRows:
    """Pad rows of token ids, none of them empty, on the left with any id that the model knows.

    Returns:
        ids, mask (1 = a token) and positions, which count from 0 at each row's first token.
    """
    length = max(len(row) for row in rows)
    ids = torch.tensor([[pad_id] * (length - len(row)) + list(row) for row in rows])
    pads = torch.tensor([length - len(row) for row in rows]).unsqueeze(1)
    counted = torch.arange(length).unsqueeze(0) - pads
    return PaddedRows(ids, (counted >= 0).long(), counted.clamp(min=0))


def place(
    embeddings: Float[Tensor, "batch length width"],
    ids: Int[Tensor, "batch length"],
    slot_id: int,
    vectors: Float[Tensor, "batch slot width"],
) -> Float[Tensor, "batch length width"]:
    """Replace the embeddings at one placeholder by vectors, in order.

    The placeholder's id is `slot_id`; `vectors` hold one for each copy of it in a row.

    Raises:
        ModelError: where a row has another number of placeholders than there are vectors.
    """
    slots = ids == slot_id
    counts = slots.sum(dim=1)
    expected = vectors.shape[1]
    if bool((counts != expected).any()):
        row = int((counts != expected).nonzero()[0, 0])
        raise ModelError(
            f"row {row} has {int(counts[row])} placeholders with id {slot_id}, expected {expected} "
            "(one a vector); let the prompt's soft and signal variables write all of them"
        )
    mask = slots.unsqueeze(-1).expand_as(embeddings)
    return embeddings.masked_scatter(mask, vectors.to(embeddings.dtype))
