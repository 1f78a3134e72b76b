"""What a model takes: features of windows, and what each window is asked.

FeatureBatch(labels, steps, present)                       which label has each window?
FeatureBatch(labels, steps, present, requests=(Request(task="question_answering", …), …))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
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
        template_values: of the template's variables (`question`).
        answer: what the assistant is to say; None where nothing is trained.
        number: the same as a number, in the target's unit, for a number head.
        paraphrase: which of the template's ways to ask.
    """

    task: str = CLASSIFICATION
    template_values: Mapping[str, Any] = field(default_factory=dict)
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
        template_values: of variables that each window fills itself; None for none.
        requests: what each window is asked; None: the adapter's own task, for its label.
        second: features of a second window each, for requests that compare two.
    """

    labels: Int[Tensor, " batch"]
    steps: Float[Tensor, "batch modality step feature"] | None = None
    present: Bool[Tensor, "batch modality"] | None = None
    texts: tuple[str, ...] | None = None
    scale: Float[Tensor, "batch modality statistic"] | None = None
    template_values: tuple[Mapping[str, Any], ...] | None = None
    requests: tuple[Request, ...] | None = None
    second: "FeatureBatch | None" = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shares_prompt(self) -> bool:
        """Say whether all windows have one and the same prompt."""
        return self.texts is None and self.template_values is None and self.requests is None

    def to(self, device: torch.device | str) -> "FeatureBatch":
        """Move the tensors to a device."""
        return self._map(
            lambda part: part.to(device) if isinstance(part, Tensor | FeatureBatch) else part
        )

    def select(self, rows: Sequence[int]) -> "FeatureBatch":
        """Give some of the windows."""
        chosen = list(rows)

        def of(part: Any) -> Any:
            if isinstance(part, FeatureBatch):
                return part.select(chosen)
            return part[chosen] if isinstance(part, Tensor) else tuple(part[r] for r in chosen)

        return self._map(of)

    def interleaved(self) -> "FeatureBatch":
        """Give each window and then its second one, asked nothing; the batch itself without."""
        if self.second is None:
            return self
        first = replace(self, second=None, requests=None)
        both = FeatureBatch.join([first, replace(self.second, requests=None)])
        return both.select([i for row in range(len(self)) for i in (row, row + len(self))])

    @staticmethod
    def join(batches: "Sequence[FeatureBatch]") -> "FeatureBatch":
        """Put batches of one adapter's windows behind each other."""
        if len(batches) == 1:
            return batches[0]
        names = [one.name for one in fields(FeatureBatch)]
        return FeatureBatch(**{n: _join([getattr(batch, n) for batch in batches]) for n in names})

    def with_requests(
        self, requests: Sequence[Request] | None, second: "FeatureBatch | None" = None
    ) -> "FeatureBatch":
        """Ask these windows something else, or compare each with a second one."""
        asked = None if requests is None else tuple(requests)
        return replace(self, requests=asked, second=second)

    def template_variables(self, spec: SignalSpec) -> tuple[Mapping[str, Any], ...] | None:
        """Give each window's own template variables; of a modality that is not there, nothing.

        `template_values` were written when the features were; modalities may have been masked
        since.

        Args:
            spec: of the windows; its modalities are `present`'s columns.
        """
        if self.template_values is None or self.present is None or bool(self.present.all()):
            return self.template_values
        absent = [
            [m for m, there in zip(spec.modalities, row, strict=True) if not there]
            for row in self.present.tolist()
        ]
        return tuple(
            _without(values, gone) if gone else values
            for values, gone in zip(self.template_values, absent, strict=True)
        )

    def mask_modalities(self, hidden: Bool[Tensor, "batch modality"]) -> "FeatureBatch":
        """Take modalities away; an encoder hears each by itself, so the others' steps stay.

        What the prompt says of them goes too: see `template_variables`.
        """
        assert self.present is not None
        return replace(self, present=self.present & ~hidden.to(self.present.device))

    def _map(self, change: Callable[[Any], Any]) -> "FeatureBatch":
        """Change every field that is there."""
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        changed: dict[str, Any] = {n: change(p) for n, p in parts.items() if p is not None}
        return replace(self, **changed)


@dataclass(eq=False)
class RequestBatch:
    """Hold signals that still have to be encoded, and what each window is asked.

    `second` are a second window's signals each, for requests that compare two.
    """

    signals: SignalBatch
    requests: tuple[Request, ...]
    second: SignalBatch | None = None

    def __len__(self) -> int:
        return len(self.requests)

    def mask_modalities(self, hidden: Bool[Tensor, "batch modality"]) -> "RequestBatch":
        """Take modalities away."""
        return replace(self, signals=hide_signals(self.signals, hidden))

    def to(self, device: torch.device | str) -> "RequestBatch":
        """Move the signals to a device."""
        second = None if self.second is None else self.second.to(device)
        return RequestBatch(self.signals.to(device), self.requests, second)


def _join(parts: Sequence[Any]) -> Any:
    if parts[0] is None:
        return None
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    if isinstance(parts[0], FeatureBatch):
        return FeatureBatch.join(parts)
    return tuple(item for part in parts for item in part)


def _without(values: Mapping[str, Any], gone: Sequence[Modality]) -> dict[str, Any]:
    """Say of modalities what `signal_text.window_variables` says of missing ones."""
    variables, names = dict(values), [modality.name for modality in gone]
    if "values" in variables:
        rows = (modality.channel_names for modality in gone if modality.axis == "none")
        unknown = {name: "unknown" for row in rows for name in row}
        variables["values"] = {**variables["values"], **unknown}
    if "scale" in variables:
        lines = ((line.partition(":")[0], line) for line in variables["scale"].split("; "))
        variables["scale"] = "; ".join(f"{m}: missing" if m in names else line for m, line in lines)
    return variables


def hide_signals(batch: SignalBatch, hidden: Bool[Tensor, "batch modality"]) -> SignalBatch:
    """Take modalities away from signals: zeros, and not present."""
    gone = hidden.to(batch.present.device)
    signals = {
        name: values.masked_fill(gone[:, i, None, None], 0.0)
        for i, (name, values) in enumerate(batch.signals.items())
    }
    return replace(batch, signals=signals, present=batch.present & ~gone)
