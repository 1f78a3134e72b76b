"""What a study found: one line a store, method, use, label share and set of missing modalities."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy.stats import wilcoxon

from sensor2llm.signals.store.windows import Windows
from sensor2llm.studies.config import StudyConfig
from sensor2llm.studies.data import open_data
from sensor2llm.tasks.metrics import Predictions, f1_by_subject, measure, paired_difference

Run = tuple[int, int, int]
"""Fold, seed and draw."""
RUN_FIGURES = ("macro_f1", "accuracy", "balanced_accuracy", "f1_crossl_released")


@dataclass(frozen=True, kw_only=True, order=True)
class StudyRow:
    """What a line of the results is about."""

    store: str
    method: str
    use: str
    share: float
    by: str
    without: tuple[str, ...]
    """Missing when labels were learnt, and afterwards."""
    missing: tuple[str, ...]
    """Missing when windows were judged."""


@dataclass(frozen=True, kw_only=True)
class TestPredictions:
    """One run's labels for its test people."""

    predictions: Predictions
    rows: Int[np.ndarray, " window"]
    """The windows' rows in the study's store."""
    line: Mapping[str, Any]


Table = dict[StudyRow, dict[Run, TestPredictions]]


def tabulate(study: StudyConfig, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Summarise finished cells as plain JSON types, in the study's order.

    macro_f1 is of all folds' test windows together, its interval resamples people; mean and sd are
    over people. The difference to the baseline is on the same windows of the same runs; p is
    Wilcoxon's signed-rank test over people.
    """
    table = _gather(study, records)
    return [_summary(row, runs, _baseline(study, table, row)) for row, runs in table.items()]


def _gather(study: StudyConfig, records: Sequence[Mapping[str, Any]]) -> Table:
    stores: dict[str, Windows] = {}
    table: Table = defaultdict(dict)
    for record in records:
        name = record["store"]
        if name not in stores:
            stores[name] = open_data(study.stores[name])
        store = stores[name]
        rows = record["rows"]
        true, people = np.asarray(store.labels)[rows], store.subjects[rows]
        for line, predicted in zip(record["results"], record["predicted"], strict=True):
            row = StudyRow(
                store=name, method=record["method"], use=line["use"], share=line["share"],
                by=line["by"], without=tuple(line["without"]), missing=tuple(line["missing"]),
            )  # fmt: skip
            predictions = Predictions(
                labels=store.label_names, true=true, predicted=predicted.astype(np.int64),
                subjects=people,
            )  # fmt: skip
            run = (record["fold"], record["seed"], line["draw"])
            table[row][run] = TestPredictions(predictions=predictions, rows=rows, line=line)
    return dict(table)


def _baseline(study: StudyConfig, table: Table, row: StudyRow) -> dict[Run, TestPredictions]:
    """Give the baseline's runs under the same labels and missing modalities.

    Runs of the row's own use, or where the baseline has none (labels alone), fine-tuned ones.
    """
    for use in (row.use, "finetuned"):
        wanted = replace(row, method=study.baseline, use=use)
        if wanted in table:
            return {} if wanted == row else table[wanted]
    return {}


def _summary(
    row: StudyRow, runs: dict[Run, TestPredictions], baseline: dict[Run, TestPredictions]
) -> dict[str, Any]:
    judged = list(runs.values())
    together = joined([one.predictions for one in judged])
    measured = measure(together)
    people = np.array(list(f1_by_subject(together).values()))
    figures: dict[str, Any] = {
        **vars(row),
        "without": list(row.without),
        "missing": list(row.missing),
        "runs": len(judged),
        "people": len(people),
        "windows": len(np.unique(np.concatenate([one.rows for one in judged]))),
        "macro_f1": measured.macro_f1,
        "interval": measured.interval,
        "mean_over_people": float(people.mean()),
        "sd_over_people": float(people.std(ddof=1)) if len(people) > 1 else 0.0,
    }
    for name in RUN_FIGURES:
        values = np.array([one.line[name] for one in judged])
        figures[f"{name}_of_runs"] = float(values.mean())
    values = np.array([one.line["macro_f1"] for one in judged])
    figures["sd_of_runs"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    figures["seconds_a_run"] = float(np.mean([one.line["seconds"] for one in judged]))
    return figures | _against(runs, baseline)


def _against(
    runs: dict[Run, TestPredictions], baseline: dict[Run, TestPredictions]
) -> dict[str, Any]:
    """Compare with the baseline on the runs that both have."""
    both = [run for run in runs if run in baseline]
    if not both:
        return {"difference": None, "difference_interval": None, "p": None, "paired_runs": 0}
    ours = joined([runs[run].predictions for run in both])
    theirs = joined([baseline[run].predictions for run in both])
    difference, interval = paired_difference(ours, theirs)
    a, b = (np.array(list(f1_by_subject(x).values())) for x in (ours, theirs))
    p = float(wilcoxon(a, b).pvalue) if len(a) > 1 and np.any(a != b) else None
    return {
        "difference": difference, "difference_interval": interval, "p": p,
        "paired_runs": len(both),
    }  # fmt: skip


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Put several runs' predictions one after the other; a person stays one person."""
    return Predictions(
        labels=parts[0].labels,
        true=np.concatenate([part.true for part in parts]),
        predicted=np.concatenate([part.predicted for part in parts]),
        subjects=np.concatenate([part.subjects for part in parts]),
    )
