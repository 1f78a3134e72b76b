"""Atrial fibrillation against normal rhythm from 60 inter-beat intervals, records in five folds.

    python -m benchmarks.quality.rhythm --from rr/afdb --healthy rr/nsr2db --out runs/rhythm
    python -m benchmarks.quality.rhythm --out runs/rhythm --folds 0 --methods adapter

Data: MIT-BIH AF, as `prepare afdb` or `prepare rr_intervals` reads it. A window is used where it is
purely normal rhythm or atrial fibrillation; the others are left out and counted. Healthy records
(nsr2db) only measure how often a rhythm is called atrial fibrillation that is none; nobody learns
from them, and heart failure is refused: such records are no negatives.

Recorders differ: MIT-BIH AF counts at 250 Hz, nsr2db at 128 Hz. So that no grid tells the sets
apart, beats of both are moved to the nearest tick of one grid (`--grid_hz`, 128; 0 leaves them).

The methods judge the same windows, all folds' test records together: the recipe's adapter on its
frozen LLM, logistic regression on that adapter's encoder (`probe`), and gradient boosting of
hand-made features. Folds that are done are kept in OUT, and each fold's adapter in
OUT/adapter-foldN: `tokenization_study compare` takes it, for numbers in the prompt of the same LLM.
"""

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from benchmarks.machine import record
from benchmarks.quality.pooled_folds import ADAPTER, FoldRun, parser, tell
from benchmarks.quality.pooled_scores import Fold, pooled, summary
from sensor2llm.command import read_recipe
from sensor2llm.datasets.heart import afdb, rr_intervals
from sensor2llm.datasets.heart.beat_intervals import SPEC
from sensor2llm.errors import ConfigError, DataError, run_verb
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.training.record import write_json

NORMAL, FIBRILLATION = afdb.LABELS["(N"], afdb.LABELS["(AFIB"]
LABELS = (NORMAL, FIBRILLATION)
USED = {"N": NORMAL, NORMAL: NORMAL, "AFIB": FIBRILLATION, FIBRILLATION: FIBRILLATION}
"""The readers' labels that are used, and what they are called here."""
FAILING = ("chf", "failure")
GRID_HZ = 128.0
HEALTHY_WINDOWS = 100
METHODS = ("gradient boosting", ADAPTER)
RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "rhythm.yaml"
RESULTS = Path(__file__).resolve().parents[1] / "results" / "rhythm" / "results.json"


def on_grid(
    intervals_ms: Float[np.ndarray, "*batch beat"], rate_hz: float
) -> Float[np.ndarray, "*batch beat"]:
    """Move beats to the nearest tick of a clock; give the intervals between them, in ms.

    The first interval starts on a tick. Intervals that were counted at `rate_hz` stay as they are.
    """
    times_s = np.cumsum(np.asarray(intervals_ms, np.float64), axis=-1) / 1000
    ticks = np.rint(times_s * rate_hz)
    return np.diff(ticks, axis=-1, prepend=0.0) * (1000 / rate_hz)


def moved(window: Window, label: str | None, grid_hz: float) -> Window:
    """Give a window with its beats on a grid (none for 0 Hz) and another label."""
    intervals = window.signals["rr"]
    signals = {"rr": on_grid(intervals, grid_hz) if grid_hz else intervals}
    return replace(window, signals=signals, label=label)


def used_windows(
    windows: Iterable[Window], grid_hz: float, counts: Counter[str]
) -> Iterator[Window]:
    """Give the windows of the two rhythms; count those that are left out by their label."""
    for window in windows:
        label = USED.get(window.label or "")
        if label is None:
            counts[f"windows left out: {window.label or 'no rhythm noted'}"] += 1
        else:
            yield moved(window, label, grid_hz)


def healthy_windows(windows: Iterable[Window], grid_hz: float, each: int) -> Iterator[Window]:
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
        yield from (moved(own[i], NORMAL, grid_hz) for i in places.tolist())


