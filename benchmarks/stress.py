"""Stress against the rest on WESAD's wrist device, people in five folds.

    python -m benchmarks.stress --data stores/wesad_wrist_stress --out runs/stress
    python -m benchmarks.stress --out runs/stress --folds 0 --methods adapter

The methods judge the same windows, all folds' test people together: the recipe's adapter on its
frozen LLM, logistic regression on that adapter's encoder (`probe`), and gradient boosting and a
random forest on the usual hand-made features [Schmidt et al. 2018]. The adapter is level with a
baseline where the interval of the paired difference, over people, reaches zero or above. Folds that
are done are kept in OUT.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import record
from benchmarks.pooled_folds import ADAPTER, FoldRun, parser, tell
from benchmarks.pooled_scores import pooled, summary
from sensor2llm.command import read_recipe
from sensor2llm.errors import run_verb
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.store import WindowStore

METHODS = ("gradient boosting", "random forest", ADAPTER)
RECIPE = Path(__file__).resolve().parent / "recipes" / "stress.yaml"
RESULTS = Path(__file__).resolve().parent / "results" / "stress" / "results.json"


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Judge and measure."""
    recipe = read_recipe(options.recipe, Recipe)
    store = WindowStore.open(options.data or recipe.data)
    folds = FoldRun(recipe=recipe, store=store, folds=tuple(options.folds), out=options.out)
    said = {}
    for method in options.methods:
        judged = folds.judge(method)
        for name in (method, "probe") if method == ADAPTER else (method,):
            said[name] = pooled(store, judged, name)
    rows = summary(said, ADAPTER)
    return {"data": {"source": store.source}, "folds": options.folds, "rows": rows}


def main() -> None:
    """Judge what is missing, and print the table."""
    words = parser(__doc__ or "", METHODS, RESULTS, RECIPE)
    words.add_argument("--data", type=Path, help="window store, in place of the recipe's")
    options = words.parse_args()
    torch.set_num_threads(options.threads)
    started = os.getloadavg()
    tell(record("stress", run(options), started), options)


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
