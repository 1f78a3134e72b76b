"""A small store with three kinds of axis and labels that its signals tell apart."""

from pathlib import Path

import numpy as np
import torch

from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window

LABELS = ("rest", "walk", "run")


def axes(unit: str, names: str = "xyz") -> tuple[Channel, ...]:
    return tuple(Channel(name=name, unit=unit) for name in names)


SPEC = SignalSpec(
    modalities=(
        Modality(name="watch_accel", channels=axes("g"), steps=40, rate_hz=20.0),
        Modality(name="watch_gyro", channels=axes("rad/s"), steps=40, rate_hz=20.0),
        Modality(name="beats", channels=axes("ms", "i"), steps=12, axis="event"),
        Modality(name="values", channels=axes("1", "ab"), steps=1, axis="none"),
    ),
    window_s=2.0,
)


def windows(people: int = 6, each: int = 12, seed: int = 0, missing: float = 0.0) -> list[Window]:
    """Give windows whose pace and gravity follow the label; some modalities may be missing."""
    rng = np.random.default_rng(seed)
    time = np.arange(40) / 20.0
    out = []
    for person in range(people):
        for i in range(each):
            kind = i % len(LABELS)
            wave = kind * np.sin(2 * np.pi * (0.5 + kind) * time + rng.uniform(0, 6))
            signals = {
                "watch_accel": wave + rng.normal(0, 0.2, (3, 40)) + np.array([[0], [1], [0]]),
                "watch_gyro": wave + rng.normal(0, 0.2, (3, 40)),
                "beats": 900 - 150 * kind + rng.normal(0, 20, (1, 12)),
                "values": rng.normal(kind, 0.5, (2, 1)),
            }
            kept = {k: v for k, v in signals.items() if rng.random() >= missing} or signals
            out.append(Window(signals=kept, subject=f"p{person}", label=LABELS[kind], start_s=i))
    return out


def make_store(path: Path, **options) -> WindowStore:
    return WindowStore.write(path / "store", SPEC, windows(**options), label_names=LABELS)


def make_batch(rows: int = 4, seed: int = 0) -> SignalBatch:
    """Give a batch of noise with everything present."""
    generator = torch.Generator().manual_seed(seed)
    return SignalBatch(
        signals={m.name: torch.randn(rows, *m.shape, generator=generator) for m in SPEC.modalities},
        present=torch.ones(rows, len(SPEC.names), dtype=torch.bool),
        labels=torch.arange(rows) % len(LABELS),
        index=torch.arange(rows),
    )


def without(batch: SignalBatch, name: str, fill: float = 0.0) -> SignalBatch:
    """Give the batch with one modality missing in every window."""
    present = batch.present.clone()
    present[:, SPEC.names.index(name)] = False
    signals = batch.signals | {name: torch.full_like(batch.signals[name], fill)}
    return SignalBatch(signals=signals, present=present, labels=batch.labels, index=batch.index)
