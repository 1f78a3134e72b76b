"""Attention between modalities: how much leaves the own one, and meets the same moment."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from sensor2llm.errors import DataError

Attention = Float[np.ndarray, "layer head query key"]


def cross_modal_share(
    attention: Attention, modality_of_token: Int[np.ndarray, " token"]
) -> Float[np.ndarray, "layer head"]:
    """Give the share of each head's attention that goes to other modalities than the query's.

    Weights are averaged over windows; tokens of no modality (-1: a class token) are left out.

    Raises:
        DataError: the sizes do not match, or the tokens are of fewer than two modalities.
    """
    cross, pairs = _pairs(attention, modality_of_token)
    return _share(attention, cross, pairs)


def time_aligned_share(
    attention: Attention,
    modality_of_token: Int[np.ndarray, " token"],
    time_of_token: Int[np.ndarray, " token"],
    within: int = 1,
) -> Float[np.ndarray, "layer head"]:
    """Give the share of cross-modal attention whose key is at most `within` steps from its query.

    A head that looks at no other modality has 0. Raises as `cross_modal_share`.
    """
    cross, _ = _pairs(attention, modality_of_token)
    if len(time_of_token) != len(modality_of_token):
        raise DataError(
            f"{len(time_of_token)} times for {len(modality_of_token)} tokens; give one a token"
        )
    near = np.abs(np.subtract.outer(time_of_token, time_of_token)) <= within
    return _share(attention, cross & near, cross)


def attention_shares(
    attention: Attention,
    modality_of_token: Int[np.ndarray, " token"],
    time_of_token: Int[np.ndarray, " token"],
) -> dict[str, Any]:
    """Give both shares of every layer and head as plain JSON, beside those of even attention."""
    tokens = modality_of_token, time_of_token
    even = np.ones((1, 1, *attention.shape[2:]))
    return {
        "cross_modal": cross_modal_share(attention, tokens[0]).tolist(),
        "cross_modal_even": float(cross_modal_share(even, tokens[0])[0, 0]),
        "time_aligned": time_aligned_share(attention, *tokens).tolist(),
        "time_aligned_even": float(time_aligned_share(even, *tokens)[0, 0]),
    }


def _pairs(
    attention: Attention, modality: Int[np.ndarray, " token"]
) -> tuple[Bool[np.ndarray, "query key"], Bool[np.ndarray, "query key"]]:
    """Say which pairs of tokens are of two modalities, and which of any."""
    modality = np.asarray(modality)
    if attention.ndim != 4 or attention.shape[2:] != (len(modality), len(modality)):
        raise DataError(
            f"attention of shape {attention.shape} does not fit {len(modality)} tokens; expected "
            f"(layer, head, {len(modality)}, {len(modality)})"
        )
    if len(np.unique(modality[modality >= 0])) < 2:
        raise DataError("cross-modal attention needs tokens of at least two modalities")
    pairs = np.logical_and.outer(modality >= 0, modality >= 0)
    return pairs & np.not_equal.outer(modality, modality), pairs


def _share(
    attention: Attention, part: Bool[np.ndarray, "query key"], whole: Bool[np.ndarray, "query key"]
) -> Float[np.ndarray, "layer head"]:
    weights = np.asarray(attention, np.float64)
    some, all_ = ((weights * pairs).sum((2, 3)) for pairs in (part, whole))
    return np.divide(some, all_, out=np.zeros_like(some), where=all_ > 0)
