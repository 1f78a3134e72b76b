"""What a study reads of a store: some of its people and modalities, and how they are divided."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.splits.people import data_set_key, person_key
from sensor2llm.signals.splits.splits import Split, check_leak, leave_one_subject_out, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Indices, SelectedWindows, Windows
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.views.joined import JoinedStores
from sensor2llm.studies.config import StoreConfig, StudyConfig
from sensor2llm.studies.grid import Cell


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
    """Divide a study's store for a fold; raises DataError for too few people."""
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
    """Give the fingerprint of a study's store: of its signals, labels, people and the rest."""
    return WindowStore.open(config.path).fingerprint


class SubjectSubset(SelectedWindows):
    """Read the windows of some of a store's people as a store of its own, in the store's order.

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

    def _origin(self) -> Mapping[str, Any]:
        return {"some_of": self.store.fingerprint}

    def read(self, indices: Indices, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Copy windows out: modality name -> (batch, channel, step); absent ones are zeros."""
        return self.store.read(self._rows[np.asarray(indices, dtype=np.int64)], names)


def joined_for(
    study: StudyConfig, cell: Cell, store: Windows, split: Split
) -> tuple[Windows, Split]:
    """Join the stores that a cell's method pretrains on with the judged one, labels left out.

    Rates, lengths, units and names become the judged store's; sensors that another store lacks are
    missing there. All people of the other stores teach, but for those who are held out of the
    judged one where both are from one data set. Of the judged store the training people teach if
    the method says so; its validation people choose the epoch; its test people stay out.
    """
    method = study.methods[cell.method]
    others = [
        ConvertedView(open_data(study.stores[name]), names, store.spec)
        for name, names in method.pretrain_on.items()
    ]
    own = ConvertedView(store, {name: name for name in store.spec.names}, store.spec)
    # The study's names: folders of two stores may be called alike.
    names = [f"judged {cell.store}", *method.pretrain_on]
    joined = JoinedStores([own, *others], labels=False, names=names)
    taught = [split.train] if method.pretrain_too else []
    start = len(own)
    for other in others:
        held_out = _held_out(store, split) if _one_source(store, other) else set()
        keys = np.array([person_key(name) in held_out for name in other.subject_names])
        taught.append(start + np.flatnonzero(~keys[np.asarray(other.subject_ids)]))
        start += len(other)
    joined_split = Split(train=np.concatenate(taught), validation=split.validation, test=split.test)
    return joined, joined_split


def _one_source(store: Windows, other: Windows) -> bool:
    """Say whether two stores hold the same people: one folder, or one data set in other words."""
    same_folder = store.path.resolve() == other.path.resolve()
    return same_folder or bool(
        store.source and data_set_key(store.source) == data_set_key(other.source)
    )


def _held_out(store: Windows, split: Split) -> set[str]:
    people = split.subjects(store)
    return {person_key(name) for name in (*people["validation"], *people["test"])}
