"""A window as text, for prompts without an encoder: what is true of it, or its numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sensor2llm.errors import ConfigError
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.serialise import SERIALISERS
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window


@dataclass(frozen=True, kw_only=True)
class SignalText:
    """Write windows as text.

    Raises:
        ConfigError: the form is unknown, or `steps` is not positive.

    Example:
        >>> SignalText(form="fixed", steps=8).write(window, spec)
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
            from sensor2llm.signals.facts import facts  # scipy, only where it is wanted

            return "; ".join(fact.text for fact in facts(window, spec).values())
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
        values = {name: tensor.cpu().numpy() for name, tensor in batch.signals.items()}
        if normaliser is not None:
            values = {name: normaliser.undo(name, array) for name, array in values.items()}
        there = batch.present.cpu().numpy()
        return tuple(
            self.write(
                Window({n: values[n][row] for i, n in enumerate(spec.names) if there[row, i]}), spec
            )
            for row in range(len(batch))
        )

    def to_dict(self) -> Mapping[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    def _shorten(self, values: np.ndarray) -> np.ndarray:
        if values.shape[1] <= self.steps:
            return values
        parts = np.array_split(values, self.steps, axis=1)
        return np.stack([part.mean(axis=1) for part in parts], axis=1)
