"""Few people, two sensors: adapters trained by defaults, beside a random forest on simple features.

    python -m benchmarks.quality.few_people --out runs/few_people motionsense=stores/motionsense
        wisdm_phone=stores/wisdm_phone wisdm_watch=stores/wisdm_watch:20

NAME=STORE:PEOPLE takes the store's first so many people. Each fold of people is the test once: an
adapter is trained with no option but the data and the fold, and logistic regression on what its
encoder hears (the probe) and a random forest on hand-made features learn from the same people. The
forest's leaf and weights are chosen on validation people. People by whom the default was chosen are
not judged. What is done is kept in OUT, so that an interrupted run goes on. `--folds 0` judges one;
data sets that an earlier run reported stay in the report.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import record, write
from benchmarks.quality.pooled_folds import ADAPTER, FoldRun
from benchmarks.quality.pooled_scores import pooled
from sensor2llm.errors import run_verb
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.metrics import Predictions, measure, paired_difference

OUT = Path(__file__).resolve().parents[1] / "results" / "few_people"
CHOSE = {
    "motionsense": ("11", "12", "15", "17", "6", "8", "9"),
    "wisdm_phone": ("1600", "1611", "1612", "1617", "1626"),
    "wisdm_watch": ("1603", "1608", "1610", "1611", "1613", "1616"),
}
"""Validation people of the runs that chose the default encoder, by data set."""
FOREST, PROBE = "random forest", "probe"
HEAD = ("data", "people", "judged", "folds", "adapter", "probe", "random forest",
        "adapter less forest")  # fmt: skip


def first_people(store: WindowStore, count: int, out: Path) -> WindowStore:
    """Write the windows of a store's first people as a store, unless it is there."""
    if not (out / "store.json").is_file():
        people = np.unique(store.subjects)[:count]
        rows = np.flatnonzero(np.isin(store.subjects, people)).tolist()
        WindowStore.write(
            out, store.spec, store.windows(rows), store.label_names, source=store.source
        )
    return WindowStore.open(out)


def unseen(predictions: Predictions, name: str) -> Predictions:
    """Give what was said of people who did not choose the default."""
    chose = np.isin(predictions.subjects.astype(str), CHOSE.get(name, ()))
    return predictions.take(np.flatnonzero(~chose))


def judge(name: str, store: WindowStore, folds: Sequence[int], out: Path) -> dict[str, Any]:
    """Train and judge the folds, and pool their test people."""
    run = FoldRun(recipe=Recipe(), store=store, folds=tuple(folds), out=out)
    kept = run.judge(ADAPTER)
    whole = {method: pooled(store, kept, method) for method in (ADAPTER, PROBE)}
    whole[FOREST] = pooled(store, run.judge(FOREST), FOREST)
    said = {method: unseen(one, name) for method, one in whole.items()}
    figures = {method: measure(one) for method, one in said.items()}
    differences = {}
    for method in (ADAPTER, PROBE):
        difference, interval = paired_difference(said[method], said[FOREST])
        differences[method] = {"macro_f1": difference, "interval": interval}
    return {
        "people": len(np.unique(store.subjects)),
        "folds": list(folds),
        "windows": figures[ADAPTER].windows,
        "test_people": figures[ADAPTER].subjects,
        "macro_f1": {method: one.macro_f1 for method, one in figures.items()},
        "interval": {method: one.interval for method, one in figures.items()},
        "less_forest": differences,
    }


def table(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the figures as Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    for name, one in sets.items():
        scores = [f"{one['macro_f1'][method]:.3f}" for method in (ADAPTER, PROBE, FOREST)]
        less = one["less_forest"][ADAPTER]
        low, high = less["interval"]
        cells = (
            name, str(one["people"]), str(one["test_people"]),
            ", ".join(map(str, one["folds"])), *scores,
            f"{less['macro_f1']:+.3f} ({low:+.3f} to {high:+.3f})",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stores", nargs="+", metavar="NAME=STORE[:PEOPLE]")
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, required=True, help="kept folds and adapters")
    parser.add_argument("--report", type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started, report = os.getloadavg(), options.report / "results.json"
    sets = json.loads(report.read_text(encoding="utf-8"))["sets"] if report.is_file() else {}
    for pair in options.stores:
        name, _, where = pair.partition("=")
        path, _, people = where.partition(":")
        store = WindowStore.open(path)
        if people:
            store = first_people(store, int(people), options.out / name / "store")
        sets[name] = judge(name, store, options.folds, options.out / name)
        print(table({name: sets[name]}))
    options.report.mkdir(parents=True, exist_ok=True)
    (options.report / "table.md").write_text(table(sets), encoding="utf-8")
    write(record("quality.few_people", {"sets": sets}, started), report)


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
