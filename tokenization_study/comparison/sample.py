"""Which windows every row sees."""

import numpy as np
from jaxtyping import Int

Rows = Int[np.ndarray, " window"]


def stratified_sample(
    rows: Rows, people: Int[np.ndarray, " window"], labels: Int[np.ndarray, " window"],
    count: int, seed: int,
) -> Rows:  # fmt: skip
    """Draw windows so that every person and label keeps its share, to within one window.

    Shares that are no whole numbers are rounded by the largest remainder.

    Args:
        rows: windows to draw from.
        people: who each of them is from.
        labels: label of each of them.
        count: how many; all where there are no more.
        seed: of the draw.

    Example:
        >>> rows, people = np.arange(8), np.array([0, 0, 0, 0, 1, 1, 1, 1])
        >>> stratified_sample(rows, people, np.array([0, 0, 1, 1, 0, 0, 1, 1]), 4, 0).tolist()
        [1, 3, 5, 6]
    """
    if count >= len(rows):
        return rows
    cells = np.unique(np.stack([people, labels], axis=1), axis=0, return_inverse=True)[1].ravel()
    sizes = np.bincount(cells)
    exact = sizes * (count / len(rows))
    taken = np.floor(exact).astype(np.int64)
    rest = np.argsort(taken - exact, kind="stable")[: count - int(taken.sum())]
    taken[rest] += 1
    generator = np.random.default_rng(seed)
    chosen = [
        generator.choice(rows[cells == cell], size=taken[cell], replace=False)
        for cell in range(len(sizes))
    ]
    return np.sort(np.concatenate(chosen))
