"""Means over windows with 95 % intervals: people are drawn again, the same ones in every row."""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

DRAWS = 2000
EDGES = (0.025, 0.975)


def mean_over_people(
    values: Float[np.ndarray, " window"],
    people: Shaped[np.ndarray, " window"],
    weights: Float[np.ndarray, " window"] | None = None,
) -> dict[str, Any]:
    """Give a weighted mean of windows' values and its interval.

    Args:
        values: of each window: an error, a share, or a difference of two of them.
        people: whose windows; one person has no interval.
        weights: how much each window counts; all alike where None.

    Returns:
        `value`, and `interval`: low and high, or None.
    """
    counts = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    _, who = np.unique(people, return_inverse=True)
    sums, sizes = np.bincount(who, values * counts), np.bincount(who, counts)
    figures: dict[str, Any] = {"value": float(sums.sum() / sizes.sum()), "interval": None}
    if len(sums) > 1:
        generator = np.random.default_rng(0)
        heads = generator.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS)
        figures["interval"] = np.quantile((heads @ sums) / (heads @ sizes), EDGES).tolist()
    return figures
