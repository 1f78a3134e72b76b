"""Measure the memory of adapter training on a store and on one eight times its size.

    python -m benchmarks.speed.memory --llm bundled --out benchmarks/results/memory.json

Each training is a process of its own; a thread samples its anonymous resident memory (what it
holds beside mapped files: resident less shared, psutil). The encoder is untrained: what it says
costs as much.
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
TIMES = 8
# Allocators and threads are not the same to the page in two processes.
SAME_MIB = 32
SAMPLE_S = 0.02


class PeakMemory(threading.Thread):
    """Sample this process's memory until it is told to stop."""

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


def train(base: Path, store: Path, llm: str, steps: int) -> dict[str, float]:
    """Train an adapter for some steps in this process and give its memory in MiB."""
    import torch

    from sensor2llm.recipes.config import Recipe, adapter_loop
    from sensor2llm.recipes.train import train_adapter

    torch.set_num_threads(1)
    loop = adapter_loop()
    fields = {name: getattr(loop, name) for name in loop.__dataclass_fields__} | {"steps": steps}
    recipe = Recipe(
        data=store,
        llm=llm,
        encoder=str(base / "encoder"),
        loop=type(loop)(**fields),
        out=base / f"{store.name}-adapter",
    )
    peak = PeakMemory()
    peak.start()
    trained = train_adapter(recipe)
    peak.stopped.set()
    peak.join()
    tensors = [*trained.model.llm.model.parameters(), *trained.model.llm.model.buffers()]
    return {
        "windows": len(trained.store),
        "anonymous_mib": round(peak.anonymous / MIB, 1),
        "resident_mib": round(peak.resident / MIB, 1),
        "llm_mib": round(sum(t.numel() * t.element_size() for t in tensors) / MIB, 1),
    }


def make_inputs(base: Path, windows: int) -> list[Path]:
    """Write two stores of noise shaped as UCI HAR's windows, and an encoder for them."""
    from sensor2llm.encoders.config import EncoderConfig
    from sensor2llm.encoders.signal_encoder import SignalEncoder
    from sensor2llm.signals.spec import Channel, Modality, SignalSpec
    from sensor2llm.signals.store.store import WindowStore

    axes = tuple(Channel(name=axis, unit="g") for axis in "xyz")
    spec = SignalSpec(
        modalities=tuple(
            Modality(name=name, channels=axes, steps=128, rate_hz=50.0)
            for name in ("total_acc", "body_acc", "gyro")
        )
    )
    SignalEncoder(spec, EncoderConfig()).save_pretrained(base / "encoder")
    stores = []
    for n in (windows, TIMES * windows):
        stores.append(base / f"store{n}")
        WindowStore.write(stores[-1], spec, _noise(spec, n))
    return stores


def _noise(spec: Any, n: int) -> Iterator[Any]:
    import numpy as np

    from sensor2llm.signals.window import Window

    generator, labels = np.random.default_rng(0), ("walking", "sitting", "standing", "lying")
    for i in range(n):
        signals = {m.name: generator.normal(0, 1, m.shape) for m in spec.modalities}
        yield Window(signals, subject=f"p{i * 10 // n}", label=labels[i % 4], start_s=2.56 * i)


def measure(windows: int, llm: str, steps: int) -> dict[str, Any]:
    """Train on both stores, each in a process of its own, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for store in make_inputs(Path(folder), windows):
            child = [
                sys.executable,
                "-m",
                "benchmarks.speed.memory",
                "--llm",
                llm,
                f"--steps={steps}",
            ]
            done = subprocess.run(
                [*child, "--train", folder, str(store)], check=True, stdout=subprocess.PIPE
            )
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    small, large = runs
    limit = 2 * large["llm_mib"] + 1.5 * 1024
    growth = large["anonymous_mib"] - small["anonymous_mib"]
    return {
        "store": small,
        f"store_of_{TIMES}_times_the_size": large,
        "growth_mib": round(growth, 1),
        "same": growth < SAME_MIB,
        "limit_mib": round(limit, 1),
        "under_limit": max(run["anonymous_mib"] for run in runs) < limit,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llm", default="bundled", help="folder or name of the LLM")
    parser.add_argument("--windows", type=int, default=2048, help="windows of the smaller store")
    parser.add_argument("--steps", type=int, default=20, help="optimiser steps")
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--train", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        print(json.dumps(train(*options.train, options.llm, options.steps)))
        return
    started = os.getloadavg()
    figures = measure(options.windows, options.llm, options.steps)
    write(record("speed.memory", figures, started), options.out)
    print(f"{'windows':>8}{'anonymous MiB':>15}{'resident MiB':>14}{'LLM MiB':>9}")
    for run in (figures["store"], figures[f"store_of_{TIMES}_times_the_size"]):
        values = run["windows"], run["anonymous_mib"], run["resident_mib"], run["llm_mib"]
        print("{:>8}{:>15}{:>14}{:>9}".format(*values))
    print(f"growth {figures['growth_mib']} MiB; limit {figures['limit_mib']} MiB")


if __name__ == "__main__":
    main()
