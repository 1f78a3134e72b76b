"""A window as text, for prompts without an encoder: what is true of it, or its numbers.

Beside an encoder, single numbers of a window may stand in a prompt as text (`{{ values.age }}`),
and each channel's mean and spread (`{{ scale }}`).
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sensor2llm.errors import ConfigError
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.serialisation.serialise import SERIALISERS
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window


@dataclass(frozen=True, kw_only=True)
class SignalText:
    """Write windows as text.

    Raises:
        ConfigError: the form is unknown, or `steps` is not positive.

    Example:
        >>> SignalText(form="fixed", steps=2).write(window, spec).splitlines()[0]
        'wrist_acc x (g): 0.95, 0.94'
    """

    form: str = "facts"
    """facts, or the name of a serialiser of numbers."""
    steps: int = 16
    """Numbers a channel: steps in time are averaged in equal parts to at most so many (numbers
    only). Events stay as they are: an average of beats is no rhythm."""

    def __post_init__(self) -> None:
        """Check the form and the number of steps."""
        choices = ("facts", *SERIALISERS)
        if self.form not in choices:
            raise ConfigError(
                f"unknown signal text {self.form!r}; choose from {', '.join(choices)}"
            )
        if self.steps < 1:
            raise ConfigError(f"steps of a signal text must be positive, got {self.steps}")

    def write(self, window: Window, spec: SignalSpec) -> str:
        """Write one window, in its own units; a missing modality is named as missing."""
        if self.form == "facts":
            from sensor2llm.signals.facts.facts import (
                extract_facts,  # scipy, only where it is wanted
            )

            return "; ".join(fact.text for fact in extract_facts(window, spec).values())
        serialiser, lines = SERIALISERS[self.form], []
        for modality in spec.modalities:
            if modality.name not in window.signals:
                lines.append(f"{modality.name}: missing")
                continue
            values = window.signals[modality.name]
            if modality.axis == "time":
                values = self._shorten(values)
            for channel, row in zip(modality.channels, values, strict=True):
                head = f"{modality.name} {channel.name} ({channel.unit})"
                lines.append(f"{head}: {serialiser.write(row[None])}")
        return "\n".join(lines)

    def rows(
        self, batch: SignalBatch, spec: SignalSpec, normaliser: Normaliser | None
    ) -> tuple[str, ...]:
        """Write every window of a normalised batch, in the data's own units."""
        return tuple(self.write(window, spec) for window in _windows(batch, spec, normaliser))

    def to_dict(self) -> Mapping[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    def _shorten(self, values: np.ndarray) -> np.ndarray:
        if values.shape[1] <= self.steps:
            return values
        parts = np.array_split(values, self.steps, axis=1)
        return np.stack([part.mean(axis=1) for part in parts], axis=1)


def window_variables(
    batch: SignalBatch, spec: SignalSpec, normaliser: Normaliser | None, names: Collection[str]
) -> tuple[dict[str, Any], ...] | None:
    """Give the template variables that each window of a normalised batch fills itself.

    Args:
        batch: normalised windows.
        spec: of the windows.
        normaliser: what undoes the normalisation.
        names: which are wanted: `values` (numbers without an axis, by channel; "unknown" where
            they are missing) and `scale` (a line a modality).
    """
    if not names:
        return None
    windows = _windows(batch, spec, normaliser)
    tellers = {"values": _values, "scale": _scale_text}
    return tuple({name: tellers[name](window, spec) for name in names} for window in windows)


def scale_statistics(
    batch: SignalBatch, spec: SignalSpec
) -> Float[Tensor, "batch modality statistic"]:
    """Give each channel's mean and spread, in units of the training data's spread.

    Modalities with fewer channels than the widest are filled with zeros.
    """
    count = count_statistics(spec)
    widest = count // 2
    statistics = torch.zeros(len(batch), len(spec.names), count, device=batch.present.device)
    for i, name in enumerate(spec.names):
        values = batch.signals[name].float()
        channels = values.shape[1]
        statistics[:, i, :channels] = values.mean(-1)
        statistics[:, i, widest : widest + channels] = values.std(-1, correction=0)
    return statistics


def count_statistics(spec: SignalSpec) -> int:
    """Say how many statistics a modality has: a mean and a spread for each possible channel."""
    return 2 * max(len(modality.channels) for modality in spec.modalities)


def _windows(batch: SignalBatch, spec: SignalSpec, normaliser: Normaliser | None) -> list[Window]:
    values = {name: tensor.cpu().numpy() for name, tensor in batch.signals.items()}
    if normaliser is not None:
        values = {name: normaliser.undo(name, array) for name, array in values.items()}
    there = batch.present.cpu().numpy()
    return [
        Window({n: values[n][row] for i, n in enumerate(spec.names) if there[row, i]})
        for row in range(len(batch))
    ]


def _values(window: Window, spec: SignalSpec) -> dict[str, str]:
    """Write the numbers of modalities without an axis, by channel."""
    return {
        channel: _number(window.signals[m.name][row, 0]) if m.name in window.signals else "unknown"
        for m in spec.modalities
        if m.axis == "none"
        for row, channel in enumerate(m.channel_names)
    }


def _scale_text(window: Window, spec: SignalSpec) -> str:
    lines = []
    for m in spec.modalities:
        if m.name not in window.signals:
            lines.append(f"{m.name}: missing")
            continue
        values = window.signals[m.name]
        # A row of values has one step, and no spread.
        channels = (
            f"{c.name} {_number(row.mean())}{f' +- {_number(row.std())}' * (len(row) > 1)} {c.unit}"
            for c, row in zip(m.channels, values, strict=True)
        )
        lines.append(f"{m.name}: {', '.join(channels)}")
    return "; ".join(lines)


def _number(value: float) -> str:
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")
