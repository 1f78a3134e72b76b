"""How far apart the tokens of two numbers are, and how far apart the numbers."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from jaxtyping import Int

LONGEST_TOKENS = 24


def distance_correlation(
    values: np.ndarray, ids: Sequence[tuple[int, ...]], limit: int, seed: int
) -> tuple[float, int] | None:
    """Give the rank correlation of token edit distance and distance in value, and the pairs.

    Pairs lie 1 to half of all ranks apart, evenly over the powers of two: near and far alike.
    Fewer than 8 numbers have none.

    Args:
        values: Different numbers in rising order.
        ids: The tokens of each.
        limit: Most pairs that are compared.
        seed: Of the choice of pairs.
    """
    if len(values) < 8:
        return None
    random = np.random.default_rng(seed)
    count = min(limit, 4 * len(values))
    gaps = np.exp2(random.uniform(0, np.log2(len(values) / 2), count)).astype(np.int64)
    left = (random.random(count) * (len(values) - gaps)).astype(np.int64)
    right = left + gaps
    edits = edit_distances(ids, left, right)
    return rank_correlation(edits, np.abs(values[right] - values[left])), count


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Give Spearman's rank correlation; 0 where one side does not vary."""
    a, b = _ranks(one), _ranks(other)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Give mean ranks, as scipy.stats.rankdata does, whose import takes longer than the audit."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def edit_distances(
    lists: Sequence[tuple[int, ...]],
    left: Int[np.ndarray, " pair"],
    right: Int[np.ndarray, " pair"],
) -> Int[np.ndarray, " pair"]:
    """Give the edit distance of pairs of token lists, by their numbers (their first 24 tokens)."""
    columns, sizes = _columns(lists)
    a, b = np.take(columns, left, axis=1), np.take(columns, right, axis=1)
    pairs = np.arange(len(left))
    # Row by row over all pairs at once; each pair's answer is read off at its own lengths.
    before = np.repeat(np.arange(len(b) + 1, dtype=np.int8)[:, None], len(left), axis=1)
    answer = before[sizes[right], pairs]
    for i in range(1, len(a) + 1):
        now = np.full_like(before, i)
        for j in range(1, len(b) + 1):
            swap = before[j - 1] + (a[i - 1] != b[j - 1])
            np.minimum(np.minimum(before[j], now[j - 1]) + np.int8(1), swap, out=now[j])
        done = sizes[left] == i
        answer[done] = now[sizes[right][done], pairs[done]]
        before = now
    return np.asarray(answer)


def _columns(lists: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Give the beginnings of lists as columns, filled up below, and their lengths."""
    width = min(max(map(len, lists), default=0), LONGEST_TOKENS)
    sizes = np.array([min(len(ids), width) for ids in lists], dtype=np.int64)
    out = np.full((len(lists), width), -1, dtype=np.int32)
    flat = chain.from_iterable(ids[:width] for ids in lists)
    out[np.arange(width) < sizes[:, None]] = np.fromiter(flat, np.int32, int(sizes.sum()))
    return np.ascontiguousarray(out.T), sizes
