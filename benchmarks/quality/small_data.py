"""Few windows: adapters trained by defaults, beside a probe of the same encoder.

    python -m benchmarks.quality.small_data

Each run simulates three people with 46 windows each of three activities (one person trains, one
validates, one tests), makes an encoder and an adapter with no option but the data, and judges both
ways on the test person: the adapter, and logistic regression on what the bridge is given.
"""

import argparse
import os
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import record, write
from sensor2llm.datasets.simulation.simulate import SimulationConfig, simulate, simulated_spec
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.evaluation import evaluate_adapter
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.transforms import segment

OUT = Path(__file__).resolve().parents[1] / "results" / "small_data.json"
LABELS = ("walking", "sitting", "lying")
WINDOWS_A_PERSON = 46


def small_store(path: Path, seed: int) -> WindowStore:
    """Simulate three people's windows of three activities."""
    config = SimulationConfig(scenario="phone", subjects=3, seed=seed, missing_share=0.0)
    spec = simulated_spec(config)
    labelled = (
        window
        for recording in simulate(config)
        for window in segment(recording, spec)
        if window.label in LABELS
    )
    people = groupby(labelled, key=lambda window: window.subject)
    windows = [w for _, person in people for w in list(person)[:WINDOWS_A_PERSON]]
    return WindowStore.write(path, spec, windows, label_names=LABELS, source=f"simulated: {config}")


def judge(folder: Path, seed: int) -> dict[str, Any]:
    """Train by defaults on the store of a seed, and judge adapter and probe on the test person."""
    store = small_store(folder / "store", seed)
    trained = train_adapter(Recipe(data=store.path, out=folder / "adapter"))
    metrics = evaluate_adapter(
        trained.model.eval(), trained.store, trained.split, controls=True, seed=seed
    ).metrics
    controls = metrics["controls"]
    return {
        "seed": seed,
        "windows": len(store),
        "training_windows": len(trained.split.train),
        "steps": trained.result.steps,
        "adapter": metrics["macro_f1"],
        "probe": controls["probe"]["macro_f1"],
        "majority": controls["majority"]["macro_f1"],
        "another_window": controls["another_window"]["macro_f1"],
    }


def main() -> None:
    """Measure, print a row a run and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started, runs = os.getloadavg(), []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            runs.append(judge(Path(folder), seed))
        print(", ".join(f"{name} {value:.4g}" for name, value in runs[-1].items()))
    difference = float(np.mean([run["adapter"] - run["probe"] for run in runs]))
    print(f"adapter less probe: {100 * difference:+.1f} points")
    figures = {"runs": runs, "adapter_less_probe": difference}
    write(record("quality.small_data", figures, started), options.out)


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
