"""Train and measure an adapter over seeds and folds; the figures that cards and issues speak of.

    python -m benchmarks.quality.adapters --recipe RECIPE.yaml --seeds 0 1 2 --out runs/uci_har
    python -m benchmarks.quality.adapters --recipe RECIPE.yaml --folds 0 1 2 3 4 --out runs/wisdm

Each run makes the recipe's encoder anew (or takes that of `encoders`), trains the
adapter, and measures label scoring, free generation and the controls on the test people. A run that
is in OUT/results.json is not made again, so that an interrupted benchmark goes on. Nothing is
chosen here: the recipe is fixed.
"""

import argparse
import json
import logging
import os
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sensor2llm.command import read_recipe
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.evaluation import evaluate_adapter
from sensor2llm.recipes.config import NEW, Recipe
from sensor2llm.recipes.train import train_adapter
from sensor2llm.training.record import write_json

KEPT = ("macro_f1", "balanced_accuracy", "accuracy", "interval", "unparsed_rate", "windows")
SUMMARISED = ("score", "text", "probe")
logger = logging.getLogger(__name__)


def run_one(
    recipe: Recipe, seed: int, fold: int | None, out: Path, encoders: Path | None = None
) -> dict[str, Any]:
    """Train and measure one seed and fold."""
    split = recipe.split if fold is None else replace(recipe.split, kind="fold", fold=fold)
    chosen = replace(
        recipe,
        split=split,
        encoder=str(encoders / f"crossl-seed{seed}-fold{fold}") if encoders else NEW,
        new_encoder=replace(recipe.new_encoder, seed=seed),
        loop=replace(recipe.loop, seed=seed),
        out=out / f"seed{seed}-fold{fold}",
    )
    trained = train_adapter(chosen, resume=True)
    by_score = evaluate_adapter(trained.model, trained.store, trained.split, controls=True)
    by_text = evaluate_adapter(trained.model, trained.store, trained.split, by="text")
    return {
        "seed": seed,
        "fold": fold,
        "score": {name: by_score.metrics[name] for name in KEPT},
        "text": {name: by_text.metrics[name] for name in KEPT},
        "probe": by_score.metrics["controls"]["probe"],
        "controls": {k: v["macro_f1"] for k, v in by_score.metrics["controls"].items()},
        "tokens_per_window": by_score.metrics["tokens_per_window"],
        "training_windows_per_s": trained.result.rows_per_s,
        "llm_fingerprint": trained.fingerprint,
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Give mean and standard deviation of macro-F1 over the runs."""
    figures = {}
    for name in SUMMARISED:
        values = [run[name]["macro_f1"] for run in runs]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        figures[name] = {"macro_f1": statistics.mean(values), "sd": spread, "runs": len(values)}
    return figures


def main() -> None:
    """Run what is missing, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, required=True, help="recipe file")
    parser.add_argument("--data", type=Path, help="window store, in place of the recipe's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--folds", type=int, nargs="+", help="subject folds; the recipe's split else"
    )
    parser.add_argument(
        "--encoders", type=Path, help="OUT of benchmarks.quality.encoders, to go on with"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="runs and results.json go here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = read_recipe(options.recipe, Recipe)
    if options.data:
        recipe = replace(recipe, data=options.data)
    path = options.out / "results.json"
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.is_file() else []
    command = "python -m benchmarks.quality.adapters " + " ".join(sys.argv[1:])
    for seed in options.seeds:
        for fold in options.folds or [None]:
            if any((run["seed"], run["fold"]) == (seed, fold) for run in runs):
                continue
            logger.info("seed %d, fold %s, load %.1f", seed, fold, os.getloadavg()[0])
            runs.append(run_one(recipe, seed, fold, options.out, options.encoders))
            write_json(path, {"command": command, "summary": summary(runs), "runs": runs})
    write_json(path, {"command": command, "summary": summary(runs), "runs": runs})
    print(json.dumps(summary(runs), indent=1))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
