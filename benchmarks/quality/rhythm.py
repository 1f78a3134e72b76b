"""Atrial fibrillation against normal rhythm from 60 inter-beat intervals, records in five folds.

    python -m benchmarks.quality.rhythm --from rr/afdb --healthy rr/nsr2db --out runs/rhythm
    python -m benchmarks.quality.rhythm --out runs/rhythm --folds 0 --methods adapter

Data: `prepare af_rhythm`: MIT-BIH AF's windows of pure normal rhythm or atrial fibrillation, and
for training alone normal ones with simulated premature beats. Healthy records (nsr2db) only measure
how often a rhythm is called atrial fibrillation that is none, as they are and with simulated
ectopy, bigeminy and trigeminy; nobody learns from them, and heart failure is refused: such records
are no negatives. Flutter, which is neither label, is answered by the fold that tests its record.

The methods judge the same windows, all folds' test records together: the recipe's adapter on its
frozen LLM, logistic regression on that adapter's encoder (`probe`), and gradient boosting of
hand-made features. Folds that are done are kept in OUT, and each fold's adapter in
OUT/adapter-foldN: `tokenization_study compare` takes it, for numbers in the prompt of the same LLM.
"""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import record
from benchmarks.quality.pooled_folds import ADAPTER, FoldRun, parser, tell
from benchmarks.quality.pooled_scores import Fold, pooled, summary
from sensor2llm.command import read_recipe
from sensor2llm.datasets.heart import rr_intervals
from sensor2llm.datasets.heart.af_rhythm import (
    FIBRILLATION,
    LABELS,
    NORMAL,
    on_grid,
    read_beats,
    simulated,
)
from sensor2llm.datasets.heart.beat_intervals import SPEC
from sensor2llm.datasets.heart.premature_beats import PATTERNS
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.writing import write_source
from sensor2llm.errors import ConfigError, DataError, run_verb
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.tasks.metrics import Predictions

FAILING = ("chf", "failure")
HEALTHY, FLUTTER = "healthy", "flutter"
FLUTTERING = ("AFL", "atrial flutter")
HEALTHY_WINDOWS, SIMULATED_WINDOWS = 100, 20
SEED = 29
METHODS = ("gradient boosting", ADAPTER)
RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "rhythm.yaml"
RESULTS = Path(__file__).resolve().parents[1] / "results" / "rhythm" / "results.json"


def healthy_windows(windows: Iterable[Window], each: int) -> Iterator[Window]:
    """Give `each` windows of every record, spread evenly over it, as normal rhythm.

    Raises:
        DataError: a record's label says heart failure.
    """
    for name, record_windows in groupby(windows, key=lambda window: window.subject):
        own = list(record_windows)
        if any(word in (w.label or "").lower() for w in own for word in FAILING):
            raise DataError(
                f"record {name} is labelled {own[0].label!r}: heart failure is no negative of "
                "atrial fibrillation; give healthy records only"
            )
        places = np.linspace(0, len(own) - 1, min(each, len(own))).round().astype(int)
        yield from (on_grid(own[i], NORMAL) for i in places.tolist())


def premature_windows(windows: Iterable[Window], pattern: str) -> Iterator[Window]:
    """Give healthy windows with premature beats."""
    generator = np.random.default_rng([SEED, list(PATTERNS).index(pattern)])
    for window in healthy_windows(windows, SIMULATED_WINDOWS):
        yield simulated(window, pattern, generator)


def flutter_windows(windows: Iterable[Window]) -> Iterator[Window]:
    """Give the windows of flutter, without a label: none of the two rhythms is right."""
    return (on_grid(window, None) for window in windows if window.label in FLUTTERING)


def make_store(source: Path | None, path: Path) -> WindowStore:
    """Prepare the store of the two rhythms, unless it is there.

    Raises:
        ConfigError: it is not there, and no folder is given.
        DataError: files that are not as published.
    """
    if (path / "store.json").is_file():
        return WindowStore.open(path)
    if source is None:
        raise ConfigError(f"'{path}' is not there yet; give --from FOLDER")
    return write_source("af_rhythm", source, path, SourceOptions(), SimulationConfig())


def make_judged(source: Path | None, healthy: Path | None, out: Path) -> dict[str, WindowStore]:
    """Write the stores that are judged alone, unless they are there; those of no folder lack."""
    options = SourceOptions()

    def normal(pattern: str) -> Iterator[Window]:
        windows = rr_intervals.read(healthy, options).windows
        if pattern == HEALTHY:
            return healthy_windows(windows, HEALTHY_WINDOWS)
        return premature_windows(windows, pattern)

    makers = {name: (healthy, partial(normal, name)) for name in (HEALTHY, *PATTERNS)}
    makers[FLUTTER] = (source, lambda: flutter_windows(read_beats(source, options).windows))
    stores = {}
    for name, (folder, make) in makers.items():
        path = out / name
        if not (path / "store.json").is_file():
            if folder is None:
                continue
            WindowStore.write(path, SPEC, make(), LABELS, source=f"{name} of {folder.name}")
        stores[name] = WindowStore.open(path)
    return stores


