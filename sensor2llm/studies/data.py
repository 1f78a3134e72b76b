"""What a study reads of a store: some of its people and modalities, and how they are divided."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.splits.splits import Split, check_leak, leave_one_subject_out, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Indices, Windows
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.studies.config import StoreConfig


def open_data(config: StoreConfig) -> Windows:
    """Open a study's store with the people and modalities that take part.

    Raises:
        DataError: no such store, an unknown person, or no window that has any of the modalities.
        SpecError: an unknown modality.
    """
    store: Windows = WindowStore.open(config.path)
    if config.people is not None:
        store = SubjectSubset(store, config.people)
    if config.modalities is not None:
        spec = store.spec.subset(config.modalities)
        store = ConvertedView(store, {name: name for name in spec.names}, spec)
    return store


def divide(config: StoreConfig, store: Windows, fold: int) -> Split:
    """Divide a study's store for a fold.

    Raises:
        DataError: too few people for it.
    """
    split = make_split(store, replace(config.split, fold=fold))
    if config.validation == "drawn":
        return split
    # One split a person, in order; each one's test is a single person.
    alone = leave_one_subject_out(store, config.split.seed, config.split.validation_share)
    before = alone[fold - 1].test
    rest = np.sort(np.concatenate([split.train, split.validation]))
    divided = Split(train=np.setdiff1d(rest, before), validation=before, test=split.test)
    check_leak(store, divided)
    return divided


def mark(config: StoreConfig) -> str:
    """Give the fingerprint of a study's store: of its signals, labels, people and the rest.

    Raises:
        DataError: a store that cannot be read.
    """
    return WindowStore.open(config.path).fingerprint


class SubjectSubset(Windows):
    """Read the windows of some of a store's people as a store of its own.

    Args:
        store: a WindowStore, or a view.
        people: who is kept; their order is the store's.

    Raises:
        DataError: a person that the store does not have.
    """

    def __init__(self, store: Windows, people: Sequence[str]) -> None:
        unknown = [person for person in people if person not in store.subject_names]
        if unknown:
            has = ", ".join(store.subject_names)
            raise DataError(f"'{store.path}' has no person {unknown[0]!r}; it has {has}")
        self.store, self.people = store, tuple(people)
        ids = np.asarray(store.subject_ids)
        numbers = [i for i, name in enumerate(store.subject_names) if name in set(people)]
        self._rows = np.flatnonzero(np.isin(ids, numbers))
        self.subject_names = tuple(store.subject_names[i] for i in numbers)
        self.subject_ids = np.searchsorted(numbers, ids[self._rows]).astype(np.int32)
        self.present = np.asarray(store.present)[self._rows]
        self.labels = np.asarray(store.labels)[self._rows]
        self.starts = np.asarray(store.starts)[self._rows]
        self.spec = store.spec
        self._take_words(store)

    def __reduce__(self) -> tuple[Any, ...]:
        return SubjectSubset, (self.store, self.people)

    @property
    def digests(self) -> np.ndarray:
        """Give a hash of each window's signals."""
        return np.asarray(self.store.digests)[self._rows]

    def _origin(self) -> Mapping[str, Any]:
        return {"some_of": self.store.fingerprint}

    def read(self, indices: Indices, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy windows out: modality name -> (batch, channel, step); absent ones are zeros."""
        return self.store.read(self._rows[np.asarray(indices, dtype=np.int64)], names)
