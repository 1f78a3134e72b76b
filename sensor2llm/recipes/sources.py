"""What a task trains on: windows, what each is asked, and what is taken away from it."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from sensor2llm.adapter.batches import (
    CLASSIFICATION,
    FeatureBatch,
    Request,
    RequestBatch,
    hide_signals,
)
from sensor2llm.signals.dataset import SignalBatch

TaskBatch = FeatureBatch | SignalBatch | RequestBatch


class TrainingRows(Protocol):
    """Windows by position: kept features, or signals that still have to be encoded."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Give every row's label."""

    def batch(self, rows: NDArray[np.int64]) -> FeatureBatch | SignalBatch:
        """Read rows."""

    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class BatchSource:
    """Hold the items of one task; an item is a window and what it is asked.

    Args:
        rows: the windows.
        at: each item's window, by its position in `rows`.
        task: whose template asks.
        weight: share of the batches.
        requests: of each item; None: for its label.
        hidden: the modalities taken away from each item; None for none.
        paraphrases: ways to ask; training draws one for each item.
    """

    rows: TrainingRows
    at: Int[np.ndarray, " item"]
    task: str = CLASSIFICATION
    weight: float = 1.0
    requests: tuple[Request, ...] | None = None
    hidden: Bool[np.ndarray, "item modality"] | None = None
    paraphrases: int = 1

    @classmethod
    def of_labels(
        cls, rows: TrainingRows, weight: float = 1.0, paraphrases: int = 1
    ) -> "BatchSource":
        """Ask every window for its label."""
        return cls(rows, np.arange(len(rows)), weight=weight, paraphrases=paraphrases)

    def __len__(self) -> int:
        return len(self.at)

    @property
    def labels(self) -> Int[np.ndarray, " item"]:
        """Give every item's label, -1 for none."""
        return np.asarray(self.rows.labels)[self.at]

    def batch(
        self, items: NDArray[np.int64], generator: np.random.Generator | None = None
    ) -> TaskBatch:
        """Read items.

        Args:
            items: by their position.
            generator: draws the ways to ask; the first one where None.
        """
        read = self.rows.batch(self.at[items])
        requests = self._requests(items, generator)
        batch: TaskBatch
        if isinstance(read, FeatureBatch):
            batch = read.with_requests(requests)
        else:
            batch = read if requests is None else RequestBatch(read, requests)
        if self.hidden is None:
            return batch
        return hide(batch, torch.from_numpy(self.hidden[items]))

    def _requests(
        self, items: NDArray[np.int64], generator: np.random.Generator | None
    ) -> tuple[Request, ...] | None:
        draws = generator is not None and self.paraphrases > 1
        if self.requests is None and not draws:
            return None
        requests = [
            Request(self.task) if self.requests is None else self.requests[item] for item in items
        ]
        if generator is not None and draws:
            ways = generator.integers(self.paraphrases, size=len(items)).tolist()
            requests = [replace(r, paraphrase=w) for r, w in zip(requests, ways, strict=True)]
        return tuple(requests)


def hide(batch: TaskBatch, hidden: Bool[torch.Tensor, "batch modality"]) -> TaskBatch:
    """Take modalities away from a batch of any kind."""
    return (
        hide_signals(batch, hidden)
        if isinstance(batch, SignalBatch)
        else batch.mask_modalities(hidden)
    )


def draw_hidden(
    present: Bool[np.ndarray, "item modality"], share: float, generator: np.random.Generator
) -> Bool[np.ndarray, "item modality"]:
    """Choose modalities to take away, each with probability `share`; one always stays."""
    hidden = (generator.random(present.shape) < share) & present
    spared = (generator.random(present.shape) * present).argmax(1)
    hidden[np.arange(len(hidden)), spared] = False
    return hidden