def make_store(source: Path | None, out: Path, grid_hz: float) -> tuple[WindowStore, Any]:
    """Write the store of the two rhythms, unless it is there; give it and what was left out.

    Raises:
        ConfigError: it is not there, or is on another grid, and no folder is given.
        DataError: files that are not as published.
    """
    path, counted = out / "store", out / "left_out.json"
    counts_before = json.loads(counted.read_text(encoding="utf-8")) if counted.is_file() else {}
    if counts_before.get("grid_hz") == grid_hz:
        return WindowStore.open(path), counts_before
    if source is None:
        raise ConfigError(
            f"'{out}' has no windows on a grid of {grid_hz:g} Hz yet; give --from FOLDER"
        )
    wfdb = any(source.glob("*.atr")) or any(source.glob("atr*.txt"))
    reading = (afdb if wfdb else rr_intervals).read(source, SourceOptions())
    counts: Counter[str] = Counter()
    windows = used_windows(reading.windows, grid_hz, counts)
    store = WindowStore.write(path, SPEC, windows, LABELS, source=reading.source)
    classes = np.bincount(np.asarray(store.labels), minlength=len(LABELS)).tolist()
    counts_before = {"grid_hz": grid_hz, "used": dict(zip(LABELS, classes, strict=True))}
    write_json(counted, counts_before | {"left out": dict(counts) | reading.ledger.reasons()})
    return store, json.loads(counted.read_text(encoding="utf-8"))


def make_healthy(source: Path | None, out: Path, grid_hz: float) -> WindowStore | None:
    """Write the healthy records' store, unless it is there; None where no folder was ever given."""
    path = out / f"healthy-{grid_hz:g}"
    if not (path / "store.json").is_file():
        if source is None:
            return None
        reading = rr_intervals.read(source, SourceOptions())
        windows = healthy_windows(reading.windows, grid_hz, HEALTHY_WINDOWS)
        WindowStore.write(path, SPEC, windows, LABELS, source=reading.source)
    return WindowStore.open(path)


def false_alarms(
    store: WindowStore, folds: Sequence[Fold], name: str, draws: int = 2000
) -> dict[str, Any]:
    """Give the share of healthy windows that are called atrial fibrillation.

    Each fold's model judges all of them; the share is the folds' mean, and its 95 % interval
    resamples records.
    """
    alarms = np.mean([fold[f"{name} of healthy"].argmax(1) == 1 for fold in folds], axis=0)
    _, who = np.unique(store.subject_ids, return_inverse=True)
    by_record = np.bincount(who, alarms) / np.bincount(who)
    records = len(by_record)
    chosen = np.random.default_rng(0).integers(records, size=(draws, records))
    return {
        "rate": float(alarms.mean()),
        "interval": np.quantile(by_record[chosen].mean(1), [0.025, 0.975]).tolist(),
        "records": records,
        "windows": len(alarms),
        "records above 10 %": int((by_record > 0.1).sum()),
    }


def measured(
    run: FoldRun, methods: Iterable[str], healthy: WindowStore | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Judge what is not kept yet; give the methods' rows and their false alarms."""
    predictions, alarms = {}, {}
    for method in methods:
        folds = run.judge(method)
        for name in (method, "probe") if method == ADAPTER else (method,):
            predictions[name] = pooled(run.store, folds, name)
            if healthy is not None:
                alarms[name] = false_alarms(healthy, folds, name)
    return summary(predictions, ADAPTER), alarms


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Prepare, judge and measure."""
    options.out.mkdir(parents=True, exist_ok=True)
    store, data = make_store(options.source, options.out, options.grid_hz)
    healthy = make_healthy(options.healthy, options.out, options.grid_hz)
    folds = FoldRun(
        recipe=read_recipe(options.recipe, Recipe),
        store=store,
        folds=tuple(options.folds),
        out=options.out,
        others={"healthy": healthy} if healthy else {},
        made_of={"grid_hz": options.grid_hz},
    )
    rows, alarms = measured(folds, options.methods, healthy)
    return {"data": data, "folds": options.folds, "rows": rows, "false_alarms": alarms}


def alarm_table(alarms: Mapping[str, Mapping[str, Any]]) -> str:
    """Give each method's false alarms on healthy records as a Markdown table."""
    lines = ["| method | healthy windows called atrial fibrillation (95 %) |", "|---|---|"]
    for name, row in alarms.items():
        low, high = row["interval"]
        lines.append(f"| {name} | {row['rate']:.2%} ({low:.2%} to {high:.2%}) |")
    return "\n".join(lines)


def main() -> None:
    """Judge what is missing, and print the tables."""
    words = parser(__doc__ or "", METHODS, RESULTS, RECIPE)
    words.add_argument("--from", dest="source", type=Path, help="folder of MIT-BIH AF's intervals")
    words.add_argument("--healthy", type=Path, help="folder of healthy records' intervals")
    words.add_argument("--grid_hz", type=float, default=GRID_HZ, help="0 leaves the recorders' own")
    options = words.parse_args()
    torch.set_num_threads(options.threads)
    started = os.getloadavg()
    result = record("quality.rhythm", run(options), started)
    tell(result, options)
    if result["false_alarms"]:
        print("\n" + alarm_table(result["false_alarms"]))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
