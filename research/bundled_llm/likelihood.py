"""How likely a causal language model finds texts: log-likelihoods and bits per byte."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from sensor2llm.errors import DataError


def log_likelihoods(
    model: Any, tokenizer: Any, texts: Sequence[str], device: str = "cpu", batch_size: int = 64
) -> list[float]:
    """Give the log-likelihood of each text, in nats, summed over its tokens.

    A text is read after the tokenizer's begin token; where it has none, its own first token goes
    unscored. Texts longer than the model's context are scored in pieces, see `pieces`.
    """
    context = int(getattr(model.config, "max_position_embeddings", 2048))
    owners: list[int] = []
    rows: list[list[int]] = []
    for owner, text in enumerate(texts):
        for piece in pieces(_ids(tokenizer, text), context):
            owners.append(owner)
            rows.append(piece)
    totals = [0.0] * len(texts)
    order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        scores = _score(model, [rows[at] for at in batch], device)
        for at, score in zip(batch, scores, strict=True):
            totals[owners[at]] += score
    return totals


def bits_per_byte(
    model: Any, tokenizer: Any, texts: Sequence[str], device: str = "cpu", batch_size: int = 16
) -> float:
    """Give the bits a model needs per UTF-8 byte of these texts: the lower, the better.

    Bytes in place of tokens make models with different tokenizers comparable.

    Raises:
        DataError: If there is no text.
    """
    size = sum(len(text.encode()) for text in texts)
    if not size:
        raise DataError("bits per byte need at least one text, got none")
    return -sum(log_likelihoods(model, tokenizer, texts, device, batch_size)) / math.log(2) / size


def pieces(ids: list[int], context: int) -> Iterator[list[int]]:
    """Cut ids into pieces of the context's length that share one token with the next.

    So every token but the first is predicted once.

    >>> list(pieces([1, 2, 3, 4, 5], 3))
    [[1, 2, 3], [3, 4, 5]]
    """
    for start in range(0, max(len(ids) - 1, 0), context - 1):
        yield ids[start : start + context]


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids = list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    begin = tokenizer.bos_token_id
    return ids if begin is None else [begin, *ids]


@torch.inference_mode()
def _score(model: Any, rows: list[list[int]], device: str) -> list[float]:
    """Score rows of ids, padded on the right, where causal attention never sees the padding."""
    ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    mask = torch.arange(ids.shape[1], device=device) < lengths[:, None]
    logits: Tensor = model(input_ids=ids, attention_mask=mask.long()).logits[:, :-1].float()
    losses = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return (-(losses * mask[:, 1:]).sum(1)).tolist()
