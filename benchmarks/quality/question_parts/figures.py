"""What one system answered, summed up by kinds of questions."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.quality.question_parts.judging import contradicts, is_refusal, read_yes_no

YES_NO = ("yes_no", "fact_yes_no")
REFUSED = ("unanswerable",)
UNTOLD = ("beyond",)
"""Kinds that need no window at all: they are counted, and are in no mean."""


def figures_of(
    rows: Sequence[Mapping[str, Any]], shown: Sequence[str] | None, labels: Sequence[str]
) -> dict[str, Any]:
    """Sum up what one system answered.

    Args:
        rows: of `ask_all`.
        shown: each window's label on screen; None where the system shows none.
        labels: all labels.
    """
    by_kind: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_kind[row["kind"]].append(row)
    kinds = {
        kind: {"right": _share(row["right"] for row in group), "items": len(group)}
        for kind, group in by_kind.items()
    }
    counted = [row for row in rows if row["kind"] not in UNTOLD]
    means = [kinds[kind]["right"] for kind in kinds if kind not in UNTOLD]
    answerable = [row for row in counted if row["kind"] not in (*REFUSED, "two_part")]
    figures: dict[str, Any] = {
        "true": _share(row["right"] for row in counted),
        "mean_over_kinds": float(np.mean(means)) if means else None,
        "by_kind": kinds,
        "yes_no_balanced": _balanced([row for kind in YES_NO for row in by_kind.get(kind, ())]),
        "wrong_refusals": _share(is_refusal(row["answer"]) for row in answerable),
        "questions": len(counted),
    }
    if shown is not None:
        single = [row for row in answerable if len(row["places"]) == 1]
        figures["contradictions"] = _share(
            contradicts(row["answer"], shown[row["places"][0]], labels) for row in single
        )
    return figures


def _share(flags: Any) -> float | None:
    values = list(flags)
    return float(np.mean(values)) if values else None


def _balanced(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Give the mean of the shares that are right among those where yes is true, and no."""
    sides = [[row for row in rows if row["truth"] is side] for side in (True, False)]
    if not all(sides):
        return None
    return float(
        np.mean([np.mean([read_yes_no(r["answer"]) == r["truth"] for r in s]) for s in sides])
    )
