"""Measure how many windows a second CroSSL pretrains on, and what each encoder is worth.

    python -m benchmarks.speed.pretraining_speed --data stores/uci_har stores/wisdm_watch --out FILE
    python -m benchmarks.speed.pretraining_speed --data STORE --probe --seeds 0 1 2 --out FILE

A step is the training loop's own, on real windows: reading, normalising, both masked views, loss,
backward, clipping, optimiser. The published recipe runs on this project's own temporal CNN, so that
it is as fast as it can be here; its L2 penalty is left out.

All variants share one process and one thread. They take turns in short slices, and every round
begins with another one. Time is the process's CPU time and not the wall clock's: other load then
costs cache and clock rate, but not the time in which this process waits. Each ratio is the median
over rounds of a ratio within one round. The first step of a slice, which allocates the optimiser's
state, is left out.

`--probe` pretrains on one fold's training people and gives the linear probe's macro-F1: of the
validation people, who chose the probe's penalty, and of the test people. FILE keeps both parts; a
run writes its own anew.
"""

import argparse
import json
import logging
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import machine
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import run_verb
from sensor2llm.evaluation.probe import probe
from sensor2llm.pretraining.config import ProbeConfig, pretrain_loop
from sensor2llm.pretraining.crossl import CroSSL
from sensor2llm.pretraining.objective_config import CroSSLConfig
from sensor2llm.pretraining.recipe import parameters
from sensor2llm.pretraining.run import WindowTask, fresh_encoder, pretrain
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.dataset import SignalBatch, WindowDataset
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.transforms import fit_normaliser
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.devices import use_bf16
from sensor2llm.training.loop import fit

logger = logging.getLogger(__name__)
FEWEST_STEPS = 3


def our_loop() -> LoopConfig:
    """Give the settings of a short pretraining: large batches at a high learning rate."""
    return replace(pretrain_loop(), epochs=6, batch_size=128, learning_rate=2e-3, precision="auto")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to pretrain."""

    title: str
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    crossl: CroSSLConfig = field(default_factory=CroSSLConfig)
    loop: LoopConfig = field(default_factory=our_loop)

    @property
    def precision(self) -> str:
        """Name what it computes in on this machine."""
        return "bf16" if use_bf16(self.loop.precision) else "float32"


VARIANTS: Mapping[str, Variant] = {
    "published": Variant(
        title="CroSSL as published: temporal CNN, strides 1, 1, 1",
        encoder=EncoderConfig(strides=(1, 1, 1)),
        crossl=CroSSLConfig(
            masking_ratio=0.1, distinct_views=False, similarity=10, std=10, covariance=100
        ),
        loop=LoopConfig(
            epochs=50, batch_size=8, learning_rate=1e-4, optimizer="adam", schedule="constant",
            warmup_share=0, max_grad_norm=0, precision="float32", patience=5,
        ),
    ),
    "temporal_cnn": Variant(title="temporal CNN, strides 2, 2, 1"),
    "temporal_cnn_unstrided": Variant(
        title="temporal CNN, strides 1, 1, 1", encoder=EncoderConfig(strides=(1, 1, 1))
    ),
    "patch_transformer_float32": Variant(
        title="patch transformer",
        encoder=EncoderConfig(kind="patch_transformer"),
        loop=replace(our_loop(), precision="float32"),
    ),
    "patch_transformer_bf16": Variant(
        title="patch transformer",
        encoder=EncoderConfig(kind="patch_transformer"),
        loop=replace(our_loop(), precision="bf16"),
    ),
}  # fmt: skip
PATCH_TRANSFORMERS = ("patch_transformer_float32", "patch_transformer_bf16")
RATIOS: tuple[tuple[str, str], ...] = (
    ("temporal_cnn", "published"),
    ("patch_transformer", "temporal_cnn"),
    ("patch_transformer", "temporal_cnn_unstrided"),
    ("patch_transformer", "published"),
)


class TimedTask(WindowTask):
    """The pretraining's own task, which notes each step's windows and when it begins."""

    def __init__(self, module: CroSSL, train: WindowDataset, loop: LoopConfig) -> None:
        super().__init__(module, train, loop, validate=lambda: None)
        self.began_s: list[float] = []
        self.windows: list[int] = []

    def collate(self, rows: NDArray[np.int64]) -> SignalBatch:
        """Note the time, then read the windows."""
        self.began_s.append(time.process_time())
        self.windows.append(len(rows))
        return super().collate(rows)


class Runner:
    """One variant on one store: slices of its training, from its first weights on."""

    def __init__(self, variant: Variant, store: WindowStore, fold: int) -> None:
        rows = make_split(store, SplitConfig(kind="fold", fold=fold)).train
        encoder = fresh_encoder(store, variant.encoder, variant.loop)
        self.variant, self.parameters = variant, parameters(encoder)
        self.module = CroSSL(encoder, variant.crossl)
        self.train = WindowDataset(store, rows, fit_normaliser(store, rows))
        self.steps = FEWEST_STEPS

    def settle(self, seconds: float) -> None:
        """Warm up, and choose how many steps a slice of that many CPU seconds has."""
        self.windows_per_s(seed=0)
        step_s = self.variant.loop.batch_size / self.windows_per_s(seed=0)
        self.steps = max(FEWEST_STEPS, round(seconds / step_s))

    def windows_per_s(self, seed: int) -> float:
        """Train for one slice and give windows a CPU second."""
        # Intervals lie between beginnings, and the first of them does not count.
        loop = replace(self.variant.loop, steps=self.steps + 2, seed=seed, log_every=self.steps + 3)
        task = TimedTask(self.module, self.train, loop)
        fit(task, loop, progress_bar=False)
        spent = task.began_s[-1] - task.began_s[1]
        return sum(task.windows[1:-1]) / spent

    def summary(self, rates: list[float]) -> dict[str, Any]:
        """Give what was measured, and of what."""
        return {
            "windows_per_s": round(statistics.median(rates), 1),
            "steps_a_slice": self.steps,
            "title": self.variant.title,
            "precision": self.variant.precision,
            "batch_size": self.variant.loop.batch_size,
            "parameters": self.parameters,
        }


def measure_speed(data: Path, seconds: float, pairs: int, fold: int) -> dict[str, Any]:
    """Measure every variant on one store, in turns.

    Args:
        data: a window store.
        seconds: CPU seconds a variant, over all rounds.
        pairs: rounds, in each of which every variant has one slice.
        fold: whose training people are read.
    """
    store = WindowStore.open(data)
    runners = {name: Runner(variant, store, fold) for name, variant in VARIANTS.items()}
    for runner in runners.values():
        runner.settle(seconds / pairs)
    rates: dict[str, list[float]] = {name: [] for name in runners}
    names = list(runners)
    for i in range(pairs):
        first = i % len(names)
        for name in names[first:] + names[:first]:
            rates[name].append(runners[name].windows_per_s(seed=i))
        logger.info("%s, round %d of %d", data.name, i + 1, pairs)
    fastest = max(PATCH_TRANSFORMERS, key=lambda name: statistics.median(rates[name]))
    return {
        "store": data.name,
        "windows": len(runners[fastest].train),
        "shapes": {m.name: m.shape for m in store.spec.modalities},
        "faster_patch_transformer": fastest,
        "variants": {name: runners[name].summary(rates[name]) for name in names},
        "ratios": ratios(rates | {"patch_transformer": rates[fastest]}),
    }


def ratios(rates: Mapping[str, list[float]]) -> dict[str, dict[str, float]]:
    """Give each ratio's median, least and greatest value over the rounds."""
    figures = {}
    for ours, theirs in RATIOS:
        values = [a / b for a, b in zip(rates[ours], rates[theirs], strict=True)]
        figures[f"{ours}/{theirs}"] = {
            "ratio": round(statistics.median(values), 2),
            "least": round(min(values), 2),
            "greatest": round(max(values), 2),
        }
    return figures


