"""Windows as torch batches: read by the batch, normalised, absent modalities zero and masked."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sensor2llm.errors import DataError
from sensor2llm.signals.normalise import Normaliser, stack_statistics
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.windows import Indices, Windows
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


class WindowDataset(Dataset[SignalBatch]):
    """Give some of a store's windows by the batch; a position counts within `indices`.

    `normaliser` is one for all windows, one for each person (a mapping from subject to normaliser),
    or None. Modalities in `without` are taken away from every window.

    Example:
        >>> from sensor2llm.signals.normalise import fit_normaliser
        >>> train = np.flatnonzero(store.subjects == "S01")
        >>> dataset = WindowDataset(store, train, fit_normaliser(store, train))
        >>> dataset.batch([0, 1, 2]).signals["wrist_acc"].shape
        torch.Size([3, 3, 250])

    Raises:
        DataError: If a window's person has no normaliser.
        SpecError: If a modality in `without` is not in the spec.
    """

    def __init__(
        self,
        store: Windows,
        indices: Indices,
        normaliser: Normaliser | Mapping[str, Normaliser] | None = None,
        without: Collection[str] = (),
    ) -> None:
        self.store = store
        self.indices = np.asarray(indices, dtype=np.int64)
        self._gone = [store.spec.names.index(store.spec[name].name) for name in without]
        self._statistics: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._group: np.ndarray | None = None
        if normaliser is not None:
            self._prepare(normaliser)

    def _prepare(self, normaliser: Normaliser | Mapping[str, Normaliser]) -> None:
        group = np.zeros(len(self.store.subject_names), np.int64)
        normalisers = [normaliser] if isinstance(normaliser, Normaliser) else []
        if not isinstance(normaliser, Normaliser):
            for person in np.unique(np.asarray(self.store.subject_ids)[self.indices]).tolist():
                group[person] = len(normalisers)
                normalisers.append(_of_person(normaliser, self.store.subject_names[person]))
        self._group = group
        for name in self.store.spec.names if normalisers else ():
            mean, scale = stack_statistics(normalisers, name)
            self._statistics[name] = (_column(mean), _column(1.0 / scale))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> SignalBatch:
        return self.batch([position])

    def __getitems__(self, positions: Indices) -> SignalBatch:
        # What a DataLoader calls with a whole batch: one vectorised read, no loop over samples.
        return self.batch(positions)

    @property
    def labels(self) -> np.ndarray:
        """Give every window's label number, -1 for none, in the order of positions."""
        return np.asarray(self.store.labels)[self.indices]

    def batch(self, indices: Indices) -> SignalBatch:
        """Read the windows at these positions (0 to len - 1)."""
        rows = self.indices[np.asarray(indices, dtype=np.int64)]
        present = np.asarray(self.store.present)[rows]
        signals = self.store.read(rows)
        for column, name in enumerate(self.store.spec.names):
            self._normalise(name, signals[name], rows, present[:, column])
        for column in self._gone:
            signals[self.store.spec.names[column]][:] = 0.0
            present[:, column] = False
        return SignalBatch(
            signals={name: torch.from_numpy(values) for name, values in signals.items()},
            present=torch.from_numpy(present),
            labels=torch.from_numpy(np.asarray(self.store.labels)[rows]),
            index=torch.from_numpy(rows),
        )

    def _normalise(
        self, name: str, values: np.ndarray, rows: np.ndarray, there: np.ndarray
    ) -> None:
        if name not in self._statistics or self._group is None:
            return
        mean, inverse = self._statistics[name]
        if len(mean) > 1:
            group = self._group[np.asarray(self.store.subject_ids)[rows]]
            mean, inverse = mean[group], inverse[group]
        np.subtract(values, mean, out=values)
        np.multiply(values, inverse, out=values)
        if not there.all():
            values[~there] = 0.0


def _of_person(normalisers: Mapping[str, Normaliser], subject: str) -> Normaliser:
    if subject not in normalisers:
        raise DataError(
            f"no normalisation for subject {subject!r}; fit it on that person's own windows "
            "(fit_subject_normalisers)"
        )
    return normalisers[subject]


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[..., None]


class Batches:
    """Give arrays of positions, a batch each, in order or shuffled by a generator.

    Each pass draws one permutation from `generator`, so the same generator state gives the same
    batches. `start` leaves out that many batches without reading them: to go on in the middle of a
    pass, restore the generator's state of its beginning and set `start`.

    Example:
        >>> [positions.tolist() for positions in Batches(5, 2)]
        [[0, 1], [2, 3], [4]]
        >>> [len(positions) for positions in Batches(5, 2, generator, shuffle=True)]
        [2, 2, 1]

    Raises:
        DataError: If the batch size is not positive, or shuffling has no generator.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        generator: torch.Generator | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
        start: int = 0,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"batch_size must be positive, got {batch_size}")
        if shuffle and generator is None:
            raise DataError("shuffling needs a generator; pass torch.Generator().manual_seed(seed)")
        self.n, self.batch_size, self.drop_last, self.start = n, batch_size, drop_last, start
        self._generator = generator if shuffle else None

    def __len__(self) -> int:
        whole, rest = divmod(self.n, self.batch_size)
        return max(0, whole + (rest > 0 and not self.drop_last) - self.start)

    def __iter__(self) -> Iterator[np.ndarray]:
        order = np.arange(self.n)
        if self._generator is not None:
            order = torch.randperm(self.n, generator=self._generator).numpy()
        for number in range(self.start, self.start + len(self)):
            yield order[number * self.batch_size : (number + 1) * self.batch_size]


def _as_is(batch: SignalBatch) -> SignalBatch:
    return batch


def loader(
    dataset: WindowDataset,
    batch_size: int,
    shuffle: bool = False,
    generator: torch.Generator | None = None,
    drop_last: bool = False,
) -> DataLoader[SignalBatch]:
    """Give a DataLoader of SignalBatch; the order is the generator's alone."""
    sampler: Any = Batches(len(dataset), batch_size, generator, shuffle, drop_last)
    as_is: Any = _as_is
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=as_is)


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
    # All before anything is allocated: a spec may ask for more than windows have.
    windows = [spec.without_gaps(window) for window in windows]
    for window in windows:
        spec.check(window)
    signals = {m.name: np.zeros((len(windows), *m.shape), np.float32) for m in spec.modalities}
    present = np.zeros((len(windows), len(spec.names)), np.bool_)
    for row, window in enumerate(windows):
        for name, values in window.signals.items():
            signals[name][row] = values
            present[row, spec.names.index(name)] = True
    for column, name in enumerate(spec.names if normaliser else ()):
        _apply(normaliser, name, signals[name], present[:, column])
    labels = [_label_number(window.label, label_names) for window in windows]
    return SignalBatch(
        signals={name: torch.from_numpy(values) for name, values in signals.items()},
        present=torch.from_numpy(present),
        labels=torch.tensor(labels, dtype=torch.int64),
        index=torch.arange(len(windows)),
    )


def _apply(normaliser: Normaliser | None, name: str, values: np.ndarray, there: np.ndarray) -> None:
    if normaliser is not None and there.any():
        values[there] = normaliser.apply(name, values[there])


def _label_number(label: str | None, label_names: Sequence[str] | None) -> int:
    if label is None or label_names is None:
        return -1
    if label not in label_names:
        raise DataError(f"unknown label {label!r}; the labels are {', '.join(label_names)}")
    return list(label_names).index(label)
