"""Several window stores of one spec as one: to pretrain on more people than one data set has.

specs, names = [har.spec, wisdm.spec], [{"total_acc": "accel"}, {"watch_accel": "accel"}]
spec = common_spec(specs, names)
views = [ConvertedView(s, n, spec) for s, n in zip([har, wisdm], names, strict=True)]
both = JoinedStores(views, labels=False)
pretrain(both, make_split(both, SplitConfig(kind="subject")))
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.store.windows import Indices, Windows


class JoinedStores(Windows):
    """Read several stores of one spec as one, a store's rows after the other's.

    A person is named `store/person`, so that people of two stores are never taken for one. Labels
    of the same text are the same label. No split is published: data sets' own splits say nothing
    of one another.

    Args:
        stores: Stores or views with equal specs (see ConvertedView).
        labels: Whether labels are kept; without them every window is unlabelled.
        names: The stores' names; by default those of their folders.

    Raises:
        DataError: If there is no store, specs differ, or names are missing or not all different.
    """

    def __init__(
        self, stores: Sequence[Windows], labels: bool = True, names: Sequence[str] | None = None
    ) -> None:
        self.stores, self.kept = tuple(stores), labels
        self.names = tuple(names or [store.path.name for store in self.stores])
        self._check()
        self.spec = self.stores[0].spec
        self.path = Path("+".join(self.names))
        self.source = "; ".join(dict.fromkeys(store.source for store in self.stores))
        self.published = {}
        self.parts = {n: s.source for n, s in zip(self.names, self.stores, strict=True)}
        texts = chain.from_iterable(store.label_names for store in self.stores if labels)
        self.label_names = tuple(dict.fromkeys(texts))
        self.subject_names = tuple(
            f"{name}/{person}"
            for name, store in zip(self.names, self.stores, strict=True)
            for person in store.subject_names
        )
        people = accumulate((len(store.subject_names) for store in self.stores), initial=0)
        self.subject_ids = np.concatenate(
            [np.asarray(s.subject_ids) + n for s, n in zip(self.stores, people, strict=False)]
        ).astype(np.int32)
        self.labels = np.concatenate([self._renumbered(store) for store in self.stores])
        self.present = np.concatenate([np.asarray(store.present) for store in self.stores])
        self.starts = np.concatenate([np.asarray(store.starts) for store in self.stores])
        lengths = [len(store) for store in self.stores]
        self._store_of = np.repeat(np.arange(len(lengths)), lengths)
        self._row_of = np.concatenate([np.arange(length) for length in lengths])

    def _check(self) -> None:
        if not self.stores:
            raise DataError("there is no store to join; give at least one")
        if len(self.names) != len(self.stores):
            raise DataError(f"{len(self.names)} names for {len(self.stores)} stores; one a store")
        if len(set(self.names)) < len(self.names) or any("/" in name for name in self.names):
            raise DataError(
                f"the stores' names {', '.join(self.names)} must differ and hold no '/', or people "
                "would be mixed up; give others (names)"
            )
        for name, store in zip(self.names, self.stores, strict=True):
            if store.spec != self.stores[0].spec:
                raise DataError(
                    f"'{name}' has another spec than '{self.names[0]}'; bring both to one with "
                    "ConvertedView"
                )

    def _renumbered(self, store: Windows) -> np.ndarray:
        if not self.kept:
            return np.full(len(store), -1, np.int64)
        # The last entry stays -1: it is where the number of an unlabelled window points.
        numbers = [self.label_names.index(name) for name in store.label_names]
        return np.array([*numbers, -1], np.int64)[np.asarray(store.labels)]

    def __reduce__(self) -> tuple[Any, ...]:
        return JoinedStores, (self.stores, self.kept, self.names)

    @property
    def recording_ids(self) -> np.ndarray:
        """Give every window's recording, those of a store after those of the one before."""
        counts = (int(np.max(store.recording_ids)) + 1 for store in self.stores)
        first = list(accumulate(counts, initial=0))[:-1]
        ids = [np.asarray(s.recording_ids) + n for s, n in zip(self.stores, first, strict=True)]
        return np.concatenate(ids).astype(np.int32)

    @property
    def names_recordings(self) -> bool:
        """Say whether any of the stores tells a person's recordings apart."""
        return any(store.names_recordings for store in self.stores)

    def recording_of(self, row: int) -> str | None:
        """Name a window's recording as its store does."""
        return self.stores[self._store_of[row]].recording_of(int(self._row_of[row]))

    def placement_of(self, row: int) -> str | None:
        """Name where a window's device was worn as its store does."""
        return self.stores[self._store_of[row]].placement_of(int(self._row_of[row]))

    @property
    def digests(self) -> np.ndarray:
        """Give the stores' hashes one after the other."""
        return np.concatenate([np.asarray(store.digests) for store in self.stores])

    def _origin(self) -> Mapping[str, Any]:
        return {"joined": [store.fingerprint for store in self.stores]}

    def read(self, indices: Indices, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Read windows of any of the stores; a store that has none of these rows is not touched."""
        rows = np.asarray(indices, dtype=np.int64)
        wanted = [self.spec[name] for name in (self.spec.names if names is None else names)]
        out = {m.name: np.empty((len(rows), *m.shape), np.float32) for m in wanted}
        owners, own_rows = self._store_of[rows], self._row_of[rows]
        for owner in np.unique(owners).tolist():
            here = owners == owner
            values = self.stores[owner].read(own_rows[here], list(out))
            for name, array in out.items():
                array[here] = values[name]
        return out