def measure_probe(data: Path, name: str, seed: int, fold: int) -> dict[str, Any]:
    """Pretrain one variant and judge it by the linear probe."""
    variant, store = VARIANTS[name], WindowStore.open(data)
    split = make_split(store, SplitConfig(kind="fold", fold=fold))
    loop = replace(variant.loop, seed=seed)
    start = time.process_time()
    trained = pretrain(store, split, variant.encoder, variant.crossl, loop, progress_bar=False)
    spent = time.process_time() - start
    config = ProbeConfig(kinds=("linear",))
    result = probe(trained.encoder, store, split, trained.normaliser, config)["linear"]
    return {
        "store": data.name,
        "variant": name,
        "seed": seed,
        "fold": fold,
        "epochs": loop.epochs,
        "precision": variant.precision,
        "cpu_s": round(spent, 1),
        "validation_macro_f1": result.chosen["validation_macro_f1"],
        "test_macro_f1": result.metrics["macro_f1"],
    }


def probe_summary(runs: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Give each store's and variant's mean over seeds; macro_f1 is the test people's."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for store, name in dict.fromkeys((run["store"], run["variant"]) for run in runs):
        those = [r for r in runs if (r["store"], r["variant"]) == (store, name)]
        tested = [run["test_macro_f1"] for run in those]
        figures.setdefault(store, {})[name] = {
            "macro_f1": statistics.mean(tested),
            "sd": statistics.stdev(tested) if len(tested) > 1 else 0.0,
            "validation_macro_f1": statistics.mean(r["validation_macro_f1"] for r in those),
            "cpu_s": round(statistics.mean(run["cpu_s"] for run in those), 1),
            "seeds": len(those),
        }
    return figures


def main() -> None:
    """Measure one of the two parts and put it into the file."""
    options = _options()
    torch.set_num_threads(1)
    started = os.getloadavg()
    if options.probe:
        runs = []
        for data in options.data:
            for seed in options.seeds:
                for name in options.variants:
                    runs.append(measure_probe(data, name, seed, options.fold))
                    logger.info("%s", runs[-1])
        figures: dict[str, Any] = {"summary": probe_summary(runs), "runs": runs}
    else:
        measure = (options.seconds, options.pairs, options.fold)
        figures = {"stores": [measure_speed(data, *measure) for data in options.data]}
    about = {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability()}
    result = machine.record(
        "benchmarks.speed.pretraining_speed", about | {"threads": 1} | figures, started
    )
    there = options.out and options.out.is_file()
    earlier = json.loads(options.out.read_text(encoding="utf-8")) if there else {}
    machine.write(earlier | {"probe" if options.probe else "speed": result}, options.out)
    print(json.dumps(result, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="window stores")
    parser.add_argument("--seconds", type=float, default=30, help="CPU seconds a variant")
    parser.add_argument("--pairs", type=int, default=15, help="rounds, one slice a variant each")
    parser.add_argument("--fold", type=int, default=0, help="of 5 folds of people")
    parser.add_argument("--probe", action="store_true", help="measure macro-F1 instead of speed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of --probe")
    parser.add_argument(
        "--variants", nargs="+", choices=VARIANTS, help="of --probe",
        default=["temporal_cnn", "patch_transformer_float32"],
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    raise SystemExit(run_verb(main))
