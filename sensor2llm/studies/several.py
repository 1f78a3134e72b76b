"""Pretraining on several stores: other people's sensors under the judged store's names."""

import numpy as np

from sensor2llm.signals.joined_stores import JoinedStores
from sensor2llm.signals.mapped_store import MappedStore
from sensor2llm.signals.splits import Split
from sensor2llm.signals.store import Windows, WindowStore
from sensor2llm.studies.config import StudyConfig
from sensor2llm.studies.grid import Cell


def joined_for(
    study: StudyConfig, cell: Cell, store: WindowStore, split: Split
) -> tuple[Windows, Split]:
    """Join the stores that a cell's method pretrains on with the judged one, labels left out.

    Rates, lengths, units and names become the judged store's; sensors that another store lacks are
    missing there. All people of the other stores teach. Of the judged store the training people
    teach if the method says so; its validation people choose the epoch; its test people stay out.

    Raises:
        SpecError: a modality that cannot be mapped so.
        DataError: windows that are too short.
    """
    method = study.methods[cell.method]
    others = [
        MappedStore(WindowStore.open(study.stores[name].path), names, store.spec)
        for name, names in method.pretrain_on.items()
    ]
    own = MappedStore(store, {name: name for name in store.spec.names}, store.spec)
    joined = JoinedStores([own, *others], labels=False)
    rest = np.arange(len(store), len(joined))
    train = np.concatenate([split.train, rest]) if method.pretrain_too else rest
    found = Split(train=train, validation=split.validation, test=split.test)
    return joined, found
