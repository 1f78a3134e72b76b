"""Windows as torch batches: read by the batch, normalised, absent modalities zero and masked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sensor2llm.errors import DataError
from sensor2llm.signals.normalise import Normaliser
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.windows import Indices, Windows
from sensor2llm.signals.views.in_memory import InMemoryWindows
from sensor2llm.signals.window import Window


@dataclass(eq=False)
class SignalBatch:
    """Hold a batch of windows.

    `signals` maps a modality's name (in the spec's order) to float32 (batch, channel, step), zeros
    where it is absent; `present` is (batch, modality); `labels` is -1 where there is none; `index`
    is each window's row in its store.
    """

    signals: dict[str, Float[Tensor, "batch _channel _step"]]
    present: Bool[Tensor, "batch modality"]
    labels: Int[Tensor, " batch"]
    index: Int[Tensor, " batch"]

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "SignalBatch":
        """Give the batch on a device."""
        return SignalBatch(
            signals={name: values.to(device) for name, values in self.signals.items()},
            present=self.present.to(device),
            labels=self.labels.to(device),
            index=self.index.to(device),
        )


class WindowDataset:
    """Give some of a store's windows by the batch; a position counts within `indices`.

    Modalities in `without` are taken away from every window.

    Example:
        >>> from sensor2llm.signals.normalise import fit_normaliser
        >>> train = np.flatnonzero(store.subjects == "S01")
        >>> dataset = WindowDataset(store, train, fit_normaliser(store, train))
        >>> dataset.batch([0, 1, 2]).signals["wrist_acc"].shape
        torch.Size([3, 3, 250])

    Raises:
        SpecError: If a modality in `without` is not in the spec.
    """

    def __init__(
        self,
        store: Windows,
        indices: Indices,
        normaliser: Normaliser | None = None,
        without: Collection[str] = (),
    ) -> None:
        self.store = store
        self.indices = np.asarray(indices, dtype=np.int64)
        self._gone = [store.spec[name].name for name in without]
        self._statistics: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        if normaliser is not None:
            for name in store.spec.names:
                mean, scale = normaliser.statistics(name)
                self._statistics[name] = (_column(mean), _column(1.0 / scale))

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels(self) -> np.ndarray:
        """Give every window's label number, -1 for none, in the order of positions."""
        return np.asarray(self.store.labels)[self.indices]

    def batch(self, indices: Indices) -> SignalBatch:
        """Read the windows at these positions (0 to len - 1)."""
        rows = self.indices[np.asarray(indices, dtype=np.int64)]
        present = np.asarray(self.store.present)[rows]
        signals = self.store.read(rows)
        for column, (name, values) in enumerate(signals.items()):
            if name in self._gone:
                values[:], present[:, column] = 0.0, False
            elif name in self._statistics:
                mean, inverse = self._statistics[name]
                np.subtract(values, mean, out=values)
                np.multiply(values, inverse, out=values)
                values[~present[:, column]] = 0.0
        return _batch(signals, present, np.asarray(self.store.labels)[rows], rows)


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, None]


def _batch(
    signals: Mapping[str, np.ndarray], present: np.ndarray, labels: np.ndarray, index: np.ndarray
) -> SignalBatch:
    return SignalBatch(
        signals={name: torch.from_numpy(values) for name, values in signals.items()},
        present=torch.from_numpy(present),
        labels=torch.from_numpy(labels),
        index=torch.from_numpy(index),
    )


def collate_windows(
    windows: Sequence[Window],
    spec: SignalSpec,
    normaliser: Normaliser | None = None,
    label_names: Sequence[str] | None = None,
) -> SignalBatch:
    """Put windows that are not in a store into one batch; `index` counts from 0.

    A row of values (axis none) with NaN is missing.

    Raises:
        SpecError: If a window does not fit the spec.
        DataError: If a label is not among `label_names` (labels are -1 without `label_names`).
    """
    held, index = InMemoryWindows(windows, spec), np.arange(len(windows))
    signals = held.read(index)
    if normaliser is not None:
        for name, there in zip(spec.names, held.present.T, strict=True):
            signals[name][there] = normaliser.apply(name, signals[name][there])
    labels = np.array([_label_number(window.label, label_names) for window in windows], np.int64)
    return _batch(signals, held.present, labels, index)


def _label_number(label: str | None, label_names: Sequence[str] | None) -> int:
    if label is None or label_names is None:
        return -1
    if label not in label_names:
        raise DataError(f"unknown label {label!r}; the labels are {', '.join(label_names)}")
    return list(label_names).index(label)
