"""Pretraining on several stores: other people's sensors under the judged store's names."""

import numpy as np

from sensor2llm.signals.splits.people import data_set_key, person_key
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.views.joined import JoinedStores
from sensor2llm.studies.config import StudyConfig
from sensor2llm.studies.data import open_data
from sensor2llm.studies.grid import Cell


def joined_for(
    study: StudyConfig, cell: Cell, store: Windows, split: Split
) -> tuple[Windows, Split]:
    """Join the stores that a cell's method pretrains on with the judged one, labels left out.

    Rates, lengths, units and names become the judged store's; sensors that another store lacks are
    missing there. All people of the other stores teach, but for those who are held out of the
    judged one where both are from one data set. Of the judged store the training people teach if
    the method says so; its validation people choose the epoch; its test people stay out.

    Raises:
        SpecError: a modality that cannot be mapped so.
        DataError: windows that are too short.
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
