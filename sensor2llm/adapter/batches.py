"""What a model takes: features of windows, and what each window is asked.

FeatureBatch(labels, steps, present)                       which label has each window?
FeatureBatch(labels, steps, present, asked=(Request(task="question_answering", …), …))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import Modality, SignalSpec

CLASSIFICATION = "classification"


@dataclass(frozen=True)
class Request:
    """Say what one window is asked.

    Args:
        task: whose template is used.
        given: the template's variables (`question`).
        answer: what the assistant is to say; None where nothing is trained.
        number: the same as a number, in the target's unit, for a number head.
        paraphrase: which of the template's ways to ask.
    """

    task: str = CLASSIFICATION
    given: Mapping[str, Any] = field(default_factory=dict)
    answer: str | None = None
    number: float | None = None
    paraphrase: int = 0


@dataclass(eq=False)
class FeatureBatch:
    """Hold what the adapter makes of windows before the trainable part; this is what is cached.

    Args:
        labels: index of each window's label; -1 for none.
        steps: a frozen encoder's pooled steps; None without an encoder.
        present: which modalities are there; None without an encoder.
        texts: the windows as text; None with an encoder.
        scale: each modality's mean and spread by channel, for a bridge that takes them.
        given: template variables that come from each window (values as text); None for none.
        asked: what each window is asked; None: the adapter's own task, for its label.
    """

    labels: Int[Tensor, " batch"]
    steps: Float[Tensor, "batch modality step feature"] | None = None
    present: Bool[Tensor, "batch modality"] | None = None
    texts: tuple[str, ...] | None = None
    scale: Float[Tensor, "batch modality statistic"] | None = None
    given: tuple[Mapping[str, Any], ...] | None = None
    asked: tuple[Request, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def alike(self) -> bool:
        """Say whether all windows have one and the same prompt."""
        return self.texts is None and self.given is None and self.asked is None

    def to(self, device: torch.device | str) -> "FeatureBatch":
        """Move the tensors to a device."""
        return self._each(lambda tensor: tensor.to(device), self.texts, self.given, self.asked)

    def take(self, rows: Sequence[int]) -> "FeatureBatch":
        """Give some of the windows."""
        chosen = list(rows)
        texts, given, asked = (
            None if known is None else tuple(known[row] for row in chosen)
            for known in (self.texts, self.given, self.asked)
        )
        return self._each(lambda tensor: tensor[chosen], texts, given, asked)

    @staticmethod
    def join(batches: "Sequence[FeatureBatch]") -> "FeatureBatch":
        """Put batches of one adapter's windows behind each other."""
        first = batches[0]
        if len(batches) == 1:
            return first

        def tensors(name: str) -> Any:
            known = [getattr(batch, name) for batch in batches]
            return None if known[0] is None else torch.cat(known)

        def tuples(name: str) -> Any:
            known = [getattr(batch, name) for batch in batches]
            return None if known[0] is None else tuple(item for items in known for item in items)

        return FeatureBatch(
            **{name: tensors(name) for name in ("labels", "steps", "present", "scale")},
            **{name: tuples(name) for name in ("texts", "given", "asked")},
        )

    def ask(self, asked: Sequence[Request] | None) -> "FeatureBatch":
        """Ask these windows something else."""
        return replace(self, asked=None if asked is None else tuple(asked))

    def told(self, spec: SignalSpec) -> tuple[Mapping[str, Any], ...] | None:
        """Give each window's own template variables; of a modality that is not there, nothing.

        `given` was written when the features were; modalities may have been hidden since.

        Args:
            spec: of the windows; its modalities are `present`'s columns.
        """
        if self.given is None or self.present is None or bool(self.present.all()):
            return self.given
        absent = [
            [m for m, there in zip(spec.modalities, row, strict=True) if not there]
            for row in self.present.tolist()
        ]
        return tuple(
            _without(given, gone) if gone else given
            for given, gone in zip(self.given, absent, strict=True)
        )

    def hide(self, hidden: Bool[Tensor, "batch modality"]) -> "FeatureBatch":
        """Take modalities away; an encoder hears each by itself, so the others' steps stay.

        What the prompt says of them goes too: see `told`.
        """
        assert self.present is not None
        return replace(self, present=self.present & ~hidden.to(self.present.device))

    def _each(self, change: Any, texts: Any, given: Any, asked: Any) -> "FeatureBatch":
        steps, present, scale = (
            None if known is None else change(known)
            for known in (self.steps, self.present, self.scale)
        )
        return FeatureBatch(change(self.labels), steps, present, texts, scale, given, asked)


@dataclass(eq=False)
class RequestBatch:
    """Hold signals that still have to be encoded, and what each window is asked."""

    signals: SignalBatch
    asked: tuple[Request, ...]

    def __len__(self) -> int:
        return len(self.asked)

    def hide(self, hidden: Bool[Tensor, "batch modality"]) -> "RequestBatch":
        """Take modalities away."""
        return replace(self, signals=hide_signals(self.signals, hidden))

    def to(self, device: torch.device | str) -> "RequestBatch":
        """Move the signals to a device."""
        return RequestBatch(self.signals.to(device), self.asked)


def _without(given: Mapping[str, Any], gone: Sequence[Modality]) -> dict[str, Any]:
    """Say of modalities what `signal_text.window_variables` says of missing ones."""
    told, names = dict(given), [modality.name for modality in gone]
    if "values" in told:
        rows = (modality.channel_names for modality in gone if modality.axis == "none")
        told["values"] = {**told["values"], **{name: "unknown" for row in rows for name in row}}
    if "scale" in told:
        lines = ((line.partition(":")[0], line) for line in told["scale"].split("; "))
        told["scale"] = "; ".join(f"{m}: missing" if m in names else line for m, line in lines)
    return told


def hide_signals(batch: SignalBatch, hidden: Bool[Tensor, "batch modality"]) -> SignalBatch:
    """Take modalities away from signals: zeros, and not present."""
    gone = hidden.to(batch.present.device)
    signals = {
        name: values.masked_fill(gone[:, i, None, None], 0.0)
        for i, (name, values) in enumerate(batch.signals.items())
    }
    return replace(batch, signals=signals, present=batch.present & ~gone)
