"""Controls: what the numbers are when the LLM cannot have listened.

An adapter that hears its signal loses its score when the signal is taken away, put out of order
or swapped for that of a window with another label, and mostly keeps its answers where the other
window has the same label. `sensor2llm.evaluation.control_probe` says what this does without an LLM.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped

from sensor2llm.errors import DataError
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.tasks.metrics import Predictions, measure, paired_difference

Distortion = Callable[[SignalBatch, torch.Generator], SignalBatch]


def zero(batch: SignalBatch, generator: torch.Generator) -> SignalBatch:
    """Set every value to zero, the training mean once normalised; the modalities stay present."""
    return replace(batch, signals={k: torch.zeros_like(v) for k, v in batch.signals.items()})


def reverse(batch: SignalBatch, generator: torch.Generator) -> SignalBatch:
    """Let time run backwards."""
    return replace(batch, signals={k: v.flip(-1) for k, v in batch.signals.items()})


def shuffle(batch: SignalBatch, generator: torch.Generator) -> SignalBatch:
    """Put each window's steps into random order, the same for all channels of a modality."""
    return replace(batch, signals={k: _shuffled(v, generator) for k, v in batch.signals.items()})


def hide(batch: SignalBatch, generator: torch.Generator) -> SignalBatch:
    """Take every modality away: the LLM gets its text and the vectors learned for a missing one."""
    return replace(zero(batch, generator), present=torch.zeros_like(batch.present))


DISTORTIONS: dict[str, Distortion] = {
    "text_only": hide,
    "zeroed": zero,
    "time_shuffled": shuffle,
    "time_reversed": reverse,
}
"""What is done to a window's own signal, by the name of the control."""


def hide_modality(position: int, name: str) -> Distortion:
    """Return a distortion that takes one modality away (`position` in the spec's order)."""

    def distort(batch: SignalBatch, generator: torch.Generator) -> SignalBatch:
        present = batch.present.clone()
        present[:, position] = False
        signals = {**batch.signals, name: torch.zeros_like(batch.signals[name])}
        return replace(batch, signals=signals, present=present)

    return distort


def hide_modalities(gone: Sequence[tuple[int, str]]) -> Distortion:
    """Return a distortion that takes several modalities away, given as (position, name)."""

    def distort(batch: SignalBatch, generator: torch.Generator) -> SignalBatch:
        for position, name in gone:
            batch = hide_modality(position, name)(batch, generator)
        return batch

    return distort


def other_windows(labels: Int[np.ndarray, " window"], seed: int = 0) -> Int[np.ndarray, " window"]:
    """Choose for each window another one with another label.

    Windows are put in order of their labels and moved on by the size of the largest label: each is
    given away once. Where one label holds more than half, windows of the others are drawn again.

    Args:
        labels: label of each window.
        seed: of the order within a label.

    Raises:
        DataError: where all windows have one label.
    """
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2:
        raise DataError("another window's signal needs windows of at least two labels")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    partners = np.empty_like(order)
    partners[order] = np.roll(order, -counts.max())
    for i in np.flatnonzero(labels[partners] == labels):
        partners[i] = generator.choice(np.flatnonzero(labels != labels[i]))
    return partners


def same_class_windows(
    labels: Int[np.ndarray, " window"], subjects: Shaped[np.ndarray, " window"], seed: int = 0
) -> Int[np.ndarray, " window"]:
    """Draw for each window another one with the same label.

    It is of another person wherever another person has the label, and else of the same person. A
    window that is the only one with its label keeps its own signal.

    Args:
        labels: label of each window.
        subjects: who each window is from.
        seed: of the draw.
    """
    generator = np.random.default_rng(seed)
    partners = np.arange(len(labels))
    for label in np.unique(labels):
        alike = np.flatnonzero(labels == label)
        for person in np.unique(subjects[alike]):
            own = subjects[alike] == person
            others = alike[~own]
            if len(others):
                partners[alike[own]] = generator.choice(others, own.sum())
            elif len(alike) > 1:
                # One draw fewer than windows; who is drawn at or after oneself moves on by one.
                drawn = generator.integers(len(alike) - 1, size=len(alike))
                partners[alike] = alike[drawn + (drawn >= np.arange(len(alike)))]
    return partners


def majority(real: Predictions, train_labels: Int[np.ndarray, " window"]) -> Predictions:
    """Predict the most frequent label of the training windows, with their shares as probability."""
    labels = train_labels[train_labels >= 0]
    if len(labels) == 0:
        raise DataError("no labelled training window; the majority control needs some")
    share = np.bincount(labels, minlength=len(real.labels)) / len(labels)
    return replace(
        real,
        predicted=np.full(len(real.true), int(share.argmax())),
        probabilities=np.tile(share, (len(real.true), 1)),
    )


def compare(real: Predictions, control: Predictions, *, seed: int = 0, **measured: Any) -> dict:
    """Return a control's metrics, and how it differs from the model on the same windows.

    Returns:
        What `Metrics.to_dict` gives, with `flip_rate` (share of windows whose answer changed),
        `model_minus_control` (macro-F1) and its `model_minus_control_interval`.
    """
    difference, interval = paired_difference(real, control, seed=seed)
    return {
        **measure(control, seed=seed, **measured).to_dict(),
        "flip_rate": float(np.mean(real.predicted != control.predicted)),
        "model_minus_control": difference,
        "model_minus_control_interval": None if interval is None else list(interval),
    }


def _shuffled(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    batch, channels, steps = values.shape
    order = torch.rand(batch, steps, generator=generator).argsort(-1).to(values.device)
    return values.gather(-1, order[:, None].expand(batch, channels, steps))
