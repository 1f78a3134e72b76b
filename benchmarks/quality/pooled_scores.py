"""Measure what folds' models said of their test people, all folds together.

Macro-F1 and AUROC come with 95 % intervals over people, and so does the difference to another
method on the same windows. AUROC ranks windows of all folds by probabilities of different models.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.metrics import Predictions, measure, paired_difference

Fold = Mapping[str, np.ndarray]
"""`rows` of the store, and probabilities (window, label) by name."""

POSITIVE = 1
"""The label whose probability AUROC is computed of: the second one."""
DRAWS = 2000


def pooled(store: WindowStore, folds: Sequence[Fold], name: str) -> Predictions:
    """Put what `name` said of the folds' test windows together."""
    rows = np.concatenate([fold["rows"] for fold in folds])
    probabilities = np.concatenate([fold[name] for fold in folds])
    return Predictions(
        labels=store.label_names,
        true=np.asarray(store.labels)[rows],
        predicted=probabilities.argmax(1),
        subjects=store.subjects[rows],
        probabilities=probabilities,
        index=rows,
    )


def auroc(
    scores: Float[np.ndarray, " window"],
    positive: Int[np.ndarray, " window"],
    weights: Float[np.ndarray, "*draw window"],
) -> Float[np.ndarray, "*draw"]:
    """Give the area under the ROC curve, ties counted half, for each draw's weights.

    NaN where a draw has windows of one kind only.
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    hits = np.add.reduceat((weights * positive)[..., order], starts, axis=-1)
    misses = np.add.reduceat((weights * (1 - positive))[..., order], starts, axis=-1)
    below = np.cumsum(misses, axis=-1) - 0.5 * misses
    pairs = hits.sum(-1) * misses.sum(-1)
    return np.where(pairs > 0, (hits * below).sum(-1) / np.where(pairs > 0, pairs, 1), np.nan)


def auroc_draws(p: Predictions, draws: int = DRAWS, seed: int = 0) -> Float[np.ndarray, " draw"]:
    """Give the AUROC of the pooled windows, people drawn with replacement as metrics do."""
    assert p.probabilities is not None
    people, who = np.unique(p.subjects, return_inverse=True)
    share = np.full(len(people), 1 / len(people))
    chosen = np.random.default_rng(seed).multinomial(len(people), share, size=draws)
    scores, positive = p.probabilities[:, POSITIVE], (p.true == POSITIVE).astype(np.float64)
    # Some draws at a time: all at once would be windows × draws.
    parts = np.array_split(chosen.astype(np.float64), max(1, draws // 20))
    return np.concatenate([auroc(scores, positive, times[:, who]) for times in parts])


def scored(p: Predictions, draws: int = DRAWS) -> dict[str, Any]:
    """Give macro-F1 and AUROC of pooled predictions with 95 % intervals over people."""
    metrics, drawn = measure(p), auroc_draws(p, draws)
    assert p.probabilities is not None
    area = auroc(p.probabilities[:, POSITIVE], (p.true == POSITIVE) * 1.0, np.ones(len(p.true)))
    return {
        "macro_f1": metrics.macro_f1,
        "interval": metrics.interval,
        "auroc": float(area),
        "auroc_interval": np.nanquantile(drawn, [0.025, 0.975]).tolist(),
        "accuracy": metrics.accuracy,
        "f1_by_label": metrics.f1_by_label,
        "f1_by_subject": metrics.f1_by_subject,
        "confusion": metrics.confusion,
        "windows": metrics.windows,
        "subjects": metrics.subjects,
    }


def against(first: Predictions, second: Predictions, draws: int = DRAWS) -> dict[str, Any]:
    """Give the paired differences of `first` to `second`, with intervals over people."""
    difference, interval = paired_difference(first, second)
    areas = [auroc_draws(p, draws) for p in (first, second)]
    low, high = np.nanquantile(areas[0] - areas[1], [0.025, 0.975]).tolist()
    return {
        "macro_f1": difference,
        "interval": interval,
        "level_or_above": interval is not None and interval[1] >= 0,
        "auroc_interval": [low, high],
        "auroc_level_or_above": high >= 0,
    }


def summary(
    predictions: Mapping[str, Predictions], ours: str, draws: int = DRAWS
) -> dict[str, dict[str, Any]]:
    """Give each method's scores, and how far `ours` is above each other one."""
    figures = {name: scored(p, draws) for name, p in predictions.items()}
    for name, p in predictions.items():
        if ours in predictions and name != ours:
            figures[name]["ours_minus_this"] = against(predictions[ours], p, draws)
    return figures


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Give the methods as a Markdown table."""
    head = ("method", "macro-F1 (95 % over people)", "AUROC (95 %)", "adapter less this")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(_line(name, row) for name, row in rows.items())])


def _line(name: str, row: Mapping[str, Any]) -> str:
    cells = [name, *(f"{row[key]:.3f}{_between(row[span])}" for key, span in COLUMNS)]
    less = row.get("ours_minus_this")
    cells.append(f"{less['macro_f1']:+.3f}{_between(less['interval'], '+')}" if less else "")
    return f"| {' | '.join(cells)} |"


COLUMNS = (("macro_f1", "interval"), ("auroc", "auroc_interval"))


def _between(interval: Sequence[float] | None, sign: str = "") -> str:
    if interval is None:
        return ""
    low, high = interval
    return f" ({low:{sign}.3f} to {high:{sign}.3f})"
