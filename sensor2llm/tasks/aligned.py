"""A store's windows in the shape that an adapter expects: its modalities, its label numbers."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.errors import DataError
from sensor2llm.signals.dataset import SignalBatch, WindowDataset
from sensor2llm.signals.store.windows import Indices, Windows
from sensor2llm.signals.views.conversion import convert_store


class AdapterDataset(WindowDataset):
    """Give windows as an adapter's encoder expects them: in its order of modalities.

    Modalities that the store lacks are absent from every window.
    """

    def __init__(self, store: Windows, indices: Indices, adapter: SensorAdapter) -> None:
        super().__init__(store, indices, adapter.normaliser)
        self._adapter = adapter

    def batch(self, indices: Indices) -> SignalBatch:
        """Read the windows at these positions (0 to len - 1)."""
        return self._adapter.align(super().batch(indices), self.store.spec)


class AdapterWindows:
    """Read a store by the batch as an adapter expects it.

    Modalities that the store lacks are absent from every window. Other units and rates and longer
    windows are converted as they are read, and `store` is then the view that does so; rows mean
    the same in both. Labels are numbered as the adapter's; -1 is no label.

    Raises:
        SpecError: if the windows cannot be brought to the adapter's spec; see `convert_store`.
        DataError: if a window's label is none of the adapter's.
    """

    def __init__(self, store: Windows, adapter: SensorAdapter) -> None:
        self.store = convert_store(store, adapter.spec)
        self.labels = _renumber(store, adapter.label_names)
        self._dataset = AdapterDataset(self.store, np.arange(len(store)), adapter)

    def batch(self, rows: Int[np.ndarray, " batch"]) -> SignalBatch:
        """Read these rows of the store."""
        return replace(self._dataset.batch(rows), labels=torch.from_numpy(self.labels[rows]))

    def batches(self, rows: Int[np.ndarray, " window"], batch_size: int) -> Iterator[SignalBatch]:
        """Read these rows in order, a batch at a time."""
        return (
            self.batch(rows[start : start + batch_size])
            for start in range(0, len(rows), batch_size)
        )

    def labelled(self, rows: Int[np.ndarray, " window"]) -> Int[np.ndarray, " window"]:
        """Return those of `rows` that have a label."""
        return rows[self.labels[rows] >= 0]


def _renumber(store: Windows, label_names: tuple[str, ...]) -> Int[np.ndarray, " window"]:
    labels = np.asarray(store.labels)
    for number in np.unique(labels[labels >= 0]).tolist():
        if store.label_names[number] not in label_names:
            raise DataError(
                f"unknown label {store.label_names[number]!r} in '{store.path}'; "
                f"the adapter's labels are {', '.join(label_names)}"
            )
    place = [label_names.index(n) if n in label_names else -1 for n in store.label_names]
    return np.array([*place, -1])[labels]
