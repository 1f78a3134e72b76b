"""What it costs when sensors are missing: every subset of the modalities is taken away in turn.

    subsets = missing_subsets(("accel", "gyro", "heart"))     singles, then pairs, never all
    summary = missing_summary(measured, count=3, probe_macro_f1=0.8)
    summary_lines(summary)                                    the same in words

Losses are in points of macro-F1: hundredths, what nothing missing reaches less what is left.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

ALL_UP_TO = 5
"""Modalities that every subset of is measured; of more, only singles and pairs."""


def missing_subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Give the subsets of the modalities to take away: smaller ones first, never all of them.

    A lone modality is taken away all the same. Of more than five modalities only singles and pairs
    are given; there would be too many.
    """
    largest = 2 if len(names) > ALL_UP_TO else len(names) - 1
    return [gone for n in range(1, max(largest, 1) + 1) for gone in combinations(names, n)]


def subset_key(gone: Sequence[str]) -> str:
    """Name a subset as metrics do: `accel+gyro`."""
    return "+".join(gone)


def missing_summary(
    measured: Mapping[str, Mapping[str, Any]], *, count: int, probe_macro_f1: float | None = None
) -> dict[str, Any]:
    """Sum up the losses by how many of `count` modalities were taken away.

    `measured` is what `compare` and `ControlProbe.on` say without each subset; `probe_macro_f1` is
    of the probe with nothing missing.

    Returns:
        `modalities`, `subsets` (`all`, or `singles and pairs`) and `by_number`: a mapping for each
        number taken away with `taken_away`, `subsets`, `mean_loss`, `worst`, `worst_loss` and the
        probe's `probe_mean_loss` and `probe_worst_loss`, losses in points of macro-F1.
    """
    sizes = {key: len(metrics["taken_away"]) for key, metrics in measured.items()}
    by_number = []
    for number in sorted(set(sizes.values())):
        chosen = {key: metrics for key, metrics in measured.items() if sizes[key] == number}
        by_number.append(_of_number(number, chosen, probe_macro_f1))
    subsets = "singles and pairs" if count > ALL_UP_TO else "all"
    summary = {"modalities": count, "subsets": subsets, "by_number": by_number}
    return summary if probe_macro_f1 is None else summary | {"probe_macro_f1": probe_macro_f1}


def _of_number(
    number: int, chosen: Mapping[str, Mapping[str, Any]], probe_macro_f1: float | None
) -> dict[str, Any]:
    losses = {key: 100 * metrics["model_minus_control"] for key, metrics in chosen.items()}
    worst = max(losses, key=losses.__getitem__)
    line = {
        "taken_away": number,
        "subsets": len(chosen),
        "mean_loss": float(np.mean(list(losses.values()))),
        "worst": worst,
        "worst_loss": losses[worst],
    }
    if probe_macro_f1 is not None:
        probed = [100 * (probe_macro_f1 - metrics["probe_macro_f1"]) for metrics in chosen.values()]
        line |= {"probe_mean_loss": float(np.mean(probed)), "probe_worst_loss": max(probed)}
    return line


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """Put a summary into words, a line for each number taken away."""
    lines = [_words(line, summary["modalities"]) for line in summary["by_number"]]
    if summary["subsets"] != "all":
        note = f"Of {summary['modalities']} modalities only {summary['subsets']} were taken away."
        lines.append(note)
    return lines


def _words(line: Mapping[str, Any], count: int) -> str:
    share = f"{line['taken_away']} of {count} taken away"
    worst = f"without {line['worst']}"
    if line["subsets"] == 1:
        text = f"{share}: {line['worst_loss']:.1f} points of macro-F1 lost {worst}"
    else:
        text = (
            f"{share}: {line['mean_loss']:.1f} points of macro-F1 lost on average of "
            f"{line['subsets']} subsets, {line['worst_loss']:.1f} at worst, {worst}"
        )
    if "probe_mean_loss" not in line:
        return f"{text}."
    probed = f"{line['probe_mean_loss']:.1f}"
    if line["subsets"] > 1:
        probed += f" on average, {line['probe_worst_loss']:.1f} at worst"
    return f"{text}; without an LLM {probed}."
