"""Measure what an adapter costs in use beside what it cannot spare, as ratios within one run.

    python -m benchmarks.speed.use --adapter uci-har-bundled
    python -m benchmarks.speed.use --adapter uci-har --parts scoring --batch-size 32
    python -m benchmarks.speed.use --parts ray --windows 20000 --workers 2

- `scoring`: from signals to probabilities, the encoder included, over the LLM's bare forward on as
  many positions as are run (the cached prefix is none of them).
- `classify`: windows of a store, read, labelled and written as a Parquet file, over scoring the
  same batches in memory.
- `ray`: `classify --engine ray` over the same command in one process, by the clock, from nothing to
  the last file, a thread a process; `differing` counts the windows whose row is another one.

The two sides alternate. Beside ray, time is this process's own CPU time in one thread.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import record, write
from benchmarks.speed.adapter_speed import LanguageModelAlone, compare
from benchmarks.speed.memory import write_noise
from sensor2llm.archive.labelling import Labelling
from sensor2llm.archive.parts import ArchivePart, label_part
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.dataset import SignalBatch


def scoring(model: SensorLanguageModel, options: argparse.Namespace) -> dict[str, Any]:
    """Time scoring from signals against the LLM alone; the ratio is of speeds."""
    batch = random_signals(model, options.batch_size)
    alone = LanguageModelAlone(model, model.features(batch))
    figures = compare(lambda: model.score(batch), alone.forward, options.batch_size, options.pairs)
    return figures | {"positions": alone.scored.shape[1]}


def random_signals(model: SensorLanguageModel, count: int) -> SignalBatch:
    """Draw normalised signals of the adapter's windows."""
    modalities = model.adapter.spec.modalities
    signals = {m.name: torch.randn(count, *m.shape) for m in modalities}
    present = torch.ones(count, len(modalities), dtype=torch.bool)
    return SignalBatch(signals, present, torch.zeros(count).long(), torch.arange(count))


def classify(model: SensorLanguageModel, options: argparse.Namespace) -> dict[str, Any]:
    """Time the labelling of a store into a file against scoring alone; the ratio is of speeds."""
    labelling, count = Labelling(adapter=options.adapter), options.classified
    batches = -(-count // labelling.batch_size)
    batch = random_signals(model, labelling.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        store = write_noise(Path(folder) / "store", model.adapter.spec, count)
        numbers = iter(range(sys.maxsize))

        def label() -> None:
            part = ArchivePart(f"store{next(numbers)}", str(store), (0, count))
            assert label_part(model, part, labelling, Path(folder)).windows == count

        return compare(
            label, lambda: [model.score(batch) for _ in range(batches)], count, options.pairs
        )


def on_ray(options: argparse.Namespace) -> dict[str, Any]:
    """Time two whole commands in turn, and compare all that they wrote."""
    spec = Labelling(adapter=options.adapter).spec
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        store = write_noise(base / "store", spec, options.windows)
        seconds: dict[str, list[float]] = {"local": [], "ray": []}
        words = {"local": [], "ray": ["--engine=ray", f"--workers={options.workers}"]}
        differing = 0
        for number in range(options.ray_pairs):
            for engine in ("local", "ray") if number % 2 else ("ray", "local"):
                out = base / f"{engine}{number}"
                command = ["-m", "sensor2llm.classify", options.adapter, str(store)]
                seconds[engine].append(_run([*command, *words[engine], "--out", str(out)]))
            pair = (rows(base / f"{engine}{number}") for engine in seconds)
            differing = max(differing, sum(a != b for a, b in zip(*pair, strict=True)))
    ratios = [b / a for a, b in zip(seconds["ray"], seconds["local"], strict=True)]
    return {
        "windows": options.windows, "workers": options.workers, "seconds": seconds,
        "ratio": round(statistics.median(ratios), 3), "ratios": ratios, "differing": differing,
    }  # fmt: skip


def _run(words: list[str]) -> float:
    start, one = time.perf_counter(), os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], check=True, capture_output=True, env=one)
    return time.perf_counter() - start


def rows(out: Path) -> list[tuple[Any, ...]]:
    """Read all rows that were written, in the order of the windows."""
    from pyarrow import dataset

    table = dataset.dataset(out / "parts", format="parquet").to_table().sort_by("window")
    return list(zip(*table.to_pydict().values(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adapter", default="uci-har-bundled")
    parser.add_argument("--parts", nargs="+", choices=("scoring", "classify", "ray"),
                        default=["scoring", "classify"])  # fmt: skip
    parser.add_argument("--batch-size", type=int, default=64, help="windows scored at a time")
    parser.add_argument("--classified", type=int, default=1024, help="windows of the store")
    parser.add_argument("--pairs", type=int, default=5, help="alternating measurements")
    parser.add_argument("--windows", type=int, default=20_000, help="windows of the store for ray")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ray-pairs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON file")
    options, started, figures = parser.parse_args(), os.getloadavg(), {}
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if alone := [part for part in (scoring, classify) if part.__name__ in options.parts]:
        model = SensorLanguageModel.from_pretrained(options.adapter, device="cpu")
        figures = {part.__name__: part(model, options) for part in alone}
        figures["llm"] = model.llm.name
    if "ray" in options.parts:
        figures["ray"] = on_ray(options)
    result = record("speed.use", {"adapter": options.adapter, **figures}, started)
    write(result, options.out)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
