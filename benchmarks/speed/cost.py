"""Measure how the cost of a window grows: with windows, length, labels, modalities, sensors, LLM.

    python -m benchmarks.speed.cost --out cost.json

Each axis leaves the others at the base: 64 windows of 3 modalities with 3 sensors (channels) and
128 steps, 6 labels, an LLM of random weights and a width of 256, as the bundled one. Labelling goes
from normalised signals to probabilities, the encoder included; training is one optimiser step on
cached features. CPU seconds of one thread; each round measures every point, begins with another one
and gives each point's cost a window over the base's.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import record, write
from benchmarks.speed.adapter_speed import build_model, random_features, training_step
from benchmarks.speed.labels import label_names
from benchmarks.speed.random_llm import load_llm
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.builders import build_projector
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.config import Recipe
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import Channel, Modality, SignalSpec

BATCH = 32


@dataclass(frozen=True)
class Point:
    """What is labelled and trained on, and by which LLM."""

    windows: int = 64
    length: int = 128
    labels: int = 6
    modalities: int = 3
    sensors: int = 3
    llm_width: int = 256


BASE = Point()
AXES: dict[str, tuple[int, ...]] = {
    "windows": (32, 64, 256, 1024), "length": (64, 128, 512, 2048), "labels": (2, 6, 20, 60, 200),
    "modalities": (1, 3, 6), "sensors": (1, 3, 9), "llm_width": (128, 256, 512),
}  # fmt: skip
QUICK: dict[str, tuple[int, ...]] = {
    "windows": (16, 64), "length": (128, 512), "labels": (6, 60), "modalities": (1, 3),
    "sensors": (3, 9), "llm_width": (128, 256),
}  # fmt: skip


def points(axes: dict[str, tuple[int, ...]], base: Point) -> list[Point]:
    """Give the base and every point that differs from it on one axis."""
    own = [replace(base, **{axis: value}) for axis, values in axes.items() for value in values]
    return list(dict.fromkeys([base, *own]))


def build(point: Point) -> SensorLanguageModel:
    """Build an adapter for signals of this shape on a random LLM."""
    names = label_names(point.labels)
    model = build_model(load_llm(None, "auto", point.llm_width, labels=names), labels=names)
    axes = tuple(Channel(name=f"sensor{i}", unit="g") for i in range(point.sensors))
    spec = SignalSpec(
        modalities=tuple(
            Modality(name=f"modality{i}", channels=axes, steps=point.length, rate_hz=50.0)
            for i in range(point.modalities)
        )
    )
    encoder = SignalEncoder(spec, EncoderConfig()).requires_grad_(False)
    parts = model.adapter.parts
    config = parts.bridge.projector_config
    assert config is not None
    projector = build_projector(config, encoder, model.llm.width, model.llm.embedding_std)
    adapter = SensorAdapter(
        data=replace(parts.data, spec=spec),
        prompt=parts.prompt,
        llm=parts.llm,
        bridge=replace(parts.bridge, encoder=encoder, projector=projector),
        tuning=parts.tuning,
    )
    return SensorLanguageModel(adapter, model.llm, objective=Recipe().objective)


class Measurement:
    """One point's model and windows: labelling all of them, and a step of training."""

    def __init__(self, point: Point) -> None:
        torch.manual_seed(0)
        self.point, self.model = point, build(point)
        signals = {
            m.name: torch.randn(min(BATCH, point.windows), *m.shape)
            for m in self.model.adapter.spec.modalities
        }
        count = min(BATCH, point.windows)
        present = torch.ones(count, point.modalities, dtype=torch.bool)
        self.batch = SignalBatch(signals, present, torch.zeros(count).long(), torch.arange(count))
        self.features = random_features(self.model, count)
        self.step = training_step(self.model, self.features)

    def label(self) -> float:
        """Give CPU milliseconds a window of labelling."""
        self.model.eval()
        batches = -(-self.point.windows // len(self.batch))
        spent = _seconds(lambda: [self.model.score(self.batch) for _ in range(batches)])
        return 1e3 * spent / (batches * len(self.batch))

    def train(self) -> float:
        """Give CPU milliseconds a window of a training step."""
        self.model.train()
        return 1e3 * _seconds(self.step) / len(self.features)


def _seconds(run: Callable[[], Any]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def measure(
    axes: dict[str, tuple[int, ...]], rounds: int, base: Point = BASE
) -> list[dict[str, Any]]:
    """Give a row a point and verb: milliseconds a window, and times the base's, of each round."""
    measured = [Measurement(point) for point in points(axes, base)]
    for one in measured:
        one.label(), one.train()
    rows: dict[tuple[Point, str], list[float]] = {}
    for i in range(rounds):
        for one in measured[i % len(measured) :] + measured[: i % len(measured)]:
            rows.setdefault((one.point, "label"), []).append(one.label())
            rows.setdefault((one.point, "train"), []).append(one.train())
    return [
        {
            "verb": verb,
            "axis": next((f.name for f in fields(Point) if _differs(point, base, f.name)), "base"),
            **asdict(point),
            "ms_a_window": [round(value, 4) for value in values],
            "times": [round(a / b, 3) for a, b in zip(values, rows[base, verb], strict=True)],
        }
        for (point, verb), values in rows.items()
    ]


def _differs(one: Point, other: Point, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def main() -> None:
    """Measure every axis."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two values of each axis")
    parser.add_argument("--out", type=Path, help="JSON file")
    options, started = parser.parse_args(), os.getloadavg()
    torch.set_num_threads(1)
    rows = measure(QUICK if options.quick else AXES, options.rounds)
    result = record("speed.cost", {"rows": rows}, started)
    write(result, options.out)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
