"""Stress against the rest on WESAD's wrist device, people in five folds.

    python -m benchmarks.quality.stress --data stores/wesad_wrist_stress --out runs/stress
    python -m benchmarks.quality.stress --out runs/stress --folds 0 --methods adapter

The methods judge the same windows, all folds' test people together: gradient boosting and a random
forest on the usual hand-made features [Schmidt et al. 2018], and the recipe's adapter on its frozen
LLM, with logistic regression on that adapter's encoder (`probe`) beside it. The adapter hears the
same features, each sensor's as a row of values (written to OUT/store; a sensor is missing where one
of its features cannot be computed), or with `--hear signals` the signals themselves.

The adapter is level with a baseline where the interval of the paired difference, over people,
reaches zero or above. Folds that are done are kept in OUT.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import record
from benchmarks.quality.pooled_folds import ADAPTER, FoldRun, parser, tell
from benchmarks.quality.pooled_scores import pooled, summary
from sensor2llm.command import read_recipe
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.handcrafted_features import FeatureTable, handmade_features
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window

METHODS = ("gradient boosting", "random forest", ADAPTER)
DATA = Path("stores/wesad_wrist_stress")
FEATURES, SIGNALS = "features", "signals"
RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "stress.yaml"
RESULTS = Path(__file__).resolve().parents[1] / "results" / "stress" / "results.json"


def feature_store(store: WindowStore, out: Path) -> WindowStore:
    """Write each sensor's hand-made features as a row of values, unless they are there."""
    if not (out / "store.json").is_file():
        table = handmade_features(store, np.arange(len(store)))
        spec, columns = feature_spec(table)
        windows = _rows(store, table, columns)
        WindowStore.write(
            out,
            spec,
            windows,
            store.label_names,
            store.published,
            f"{store.source}; hand-made features",
        )
    return WindowStore.open(out)


def feature_spec(table: FeatureTable) -> tuple[SignalSpec, dict[str, list[int]]]:
    """Give a modality `SENSOR_features` a sensor, and which columns of the table it has."""
    columns: dict[str, list[int]] = {}
    for i, name in enumerate(table.names):
        columns.setdefault(f"{name.split('.')[0]}_features", []).append(i)
    modalities = [
        Modality(
            name=name,
            channels=tuple(Channel(name=table.names[i].split(".")[1], unit="1") for i in which),
            steps=1,
            axis="none",
        )
        for name, which in columns.items()
    ]
    return SignalSpec(modalities=tuple(modalities)), columns


def _rows(
    store: WindowStore, table: FeatureTable, columns: dict[str, list[int]]
) -> Iterator[Window]:
    for window, values in zip(store, table.values, strict=True):
        signals = {name: values[which, None] for name, which in columns.items()}
        whole = {name: row for name, row in signals.items() if np.isfinite(row).all()}
        yield Window(whole, window.subject, window.label, window.start_s)


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Judge and measure."""
    recipe, store = read_recipe(options.recipe, Recipe), WindowStore.open(options.data)
    heard = store if options.hear == SIGNALS else feature_store(store, options.out / "store")
    predictions = {}
    for method in options.methods:
        judged = heard if method == ADAPTER else store
        folds = FoldRun(
            recipe=recipe,
            store=judged,
            folds=tuple(options.folds),
            out=options.out,
            made_of={"heard": options.hear} if method == ADAPTER else {},
        ).judge(method)
        for name in (method, "probe") if method == ADAPTER else (method,):
            predictions[name] = pooled(judged, folds, name)
    rows = summary(predictions, ADAPTER)
    facts = {"source": store.source, "heard": list(heard.spec.names)}
    return {"data": facts, "folds": options.folds, "rows": rows}


def main() -> None:
    """Judge what is missing, and print the table."""
    words = parser(__doc__ or "", METHODS, RESULTS, RECIPE)
    words.add_argument("--data", type=Path, default=DATA, help="window store of the signals")
    hear_help = "what the adapter is given"
    words.add_argument("--hear", choices=(FEATURES, SIGNALS), default=FEATURES, help=hear_help)
    options = words.parse_args()
    torch.set_num_threads(options.threads)
    started = os.getloadavg()
    tell(record("quality.stress", compare(options), started), options)


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
