"""CroSSL then labels, against labels alone: the same encoder, folds, epochs and people.

    python -m benchmarks.quality.encoders --data stores/wisdm_watch --folds 0 1 2 3 4 --out runs/enc

Each fold's two encoders are judged by a linear probe (logistic regression on their embeddings,
its penalty chosen on validation people) and by an MLP probe. The difference is taken on the same
windows of all folds' test people together; its interval resamples people. Encoders lie in
OUT/KIND-seedS-foldF, so that `adapters --encoders OUT` can go on with them. A fold that
is in OUT/results.json is not made again; OUT/summary.json leaves out the single windows.
"""

import argparse
import json
import logging
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensor2llm.encoders.files import read_manifest
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.probe import probe
from sensor2llm.pretraining.config import EncoderRecipe, ProbeConfig
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.metrics import Predictions, measure, paired_difference
from sensor2llm.training.record import write_json

KINDS = {"crossl": True, "supervised": False}
logger = logging.getLogger(__name__)


def run_one(data: Path, kind: str, seed: int, fold: int, out: Path) -> dict[str, Any]:
    """Make one encoder and judge it on its fold's test people."""
    split_config = SplitConfig(kind="fold", fold=fold)
    base = EncoderRecipe(finetune=True)
    recipe: EncoderRecipe = replace(base, pretrain=KINDS[kind], split=split_config, seed=seed)
    folder = out / f"{kind}-seed{seed}-fold{fold}"
    if not (folder / "sensor2llm.json").is_file():
        make_encoder(recipe, data, folder, resume=True)
    store, encoder = WindowStore.open(data), SignalEncoder.from_pretrained(folder)
    normaliser = Normaliser.from_dict(read_manifest(folder)["normaliser"])
    split = make_split(store, split_config)
    probes = probe(encoder, store, split, normaliser, ProbeConfig(kinds=("linear", "mlp")))
    return {
        "kind": kind,
        "seed": seed,
        "fold": fold,
        "macro_f1": {name: result.metrics["macro_f1"] for name, result in probes.items()},
        "rows": probes["linear"].rows.tolist(),
        "predicted": {n: r.probabilities.argmax(1).tolist() for n, r in probes.items()},
    }


def pooled(runs: list[dict[str, Any]], store: WindowStore, probe_name: str) -> Predictions:
    """Put the folds' test windows together."""
    rows = np.concatenate([run["rows"] for run in runs]).astype(np.int64)
    return Predictions(
        labels=store.label_names,
        true=np.asarray(store.labels)[rows],
        predicted=np.concatenate([run["predicted"][probe_name] for run in runs]).astype(np.int64),
        subjects=store.subjects[rows],
    )


def summary(runs: list[dict[str, Any]], store: WindowStore) -> dict[str, Any]:
    """Give each kind's macro-F1 over the folds, and their paired difference."""
    figures: dict[str, Any] = {}
    for name in ("linear", "mlp"):
        by_kind = {kind: [r for r in runs if r["kind"] == kind] for kind in KINDS}
        for kind, those in by_kind.items():
            values = [run["macro_f1"][name] for run in those]
            metrics = measure(pooled(those, store, name))
            figures[f"{kind}, {name} probe"] = {
                "mean_of_folds": statistics.mean(values),
                "sd_of_folds": statistics.stdev(values) if len(values) > 1 else 0.0,
                "pooled": metrics.macro_f1,
                "interval": metrics.interval,
                "folds": len(values),
            }
        both = [pooled(by_kind[kind], store, name) for kind in KINDS]
        difference, interval = paired_difference(both[0], both[1])
        figures[f"crossl minus supervised, {name} probe"] = {
            "difference": difference,
            "interval": interval,
            "level_or_above": interval is not None and interval[1] >= 0,
        }
    return figures


def _keep(
    out: Path, command: str, runs: list[dict[str, Any]], store: WindowStore
) -> dict[str, Any]:
    """Write results.json, and summary.json without the single windows; give the summary."""
    figures = summary(runs, store)
    short = [{k: run[k] for k in ("kind", "seed", "fold", "macro_f1")} for run in runs]
    write_json(out / "results.json", {"command": command, "summary": figures, "runs": runs})
    write_json(out / "summary.json", {"command": command, "summary": figures, "runs": short})
    return figures


def main() -> None:
    """Run what is missing, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="window store")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="encoders and results.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    store, path = WindowStore.open(options.data), options.out / "results.json"
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.is_file() else []
    command = "python -m benchmarks.quality.encoders " + " ".join(sys.argv[1:])
    for seed in options.seeds:
        for fold in options.folds:
            finished = {(run["seed"], run["fold"]) for run in runs}
            if (seed, fold) in finished:
                continue
            both = [run_one(options.data, kind, seed, fold, options.out) for kind in KINDS]
            runs += both
            _keep(options.out, command, runs, store)
            logger.info("seed %d fold %d: %s", seed, fold, [run["macro_f1"] for run in both])
    print(json.dumps(_keep(options.out, command, runs, store), indent=1))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
