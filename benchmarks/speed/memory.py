"""Measure the memory of training and of use on a store and on one 64 times its size.

    python -m benchmarks.speed.memory --llm bundled --out benchmarks/results/memory.json

An adapter is trained for some steps, and a store is labelled into a folder by the one that was
trained on the smaller store. Each is a process of its own; a thread samples its anonymous resident
memory (what it holds beside mapped files: resident less shared, psutil). The encoder is untrained:
what it says costs as much.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import record, write

MIB = 2**20
TIMES = 64
# Allocators and threads are not the same to the page in two processes.
SAME_MIB = 32
SAMPLE_S = 0.02
LABELS, PEOPLE = ("walking", "sitting", "standing", "lying"), 10


class PeakMemory(threading.Thread):
    """Sample this process's memory for as long as it is entered."""

    def __init__(self) -> None:
        import psutil

        super().__init__(daemon=True)
        self.process, self.stopped = psutil.Process(), threading.Event()
        self.anonymous = self.resident = 0

    def run(self) -> None:
        """Keep the highest values."""
        while not self.stopped.wait(SAMPLE_S):
            memory = self.process.memory_info()
            self.anonymous = max(self.anonymous, memory.rss - memory.shared)
            self.resident = max(self.resident, memory.rss)

    def __enter__(self) -> "PeakMemory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.join()

    def mib(self) -> dict[str, float]:
        """Give the highest values in MiB."""
        values = {"anonymous_mib": self.anonymous, "resident_mib": self.resident}
        return {name: round(value / MIB, 1) for name, value in values.items()}


def train(base: Path, store: Path, options: argparse.Namespace) -> dict[str, float]:
    """Train an adapter for some steps in this process and give its memory in MiB."""
    from dataclasses import replace

    from sensor2llm.recipes.config import Recipe, adapter_loop
    from sensor2llm.recipes.train import train_adapter

    recipe = Recipe(
        data=store,
        llm=options.llm,
        encoder=str(base / "encoder"),
        loop=replace(adapter_loop(), steps=options.steps),
        out=base / f"{store.name}-adapter",
    )
    with PeakMemory() as peak:
        trained = train_adapter(recipe)
    tensors = [*trained.model.llm.model.parameters(), *trained.model.llm.model.buffers()]
    llm_mib = sum(t.numel() * t.element_size() for t in tensors) / MIB
    return {"windows": len(trained.store), **peak.mib(), "llm_mib": round(llm_mib, 1)}


def use(base: Path, store: Path, options: argparse.Namespace) -> dict[str, float]:
    """Label a store by the adapter of the smaller one, and give this process's memory in MiB."""
    from sensor2llm.archive.archive import label_archive
    from sensor2llm.archive.labelling import Labelling

    labelling = Labelling(adapter=str(base / f"store{options.windows}-adapter"))
    with PeakMemory() as peak:
        result = label_archive([store], base / f"{store.name}-labels", labelling)
    return {"windows": result.windows, **peak.mib()}


VERBS = {"train": train, "use": use}


def make_inputs(base: Path, windows: int) -> list[Path]:
    """Write two stores of noise shaped as UCI HAR's windows, and an encoder for them."""
    from sensor2llm.encoders.config import EncoderConfig
    from sensor2llm.encoders.signal_encoder import SignalEncoder
    from sensor2llm.signals.spec import Channel, Modality, SignalSpec

    axes = tuple(Channel(name=axis, unit="g") for axis in "xyz")
    spec = SignalSpec(
        modalities=tuple(
            Modality(name=name, channels=axes, steps=128, rate_hz=50.0)
            for name in ("total_acc", "body_acc", "gyro")
        )
    )
    SignalEncoder(spec, EncoderConfig()).save_pretrained(base / "encoder")
    return [write_noise(base / f"store{n}", spec, n) for n in (windows, TIMES * windows)]


def write_noise(path: Path, spec: Any, count: int) -> Path:
    """Write a store of labelled noise."""
    from sensor2llm.signals.store.store import WindowStore

    WindowStore.write(path, spec, _noise(spec, count))
    return path


def _noise(spec: Any, count: int) -> Iterator[Any]:
    import numpy as np

    from sensor2llm.signals.window import Window

    generator = np.random.default_rng(0)
    for i in range(count):
        signals = {m.name: generator.normal(0, 1, m.shape) for m in spec.modalities}
        person, label = f"p{i * PEOPLE // count}", LABELS[i % len(LABELS)]
        yield Window(signals, subject=person, label=label, start_s=2.56 * i)


def measure(options: argparse.Namespace, words: list[str]) -> dict[str, Any]:
    """Train on both stores and label them, each in a process of its own, and compare."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        stores = make_inputs(Path(folder), options.windows)
        for verb in VERBS:
            small, large = (_child(words, verb, folder, store) for store in stores)
            growth = large["anonymous_mib"] - small["anonymous_mib"]
            figures[verb] = {
                "store": small,
                f"store_of_{TIMES}_times_the_size": large,
                "growth_mib": round(growth, 1),
                "times": round(large["anonymous_mib"] / small["anonymous_mib"], 3),
                "same": growth < SAME_MIB,
            }
    runs = [run for verb in figures.values() for run in verb.values() if isinstance(run, dict)]
    limit = 2 * max(run.get("llm_mib", 0) for run in runs) + 1.5 * 1024
    under = max(run["anonymous_mib"] for run in runs) < limit
    return figures | {"limit_mib": round(limit, 1), "under_limit": under}


def _child(words: list[str], verb: str, folder: str, store: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.speed.memory", *words]
    command += ["--child", verb, folder, str(store)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llm", default="bundled", help="folder or name of the LLM")
    parser.add_argument("--windows", type=int, default=512, help="windows of the smaller store")
    parser.add_argument("--steps", type=int, default=20, help="optimiser steps")
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        import torch

        torch.set_num_threads(1)
        verb, base, store = options.child
        print(json.dumps(VERBS[verb](Path(base), Path(store), options)))
        return
    started = os.getloadavg()
    figures = measure(options, sys.argv[1:])
    write(record("speed.memory", figures, started), options.out)
    print(f"{'':8}{'windows':>8}{'anonymous MiB':>15}{'resident MiB':>14}")
    for verb in VERBS:
        for run in (figures[verb]["store"], figures[verb][f"store_of_{TIMES}_times_the_size"]):
            values = run["windows"], run["anonymous_mib"], run["resident_mib"]
            print("{:8}{:>8}{:>15}{:>14}".format(verb, *values))
        print(f"{verb}: growth {figures[verb]['growth_mib']} MiB")


if __name__ == "__main__":
    main()
