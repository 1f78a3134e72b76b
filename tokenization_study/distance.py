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
    edits = edit_distances([ids[i] for i in left.tolist()], [ids[i] for i in right.tolist()])
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
    one: list[tuple[int, ...]], other: list[tuple[int, ...]]
) -> Int[np.ndarray, " pair"]:
    """Give the edit distance of each pair of token lists (their first 24 tokens)."""
    a, b = _padded(one, -1), _padded(other, -2)
    sizes = [np.array([min(len(x), LONGEST_TOKENS) for x in side]) for side in (one, other)]
    pairs = np.arange(len(one))
    # Row by row over all pairs at once; each pair's answer is read off at its own lengths.
    before = np.repeat(np.arange(len(b) + 1, dtype=np.int16)[:, None], len(one), axis=1)
    answer = before[sizes[1], pairs]
    for i in range(1, len(a) + 1):
        now = np.full_like(before, i)
        for j in range(1, len(b) + 1):
            swap = before[j - 1] + (a[i - 1] != b[j - 1])
            np.minimum(np.minimum(before[j], now[j - 1]) + 1, swap, out=now[j])
        done = sizes[0] == i
        answer[done] = now[sizes[1][done], pairs[done]]
        before = now
    return np.asarray(answer)


def _padded(lists: list[tuple[int, ...]], filler: int) -> np.ndarray:
    """Give lists as columns, filled up below."""
    width = min(max(map(len, lists), default=0), LONGEST_TOKENS)
    sizes = np.array([min(len(ids), width) for ids in lists], dtype=np.int64)
    out = np.full((len(lists), width), filler, dtype=np.int64)
    flat = chain.from_iterable(ids[:width] for ids in lists)
    out[np.arange(width) < sizes[:, None]] = np.fromiter(flat, np.int64, int(sizes.sum()))
    return np.ascontiguousarray(out.T)
