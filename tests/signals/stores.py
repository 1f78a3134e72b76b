"""Small stores for the tests of this folder."""

from dataclasses import replace

import numpy as np

from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Window

ACCEL = Modality(
    name="accel",
    channels=tuple(Channel(name=c, unit="g") for c in "xyz"),
    steps=16,
    rate_hz=8.0,
)
BEATS = Modality(name="rr", channels=(Channel(name="rr", unit="ms"),), steps=5, axis="event")
ROW = Modality(
    name="person",
    channels=(Channel(name="age", unit="years"), Channel(name="mass", unit="kg")),
    steps=1,
    axis="none",
)
SPEC = SignalSpec(modalities=(ACCEL, BEATS, ROW), window_s=2.0)

# As SPEC, but longer windows at twice the rate, in another unit; the row is not measured.
FOREIGN = SignalSpec(
    modalities=(
        replace(
            ACCEL,
            channels=tuple(Channel(name=c, unit="m/s^2") for c in "xyz"),
            steps=48,
            rate_hz=16.0,
        ),
        replace(BEATS, steps=7),
    ),
    window_s=3.0,
)


def make_foreign(people=6, each=8, labels=("rest", "walk"), seed=0):
    """Give windows of FOREIGN, of every person in turn; every fourth lacks a modality."""
    generator = np.random.default_rng(seed)
    for person in range(people):
        for i in range(each):
            signals = {m.name: generator.normal(3, 2, m.shape) for m in FOREIGN.modalities}
            if i % 4 == 1:
                del signals[FOREIGN.names[person % 2]]
            label = labels[i * len(labels) // each] if labels else None
            yield Window(signals, subject=f"s{person + 1}", label=label, start_s=1.0 * i)


def make_windows(people=6, each=8, labels=("rest", "walk"), seed=0, drop=True):
    """Give windows of every person in turn; with `drop`, every fourth window lacks a modality."""
    generator = np.random.default_rng(seed)
    for person in range(people):
        for i in range(each):
            signals = {m.name: generator.normal(3, 2, m.shape) for m in SPEC.modalities}
            if drop and i % 4 == 1:
                del signals[SPEC.names[(person + i // 4) % 3]]
            label = labels[i * len(labels) // each] if labels else None
            yield Window(signals, subject=f"s{person + 1}", label=label, start_s=1.0 * i)
