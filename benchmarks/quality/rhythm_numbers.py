"""Atrial fibrillation: inter-beat intervals as numbers in the prompt, beside encoded intervals.

    python -m benchmarks.quality.rhythm --from rr/afdb --out runs/rhythm
    python -m benchmarks.quality.rhythm_numbers --rhythm runs/rhythm --out runs/rhythm_numbers

The first command leaves an adapter a fold. The second asks the same frozen LLM about some of each
fold's test windows, spread over records and rhythms: with the numbers as text (zero-shot, few-shot,
with a learned soft prompt, by a probe of its hidden states), with encoded inputs, and without any
LLM. What all folds said is judged together. A row that is there is not asked again.
"""

import argparse
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import record
from sensor2llm.errors import DataError, run_verb
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.metrics import Predictions, measure, paired_difference
from sensor2llm.training.record import write_json
from tokenization_study.comparison.config import ComparisonConfig
from tokenization_study.comparison.rows import ADAPTER, ENCODED, FEW_SHOT, RAW, ZERO_SHOT
from tokenization_study.comparison.run import compare

RESULTS = Path(__file__).resolve().parents[1] / "results" / "rhythm_numbers"
FORMS = ("plain", "digits_spaced")


def compared(options: argparse.Namespace) -> Iterator[Path]:
    """Run each fold's comparison, or what of it is missing; give the folders.

    Raises:
        DataError: a fold has no adapter yet.
    """
    config = ComparisonConfig(
        windows=options.windows,
        serialisers=tuple(options.forms),
        learned=1,
        train_windows=options.train_windows,
        decimals=0,
    )
    for fold in options.folds:
        adapter = options.rhythm / f"adapter-fold{fold}"
        if not adapter.is_dir():
            raise DataError(
                f"no {adapter}; run benchmarks.quality.rhythm --out {options.rhythm} first"
            )
        out = options.out / f"fold{fold}"
        compare(str(adapter), options.rhythm / "store", out, config)
        yield out


def said_by_row(folder: Path) -> dict[tuple[str, str], list[int]]:
    """Read one fold's answers by input and prompt, few-shot without its number of examples."""
    predicted = {}
    for path in sorted((folder / "rows").glob("*.json")):
        row = json.loads(path.read_text(encoding="utf-8"))["row"]
        if row["predicted"]:
            prompt = FEW_SHOT if row["prompt"].startswith(FEW_SHOT) else row["prompt"]
            # Each fold's validation people choose which form gets more than a zero-shot prompt.
            chosen = prompt != ZERO_SHOT and row["input"].startswith(RAW)
            predicted[RAW if chosen else row["input"], prompt] = row["predicted"]
    return predicted


def pooled(store: WindowStore, folders: Sequence[Path]) -> dict[tuple[str, str], Predictions]:
    """Put all folds' answers together, of the rows that every fold has."""
    folds = [said_by_row(folder) for folder in folders]
    index = [
        json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["index"]
        for folder in folders
    ]
    rows = np.concatenate(index).astype(np.int64)
    names = [name for name in folds[0] if all(name in fold for fold in folds)]
    return {
        name: Predictions(
            labels=store.label_names,
            true=np.asarray(store.labels)[rows],
            predicted=np.concatenate([np.asarray(fold[name]) for fold in folds]),
            subjects=store.subjects[rows],
            index=rows,
        )
        for name in names
    }


def rows_of(predictions: Mapping[tuple[str, str], Predictions]) -> list[dict[str, Any]]:
    """Measure every row, and how far the encoded inputs are above it on the same windows."""
    encoded, rows = predictions[ENCODED, ADAPTER], []
    for (source, prompt), p in predictions.items():
        metrics = measure(p)
        above, interval = paired_difference(encoded, p)
        rows.append(
            {
                "input": source,
                "prompt": prompt,
                "macro_f1": metrics.macro_f1,
                "interval": metrics.interval,
                "accuracy": metrics.accuracy,
                "windows": metrics.windows,
                "subjects": metrics.subjects,
                "encoded_minus_this": above,
                "encoded_minus_this_interval": interval,
            }
        )
    return sorted(rows, key=lambda row: -row["macro_f1"])


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Give the rows as a Markdown table, the best first."""
    lines = [
        "| input | prompt | macro-F1 (95 % over people) | encoded above by |",
        "|---" * 4 + "|",
    ]
    for row in rows:
        low, high = row["interval"]
        above = f"{row['encoded_minus_this']:+.3f}"
        if row["encoded_minus_this_interval"]:
            above += " ({:+.3f} to {:+.3f})".format(*row["encoded_minus_this_interval"])
        if (row["input"], row["prompt"]) == (ENCODED, ADAPTER):
            above = ""
        lines.append(
            f"| {row['input']} | {row['prompt']} | {row['macro_f1']:.3f} ({low:.3f} to {high:.3f}) "
            f"| {above} |"
        )
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Give the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    add = arguments.add_argument
    add("--rhythm", type=Path, default=Path("runs/rhythm"), help="OUT of benchmarks.quality.rhythm")
    add("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    add("--forms", nargs="+", default=list(FORMS), help="how numbers are written")
    add("--windows", type=int, default=100, help="test windows a fold")
    add("--train_windows", type=int, default=300, help="that a soft prompt learns from")
    add("--threads", type=int, default=1)
    add("--out", type=Path, default=Path("runs/rhythm_numbers"))
    add("--report", type=Path, default=RESULTS, help="figures and table go here")
    return arguments


def main() -> None:
    """Ask what was not asked yet, and write the table."""
    options = parser().parse_args()
    torch.set_num_threads(options.threads)
    started = os.getloadavg()
    folders = list(compared(options))
    rows = rows_of(pooled(WindowStore.open(options.rhythm / "store"), folders))
    result = record(
        "benchmarks.quality.rhythm_numbers", {"folds": options.folds, "rows": rows}, started
    )
    options.report.mkdir(parents=True, exist_ok=True)
    write_json(options.report / "results.json", result)
    (options.report / "table.md").write_text(table(rows) + "\n", encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
