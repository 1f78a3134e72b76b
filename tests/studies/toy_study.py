"""A small store that can be learnt in a moment, and small studies of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.pretraining.config import FinetuneConfig
from sensor2llm.pretraining.objective_config import AugmentConfig
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.studies.config import MethodConfig, StoreConfig, StudyConfig
from sensor2llm.training.config import LoopConfig

LABELS = ("rest", "walk", "run")
NAMES = ("watch_acc", "watch_gyro", "phone_acc")
ENCODER = EncoderConfig(
    width=8, kernels=(5, 3, 3), aggregator_hidden=8, aggregator_width=8, pooled_steps=4, dropout=0
)
LOOP = LoopConfig(epochs=2, batch_size=16, learning_rate=1e-2, precision="float32")
PLAIN = FinetuneConfig(augment=AugmentConfig(rotation_rad=0, scale=0), label_smoothing=0)
CROSSL = MethodConfig(objective="crossl")


def make_spec(names=NAMES, steps: int = 16) -> SignalSpec:
    axes = tuple(Channel(name=axis, unit="g") for axis in "xyz")
    modalities = (Modality(name=n, channels=axes, steps=steps, rate_hz=8.0) for n in names)
    return SignalSpec(modalities=tuple(modalities), window_s=steps / 8)


def make_windows(people=6, each=9, seed=0, names=NAMES, steps=16, start=1, unlabelled=0):
    """Give windows whose offset and pace follow the label, in blocks of a label a person."""
    rng, time = np.random.default_rng(seed), np.arange(steps) / 8
    for person in range(start, start + people):
        for i in range(each):
            kind = i * len(LABELS) // each
            wave = 0.5 * kind + np.sin(2 * np.pi * (0.5 + kind) * time + rng.uniform(0, 6))
            signals = {name: wave + rng.normal(0, 0.3, (3, steps)) for name in names}
            if len(names) > 1 and i % 4 == 3:
                del signals[names[person % len(names)]]
            label = None if i < unlabelled else LABELS[kind]
            yield Window(signals=signals, subject=f"p{person}", label=label, start_s=2.0 * i)


def write_store(path: Path, source: str = "", published=None, **options) -> Path:
    chosen = {k: v for k, v in options.items() if k in ("names", "steps")}
    WindowStore.write(
        path, make_spec(**chosen), make_windows(**options), label_names=LABELS, source=source,
        published=published,
    )  # fmt: skip
    return path


def make_study(folder: Path, store: Path, **changes) -> StudyConfig:
    """Give a study of labels alone and CroSSL on two folds; `changes` are its other fields."""
    study = StudyConfig(
        name="Toy",
        stores={"toy": StoreConfig(path=store)},
        methods={"supervised": MethodConfig(), "crossl": CROSSL},
        folds=(0, 1),
        encoder=ENCODER,
        pretrain_loop=LOOP,
        finetune_loop=LOOP,
        probe_loop=replace(LOOP, epochs=4),
        finetune_min_steps=6,
        finetune=PLAIN,
        workers=1,
        out=folder,
    )
    return replace(study, **changes)
