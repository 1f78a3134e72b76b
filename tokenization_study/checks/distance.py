"""How far apart the tokens of two numbers are, and how far apart the numbers."""

import numpy as np
from jaxtyping import Int

LONGEST_TOKENS = 24
TokenColumns = tuple[Int[np.ndarray, "place list"], Int[np.ndarray, " list"]]


def distance_correlation(
    values: np.ndarray, lists: TokenColumns, limit: int, seed: int
) -> tuple[float, int] | None:
    """Give the rank correlation of token edit distance and distance in value, and the pairs.

    Pairs lie 1 to half of all ranks apart, evenly over the powers of two: near and far alike.
    Fewer than 8 numbers have none.

    Args:
        values: Different numbers in rising order.
        lists: The tokens of each (see `token_columns`).
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
    edits = edit_distances(lists, left, right)
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
    lists: TokenColumns, left: Int[np.ndarray, " pair"], right: Int[np.ndarray, " pair"]
) -> Int[np.ndarray, " pair"]:
    """Give the edit distance of pairs of token lists, by their numbers."""
    columns, sizes = lists
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


def token_columns(
    ids: Int[np.ndarray, " token"], lists: Int[np.ndarray, " token"], count: int
) -> TokenColumns:
    """Give the first 24 tokens of each list as columns, filled up below, and their lengths.

    Args:
        ids: The tokens of all lists, one list's after the other's.
        lists: Which list each token is of.
        count: How many lists there are.
    """
    sizes = np.bincount(lists, minlength=count)
    place = np.arange(len(ids)) - (np.cumsum(sizes) - sizes)[lists]
    sizes = np.minimum(sizes, LONGEST_TOKENS)
    columns = np.full((int(sizes.max(initial=0)), count), -1, dtype=np.int32)
    first = place < LONGEST_TOKENS
    columns[place[first], lists[first]] = ids[first]
    return columns, sizes
