"""What a task trains on: windows, what each is asked, and what is taken away from it."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

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
from sensor2llm.adapter.request_table import RequestTable
from sensor2llm.signals.dataset import SignalBatch

LONGEST = 1 << 20
"""More characters than any item has."""
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
        second: each item's second window, as `at`; -1 for none. None where no item has one.
        unit: items of one number stay together in training; None where none do.
    """

    rows: TrainingRows
    at: Int[np.ndarray, " item"]
    task: str = CLASSIFICATION
    weight: float = 1.0
    requests: RequestTable | None = None
    hidden: Bool[np.ndarray, "item modality"] | None = None
    paraphrases: int = 1
    second: Int[np.ndarray, " item"] | None = None
    unit: Int[np.ndarray, " item"] | None = None

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
        """Read items, of one window each or of two.

        Args:
            items: by their position; `alike` gives those that may be read together.
            generator: draws the ways to ask; the first one where None.
        """
        read = self.rows.batch(self.at[items])
        requests = self._requests(items, generator)
        batch: TaskBatch
        if isinstance(read, FeatureBatch):
            batch = replace(read, requests=requests, second=self._second(items))
        else:
            second = self._second(items)
            batch = read if requests is None else RequestBatch(read, requests, second)
        if self.hidden is None:
            return batch
        return hide(batch, torch.from_numpy(self.hidden[items]))

    def _second(self, items: NDArray[np.int64]) -> Any:
        """Read the second windows; None where the items have none."""
        if self.second is None or self.second[items[0]] < 0:
            return None
        return self.rows.batch(self.second[items])

    def alike(self, items: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Group items by how many windows they are about, in their order."""
        if self.second is None:
            return [items]
        two = self.second[items] >= 0
        return [part for part in (items[~two], items[two]) if len(part)]

    def by_windows(self) -> "list[BatchSource]":
        """Give the items about one window and those about two as sources of their own."""
        parts = self.alike(np.arange(len(self)))
        return [self] if len(parts) == 1 else [self._take(part) for part in parts]

    def _take(self, items: NDArray[np.int64]) -> "BatchSource":
        arrays = {n: getattr(self, n) for n in ("at", "hidden", "second", "unit")}
        taken = {n: array[items] for n, array in arrays.items() if array is not None}
        asked = None if self.requests is None else self.requests.take(items)
        weight = self.weight * len(items) / len(self)
        return replace(self, weight=weight, requests=asked, **taken)

    def order(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """Give the items in a random order, those of one unit together."""
        if self.unit is None:
            return generator.permutation(len(self))
        units = np.split(np.arange(len(self)), np.flatnonzero(np.diff(self.unit)) + 1)
        return np.concatenate([units[i] for i in generator.permutation(len(units))])

    def cut(self, order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
        """Cut items into batches of so many, each by length: the parts of a step are of one length.

        Batches of one length would hold one kind of question each: so the steps pull apart.
        """
        batches = list(order.reshape(-1, size))
        if self.requests is None:
            return batches
        return [batch[np.argsort(self._keys[batch], kind="stable")] for batch in batches]

    @cached_property
    def _keys(self) -> Int[np.ndarray, " item"]:
        """Give each item's length in characters, its unit's longest; pairs come before others."""
        texts = [(*r.template_values.values(), r.answer or "") for r in self.requests or ()]
        keys = np.array([sum(len(str(part)) for part in text) for text in texts])
        if self.unit is not None and len(keys):
            _, unit, size = np.unique(self.unit, return_inverse=True, return_counts=True)
            longest = np.zeros(len(size), dtype=np.int64)
            np.maximum.at(longest, unit, keys)
            keys = (longest - LONGEST * (size > 1))[unit]
        return keys

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
