"""What every view of window stores has: the same words as a store, over rows of its own."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.digest import fingerprint
from sensor2llm.signals.store.windows import Indices, Windows, windows_of
from sensor2llm.signals.window import Window


class StoreView(ABC):
    """Read windows that lie in other stores.

    A view sets these, and says how `read` goes, which windows it reads and what it makes of them.
    """

    path: Path
    spec: SignalSpec
    source: str
    published: Mapping[str, Sequence[str]]
    parts: Mapping[str, str]
    label_names: tuple[str, ...]
    subject_names: tuple[str, ...]
    present: np.ndarray
    labels: np.ndarray
    subject_ids: np.ndarray
    starts: np.ndarray

    def _take_words(self, store: Windows) -> None:
        """Take over what a view of one store does not change."""
        self.path, self.source, self.published = store.path, store.source, store.published
        self.parts, self.label_names = store.parts, store.label_names

    @property
    def subjects(self) -> np.ndarray:
        """Give every window's subject name, shape (n,)."""
        return np.asarray(self.subject_names)[self.subject_ids]

    @cached_property
    def fingerprint(self) -> str:
        """Give a hash of all that the view holds, by what it reads and what it makes of it."""
        return fingerprint(self, self._origin())

    @property
    @abstractmethod
    def digests(self) -> np.ndarray:
        """Give a hash of each window's signals as they were written, uint64 (n,)."""

    @abstractmethod
    def _origin(self) -> Mapping[str, Any]:
        """Give the fingerprints of what is read, and what is made of it, as plain JSON."""

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Window]:
        return windows_of(self, range(len(self)))

    def __getitem__(self, row: SupportsIndex) -> Window:
        return next(windows_of(self, [range(len(self))[row]]))

    @abstractmethod
    def read(self, indices: Indices, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy windows out: modality name -> float32 (batch, channel, step), absent ones zeros."""
