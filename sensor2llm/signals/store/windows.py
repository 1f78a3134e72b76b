"""Windows: what training and evaluation read, be it a folder or a view over several."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, SupportsIndex

import numpy as np

from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window

# Read at a time while windows are iterated over.
_CHUNK_ROWS = 64
Indices = Sequence[int] | np.ndarray


class Windows(Protocol):
    """Say what training and evaluation read of windows: a WindowStore, or a view over stores."""

    @property
    def path(self) -> Path:
        """Where the windows lie, for messages and records."""

    @property
    def spec(self) -> SignalSpec:
        """What every window is checked against."""

    @property
    def source(self) -> str:
        """Where the data come from, in words."""

    @property
    def published(self) -> Mapping[str, Sequence[str]]:
        """The data set's own split: part -> people."""

    @property
    def parts(self) -> Mapping[str, str]:
        """Of data sets side by side, name -> source; people are named `name/person`."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """Labels in the order of their numbers."""

    @property
    def subject_names(self) -> tuple[str, ...]:
        """People in the order of their numbers."""

    @property
    def present(self) -> np.ndarray:
        """Whether a modality is there: bool (n, modality)."""

    @property
    def labels(self) -> np.ndarray:
        """Label numbers, -1 for none: (n,)."""

    @property
    def subject_ids(self) -> np.ndarray:
        """Each window's index into `subject_names`: (n,)."""

    @property
    def subjects(self) -> np.ndarray:
        """Each window's subject name: (n,)."""

    @property
    def starts(self) -> np.ndarray:
        """Each window's start in its recording in seconds: (n,)."""

    @property
    def digests(self) -> np.ndarray:
        """A hash of each window's signals, uint64 (n,); equal windows have equal ones."""

    @property
    def fingerprint(self) -> str:
        """A hash of all that the store holds."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Window]: ...

    def __getitem__(self, row: SupportsIndex) -> Window: ...

    def read(self, indices: Indices, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy windows out: modality name -> float32 (batch, channel, step), absent ones zeros."""


def windows_of(store: Windows, rows: Sequence[int]) -> Iterator[Window]:
    """Yield these windows of a store or view, read some at a time."""
    for first in range(0, len(rows), _CHUNK_ROWS):
        chunk = rows[first : first + _CHUNK_ROWS]
        signals = store.read(chunk)
        for i, row in enumerate(chunk):
            label = int(store.labels[row])
            there = zip(store.spec.names, store.present[row], strict=True)
            yield Window(
                # A copy: a window that is kept must not keep its neighbours.
                signals={name: signals[name][i].copy() for name, present in there if present},
                subject=store.subject_names[int(store.subject_ids[row])],
                label=store.label_names[label] if label >= 0 else None,
                start_s=float(store.starts[row]),
            )
