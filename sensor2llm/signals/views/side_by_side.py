"""Data sets of different sensors, rates and window lengths side by side in one store.

    stores = [WindowStore.open("stores/uci_har"), WindowStore.open("stores/wisdm_watch")]
    reading = union_modalities(stores)
    reading.spec.names, reading.spec.lengths_s

A window keeps its own data set's sensors as they are; those of the others are missing sensors. So
one encoder, and one adapter, learns of all data sets, and no value is converted. `common_spec` is
for the other case: the same sensor in several data sets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.splits.leaks import distinct_rows
from sensor2llm.signals.splits.people import known_people
from sensor2llm.signals.splits.splits import PARTS, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.views.joined import JoinedStores

FOLDS = 5


def side_by_side(
    specs: Mapping[str, SignalSpec],
) -> tuple[SignalSpec, dict[str, dict[str, str]]]:
    """Give one spec with every modality of several, each with its own rate and window length.

    A modality that several have alike is one. One that differs between them bears its data set's
    name in front: `lab_accel`, `home_accel`.

    Returns:
        The spec; and of each data set, its modalities' names -> names in that spec.
    """
    own = {data: [_alone(spec, m) for m in spec.modalities] for data, spec in specs.items()}
    kinds: dict[str, set[Modality]] = {}
    for modalities in own.values():
        for modality in modalities:
            kinds.setdefault(modality.name, set()).add(modality)
    by_name: dict[str, Modality] = {}
    names: dict[str, dict[str, str]] = {}
    for data, modalities in own.items():
        alike = {m.name: len(kinds[m.name]) == 1 for m in modalities}
        names[data] = {m.name: m.name if alike[m.name] else f"{data}_{m.name}" for m in modalities}
        for modality in modalities:
            name = names[data][modality.name]
            by_name.setdefault(name, replace(modality, name=name))
    longest = max((m.window_s for m in by_name.values() if m.window_s), default=None)
    # Only what differs from the spec's length is a modality's own.
    members = (replace(m, window_s=None) if m.window_s == longest else m for m in by_name.values())
    return SignalSpec(modalities=tuple(members), window_s=longest), names


def union_modalities(
    stores: Sequence[Windows], splits: Sequence[SplitConfig] | None = None
) -> Reading:
    """Read several stores as one data set.

    A person is named `store/person`; labels of the same text are one label. Everybody is in the
    part that they have in their own store's split; that is the published split of them all.

    Args:
        stores: two or more, in folders of different names.
        splits: one a store; by default each store's published one, or the first of five folds where
            it has none (drawn by person where there are fewer than five).

    Raises:
        DataError: there are fewer than two, two have one name or are of the same people, or a store
            has too few people for its split.
    """
    names = [store.path.name for store in stores]
    if len(stores) < 2:
        raise DataError(f"side by side stand two stores or more, got {len(stores)}; name others")
    if len(set(names)) < len(names):
        raise DataError(f"two stores are called alike ({', '.join(names)}); rename a folder")
    for (a, first), (b, second) in combinations(zip(names, stores, strict=True), 2):
        if both := _same_people(first, second):
            raise DataError(
                f"'{a}' and '{b}' are of the same people ({min(both)}, …), who could be taught as "
                "one and tested as the other; prepare the sensors of one data set together"
            )
    spec, mapped = side_by_side({name: s.spec for name, s in zip(names, stores, strict=True)})
    views = [
        ConvertedView(store, mapped[name], spec) for name, store in zip(names, stores, strict=True)
    ]
    joined = JoinedStores(views)
    return Reading(
        spec=spec,
        windows=iter(joined),
        source=joined.source,
        label_names=joined.label_names,
        published=_published(stores, names, splits or [own_split(store) for store in stores]),
        parts={name: store.source for name, store in zip(names, stores, strict=True)},
        total=len(joined),
        ledger=_ledger(stores),
    )


def _same_people(first: Windows, second: Windows) -> set[str]:
    """Name the second store's people who are in the first, by data set and name or by a window."""
    people = set(known_people(first.subject_names, first.source, first.parts))
    others = known_people(second.subject_names, second.source, second.parts)
    names = {
        name for name, person in zip(second.subject_names, others, strict=True) if person in people
    }
    equal = np.flatnonzero(np.isin(np.asarray(second.digests), np.asarray(first.digests)))
    return names | {str(second.subjects[row]) for row in distinct_rows(second, equal)}


def _alone(spec: SignalSpec, modality: Modality) -> Modality:
    return replace(modality, window_s=spec.length_s(modality.name))


def _ledger(stores: Sequence[Windows]) -> Ledger:
    """Add up what became of what the stores were made from."""
    ledger = Ledger()
    for store in stores:
        if isinstance(store, WindowStore):
            ledger.merge(store.ledger)
    return ledger


def _published(
    stores: Sequence[Windows], names: Sequence[str], splits: Sequence[SplitConfig]
) -> dict[str, list[str]]:
    subjects: dict[str, list[str]] = {part: [] for part in PARTS}
    for name, store, split in zip(names, stores, splits, strict=True):
        for part, who in make_split(store, split).subjects(store).items():
            subjects[part] += [f"{name}/{person}" for person in who]
    return subjects


def own_split(store: Windows) -> SplitConfig:
    """Give the split that a store brings, or the first of five folds, or one by person."""
    if store.published.get("train") and store.published.get("test"):
        return SplitConfig(kind="published")
    many = len(store.subject_names) >= FOLDS
    return SplitConfig(kind="fold", folds=FOLDS) if many else SplitConfig(kind="subject")
