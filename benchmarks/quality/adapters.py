"""Train and measure an adapter over seeds and folds; the figures that cards and issues speak of.

    python -m benchmarks.quality.adapters --recipe RECIPE.yaml --seeds 0 1 2 --out runs/uci_har
    python -m benchmarks.quality.adapters --recipe RECIPE.yaml --folds 0 1 2 3 4 --out runs/wisdm

    python -m benchmarks.quality.adapters … --card adapters/uci-har-bundled

Each run makes the recipe's encoder anew (or takes that of `encoders`), trains the
adapter, and measures label scoring, free generation and the controls on the test people. A run that
is in OUT/results.json is not made again, so that an interrupted benchmark goes on. Nothing is
chosen here: the recipe is fixed. From three seeds on the interval covers retraining, too: seeds are
resampled with the people. `--card` writes the mean into a released adapter's folder and card.
"""

import argparse
import json
import logging
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from sensor2llm.command import read_recipe
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.cards.adapter import REPEATED, write_card
from sensor2llm.evaluation.evaluation import evaluate_adapter
from sensor2llm.recipes.config import NEW, Recipe
from sensor2llm.recipes.train import train_adapter
from sensor2llm.tasks.metrics import Predictions, score_confusion, subject_confusions
from sensor2llm.training.record import write_json

KEPT = ("macro_f1", "balanced_accuracy", "accuracy", "interval", "unparsed_rate", "windows")
SUMMARISED = ("score", "text", "probe")
RETRAINED = 3
"""Seeds from which on their spread is worth an interval."""
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
    keep_confusions(by_score.predictions, confusions_file(out, seed, fold))
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


def confusions_file(out: Path, seed: int, fold: int | None) -> Path:
    """Say where a run's confusion matrices lie."""
    return out / f"confusions-seed{seed}-fold{fold}.npy"


def keep_confusions(predictions: Predictions, path: Path) -> None:
    """Keep a run's confusion matrices, one a person."""
    np.save(path, subject_confusions(predictions))


def retrained_interval(
    confusions: Int[np.ndarray, "seed person label label_or_none"], draws: int = 2000
) -> tuple[float, float]:
    """Give the 95 % interval of the mean macro-F1 where seeds and people are drawn anew."""
    seeds, people = confusions.shape[:2]
    generator, means = np.random.default_rng(0), np.empty(draws)
    for i in range(draws):
        weights = generator.multinomial(people, np.full(people, 1 / people))
        pooled = np.tensordot(confusions, weights, axes=(1, 0))
        chosen = generator.integers(seeds, size=seeds)
        means[i] = score_confusion(pooled[chosen], "macro_f1").mean()
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    return low, high


def repeated(runs: Sequence[Mapping[str, Any]], out: Path, command: str) -> dict[str, Any]:
    """Give the mean over the recipe's runs, and its interval where every run's people are kept."""
    seeds = sorted({run["seed"] for run in runs})
    folds = sorted({run["fold"] for run in runs}, key=str)
    files = [[confusions_file(out, seed, fold) for fold in folds] for seed in seeds]
    whole = all(path.is_file() for row in files for path in row)
    interval = None
    if whole:
        interval = retrained_interval(
            np.stack([np.concatenate([np.load(path) for path in row]) for row in files])
        )
    score = summary(list(runs))["score"]
    return {
        "command": command,
        "seeds": seeds,
        "folds": folds,
        "macro_f1": score["macro_f1"],
        "sd": score["sd"],
        "interval": interval,
        "covers_retraining": len(seeds) >= RETRAINED,
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
    parser.add_argument("--card", type=Path, help="a released adapter, whose card gets the mean")
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
    mean = repeated(runs, options.out, command)
    write_json(path, {"command": command, "summary": summary(runs), "mean": mean, "runs": runs})
    if options.card:
        write_json(options.card / REPEATED, mean)
        write_card(options.card)
    print(json.dumps(summary(runs), indent=1))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
