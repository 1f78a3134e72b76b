"""Choose how many soft-prompt vectors and signal tokens a window gets, by validation people.

    python -m benchmarks.quality.prompt_length --stores STORES --out runs/prompt_length

Each cell is a short training of the bridge on kept features of a released encoder: 18 activities
(WISDM watch), questions and a number (UCI HAR). No test person is looked at. A cell that is in
OUT/results.json is not made again.
"""

import argparse
import json
import statistics
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

from sensor2llm.recipes.config import (
    CLASSIFICATION,
    QUESTION_ANSWERING,
    REGRESSION,
    Recipe,
    TaskMix,
)
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.config import SplitConfig
from sensor2llm.training.record import write_json

NUMBER = "total_acc.dominant_frequency"
RUNS = {
    "wisdm_watch": (
        "wisdm_watch",
        SplitConfig(kind="fold"),
        "wisdm-watch-encoder",
        {CLASSIFICATION: TaskMix()},
    ),
    "questions": (
        "uci_har",
        SplitConfig(kind="published"),
        "uci-har-encoder",
        {QUESTION_ANSWERING: TaskMix(per_window=3, hide=0.15)},
    ),
    "number": (
        "uci_har",
        SplitConfig(kind="published"),
        "uci-har-encoder",
        {REGRESSION: TaskMix(target=NUMBER)},
    ),
}


def run_cell(options: argparse.Namespace, run: str, soft: int, signal: int, seed: int) -> Any:
    """Train one adapter briefly and give its validation figures."""
    store, split, encoder, tasks = RUNS[run]
    base = Recipe(llm=options.llm)
    trained = train_adapter(
        replace(
            base,
            data=options.stores / store,
            split=split,
            encoder=encoder,
            tasks=tasks,
            projector=replace(base.projector, tokens=signal, scale=run != "wisdm_watch"),
            soft_prompt=replace(base.soft_prompt, tokens=soft),
            loop=replace(
                base.loop,
                steps=options.steps,
                batch_size=options.batch_size,
                validate_every=options.steps,
                seed=seed,
            ),
            out=options.out / run,
        )
    )
    return {
        "run": run,
        "soft": soft,
        "signal": signal,
        "seed": seed,
        "score": round(trained.result.best_score, 4),
        "windows_per_s": round(trained.result.rows_per_s, 1),
    }


def summary(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Give each cell's mean score over its seeds, by run and numbers of vectors."""
    scores: dict[tuple[str, str], list[float]] = {}
    for cell in cells:
        key = (cell["run"], f"P={cell['soft']} K={cell['signal']}")
        scores.setdefault(key, []).append(cell["score"])
    return {
        run: {at: round(statistics.mean(v), 4) for (name, at), v in scores.items() if name == run}
        for run in {run: None for run, _ in scores}
    }


def main() -> None:
    """Run what is missing."""
    options = _options()
    torch.set_num_threads(options.threads)
    path = options.out / "results.json"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.is_file() else []
    done = {(c["run"], c["soft"], c["signal"], c["seed"]) for c in cells}
    grid = product(options.seeds, options.runs, options.cells)
    for seed, run, (soft, signal) in grid:
        if (run, soft, signal, seed) in done:
            continue
        cells.append(run_cell(options, run, soft, signal, seed))
        kept = {"steps": options.steps, "batch_size": options.batch_size, "llm": options.llm}
        write_json(path, kept | {"summary": summary(cells), "cells": cells})
        print(cells[-1], flush=True)


def _cell(text: str) -> tuple[int, int]:
    soft, signal = text.split(",")
    return int(soft), int(signal)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stores", type=Path, required=True, help="folder of prepared stores")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs")
    parser.add_argument("--llm", default="bundled")
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--cells", nargs="+", type=_cell, help="P,K of each cell",
                        default=[(2, 2), (2, 4), (4, 4), (2, 8), (4, 8), (8, 8)])  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
