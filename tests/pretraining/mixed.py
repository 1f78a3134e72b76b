"""Windows of all kinds of axis at different rates, some modalities missing; a small encoder."""

from pathlib import Path

import numpy as np
import torch

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window

LABELS = ("rest", "walk", "run")


def channels(unit: str, names: str) -> tuple[Channel, ...]:
    return tuple(Channel(name=name, unit=unit) for name in names)


SPEC = SignalSpec(
    modalities=(
        Modality(name="accel", channels=channels("g", "xyz"), steps=20, rate_hz=10.0),
        Modality(name="ecg", channels=channels("mV", "i"), steps=26, rate_hz=13.0),
        Modality(name="beats", channels=channels("ms", "i"), steps=6, axis="event"),
        Modality(name="values", channels=channels("1", "ab"), steps=1, axis="none"),
    ),
    window_s=2.0,
)
SMALL = EncoderConfig(
    width=8, kernels=(5, 3, 3), dropout=0.0, aggregator_hidden=8, aggregator_width=4
)
PATCHES = EncoderConfig(
    kind="patch_transformer", width=8, patches=5, layers=1, token_width=8, dropout=0.0
)
# One row a window: everything, three kinds of gap, one modality alone, everything.
PRESENT = torch.tensor(
    [[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 0], [0, 1, 1, 1], [0, 0, 1, 0], [1, 1, 1, 1]],
    dtype=torch.bool,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build_encoder(config: EncoderConfig = SMALL, spec: SignalSpec = SPEC) -> SignalEncoder:
    torch.manual_seed(0)
    return SignalEncoder(spec, config)


def make_batch(present: torch.Tensor = PRESENT, seed: int = 0, fill: float = 0.0) -> SignalBatch:
    """Give a batch of noise; absent modalities hold `fill`, which nothing may read."""
    source = generator(seed)
    signals = {}
    for i, modality in enumerate(SPEC.modalities):
        values = torch.randn(len(present), *modality.shape, generator=source)
        signals[modality.name] = torch.where(present[:, i, None, None], values, fill)
    rows = torch.arange(len(present))
    return SignalBatch(signals=signals, present=present, labels=rows % 3, index=rows)


def everything(rows: int) -> torch.Tensor:
    return torch.ones(rows, len(SPEC.names), dtype=torch.bool)


def windows(people: int = 6, each: int = 12, missing: float = 0.2) -> list[Window]:
    """Give windows whose level, pace and phase all modalities share."""
    rng = np.random.default_rng(0)
    out = []
    for person in range(people):
        for i in range(each):
            kind, level, phase = i % 3, rng.uniform(-3, 3), rng.uniform(0, 6)
            signals = {}
            for modality in SPEC.modalities:
                time = np.linspace(0, 2, modality.steps)
                wave = level + np.sin(np.pi * (1 + kind) * time + phase)
                signals[modality.name] = wave + rng.normal(0, 0.1, modality.shape)
            kept = {k: v for k, v in signals.items() if rng.random() >= missing} or signals
            out.append(Window(signals=kept, subject=f"p{person}", label=LABELS[kind], start_s=i))
    return out


def make_store(path: Path, **options) -> WindowStore:
    return WindowStore.write(path / "store", SPEC, windows(**options), label_names=LABELS)