def false_alarms(
    store: WindowStore, folds: Sequence[Fold], key: str, draws: int = 2000
) -> dict[str, Any]:
    """Give the share of another store's windows that are called atrial fibrillation.

    Each fold's model judges all of them; the share is the folds' mean, and its 95 % interval
    resamples records.

    Args:
        store: what `key` holds the probabilities of.
        folds: what was judged.
        key: "METHOD of STORE".
        draws: of records.
    """
    alarms = np.mean([fold[key].argmax(1) == 1 for fold in folds], axis=0)
    return _rate(alarms, np.asarray(store.subject_ids), draws)


def alarms_of_tested(
    store: WindowStore, records: Sequence[Sequence[str]], folds: Sequence[Fold], key: str
) -> dict[str, Any]:
    """Give the same where the records are folds' own: each is judged by the fold that tests it.

    Args:
        store: what `key` holds the probabilities of.
        records: each fold's test records.
        folds: what was judged.
        key: "METHOD of STORE".
    """
    called, judged = np.zeros(len(store), bool), np.zeros(len(store), bool)
    for names, fold in zip(records, folds, strict=True):
        own = np.isin(store.subjects, list(names))
        called[own], judged[own] = fold[key][own].argmax(1) == 1, True
    return _rate(called[judged], np.asarray(store.subject_ids)[judged])


def _rate(alarms: np.ndarray, records: np.ndarray, draws: int = 2000) -> dict[str, Any]:
    _, who = np.unique(records, return_inverse=True)
    by_record = np.bincount(who, alarms) / np.bincount(who)
    count = len(by_record)
    chosen = np.random.default_rng(0).integers(count, size=(draws, count))
    return {
        "rate": float(alarms.mean()),
        "interval": np.quantile(by_record[chosen].mean(1), [0.025, 0.975]).tolist(),
        "records": count,
        "windows": len(alarms),
        "records above 10 %": int((by_record > 0.1).sum()),
    }


def measured(
    run: FoldRun, methods: Iterable[str]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Judge what is not kept yet; give the methods' rows, and by store who is called what."""
    predictions: dict[str, Any] = {}
    alarms: dict[str, dict[str, Any]] = {name: {} for name in (FIBRILLATION, *run.others)}
    records = [run.split(fold).subjects(run.store)["test"] for fold in run.folds]
    for method in methods:
        folds = run.judge(method)
        for name in (method, "probe") if method == ADAPTER else (method,):
            predictions[name] = pooled(run.store, folds, name)
            alarms[FIBRILLATION][name] = sensitivity(predictions[name])
            for other, store in run.others.items():
                key = f"{name} of {other}"
                alarms[other][name] = (
                    alarms_of_tested(store, records, folds, key)
                    if other == FLUTTER
                    else false_alarms(store, folds, key)
                )
    return summary(predictions, ADAPTER), alarms


def sensitivity(predictions: Predictions) -> dict[str, Any]:
    """Give the share of test windows of atrial fibrillation that are called so."""
    true, own = predictions.true == LABELS.index(FIBRILLATION), LABELS.index(FIBRILLATION)
    return _rate(predictions.predicted[true] == own, predictions.subjects[true])


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Prepare, judge and measure."""
    options.out.mkdir(parents=True, exist_ok=True)
    store = make_store(options.source, options.data or options.out / "store")
    folds = FoldRun(
        recipe=read_recipe(options.recipe, Recipe),
        store=store,
        folds=tuple(options.folds),
        out=options.out,
        others=make_judged(options.source, options.healthy, options.out),
    )
    rows, alarms = measured(folds, options.methods)
    return {"data": data_of(store), "folds": options.folds, "rows": rows, "false_alarms": alarms}


def data_of(store: WindowStore) -> dict[str, Any]:
    """Say how many windows of each rhythm there are, and what was left out."""
    counts = np.bincount(np.asarray(store.labels), minlength=len(LABELS)).tolist()
    return {
        "used": dict(zip(LABELS, counts, strict=True)),
        "left out": store.ledger.reasons(),
    }


def alarm_table(alarms: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Give each method's share called atrial fibrillation, a column a kind of window."""
    methods = list(dict.fromkeys(name for rows in alarms.values() for name in rows))
    kinds = [kind for kind, rows in alarms.items() if rows]
    lines = [
        f"| called atrial fibrillation | {' | '.join(kinds)} |",
        "|---" * (len(kinds) + 1) + "|",
    ]
    for method in methods:
        cells = [_share(alarms[kind][method]) for kind in kinds]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(row: Mapping[str, Any]) -> str:
    low, high = row["interval"]
    return f"{row['rate']:.2%} ({low:.2%} to {high:.2%})"


def main() -> None:
    """Judge what is missing, and print the tables."""
    words = parser(__doc__ or "", METHODS, RESULTS, RECIPE)
    words.add_argument("--from", dest="source", type=Path, help="folder of MIT-BIH AF's intervals")
    words.add_argument("--data", type=Path, help="a store that `prepare af_rhythm` wrote")
    words.add_argument("--healthy", type=Path, help="folder of healthy records' intervals")
    options = words.parse_args()
    torch.set_num_threads(options.threads)
    started = os.getloadavg()
    result = record("quality.rhythm", run(options), started)
    tell(result, options)
    if any(result["false_alarms"].values()):
        print("\n" + alarm_table(result["false_alarms"]))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
