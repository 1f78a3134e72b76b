"""One person on both sides: in two parts of a split, or among those who taught an encoder.

People are known by data set and name (`sensor2llm.signals.splits.people`), and by their windows:
equal signals under two names are one person's. Windows that stand still tell nobody apart.
"""

import functools
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Int

from sensor2llm.errors import DataError
from sensor2llm.signals.splits.people import known_people
from sensor2llm.signals.store.windows import Indices, Windows

logger = logging.getLogger(__name__)
Rows = Int[np.ndarray, " window"]
# Fewer different values in each of a window's channels tell nobody apart.
LEAST_VALUES = 4
NAMED = 5
_SHARED: WeakKeyDictionary[Windows, list[Rows]] = WeakKeyDictionary()


def check_parts(store: Windows, parts: Mapping[str, Rows]) -> None:
    """Raise where a person is in two parts, under one name or under two.

    A few equal windows under two names are logged; half of a person's are a leak.
    """
    _check_names(store, parts)
    _check_windows(store, parts)


def distinct_rows(store: Windows, rows: Indices) -> Iterator[int]:
    """Yield the rows whose signals move enough to be told from anybody else's."""
    axes = {modality.name: modality.axis for modality in store.spec.modalities}
    for row in rows:
        signals = store[int(row)].signals
        moving = (values for name, values in signals.items() if axes[name] != "none")
        if any(len(np.unique(channel)) >= LEAST_VALUES for values in moving for channel in values):
            yield int(row)


def listed(names: Sequence[str]) -> str:
    """Give names for a message: the first few, and how many more."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _check_names(store: Windows, parts: Mapping[str, Rows]) -> None:
    ids, names = np.asarray(store.subject_ids), store.subject_names
    persons = known_people(names, store.source, store.parts)
    people = {
        part: {persons[i]: names[i] for i in np.unique(ids[rows]).tolist()}
        for part, rows in parts.items()
    }
    for first, second in combinations(parts, 2):
        both = sorted(people[first].keys() & people[second].keys())
        pairs = [(people[first][person], people[second][person]) for person in both]
        shared = [one if one == other else f"{one!r} = {other!r}" for one, other in pairs]
        if shared:
            raise DataError(
                f"leak: subject {listed(shared)} has windows in both {first} and {second}; "
                "every person belongs in one part"
            )


def _check_windows(store: Windows, parts: Mapping[str, Rows]) -> None:
    part_of = dict[int, str]()
    shared = _shared_windows(store)
    for part, rows in parts.items() if shared else ():
        part_of |= dict.fromkeys(rows.tolist(), part)
    ids, pairs = np.asarray(store.subject_ids), Counter[tuple[tuple[str, int], ...]]()
    for rows in shared:
        people = sorted({(part_of[r], int(ids[r])) for r in rows.tolist() if r in part_of})
        pairs.update(p for p in combinations(people, 2) if p[0][0] != p[1][0])
    counts, repeats = np.bincount(ids), []
    for pair, count in pairs.most_common():
        one, other = (f"{store.subject_names[i]!r} ({part})" for part, i in pair)
        if 2 * count >= min(counts[i] for _, i in pair):
            raise DataError(
                f"leak: {count} windows of {one} are those of {other}: one person under two "
                "names; give them one name, or leave one out"
            )
        repeats.append(f"{count} windows of {one} are those of {other}")
    if repeats:
        _say_once(f"{listed(repeats)}; if these are one person, write one name")


@functools.cache
def _say_once(message: str) -> None:
    logger.warning(message)


def _shared_windows(store: Windows) -> list[Rows]:
    """Give the rows of each window that several people have; looked for once a store."""
    if store not in _SHARED:
        _, digest = np.unique(store.digests, return_inverse=True)
        owners = np.unique(np.stack([digest, np.asarray(store.subject_ids)]), axis=1)[0]
        rows = np.flatnonzero((np.bincount(owners) > 1)[digest])
        order = rows[np.argsort(digest[rows], kind="stable")]
        groups = np.split(order, np.flatnonzero(np.diff(digest[order])) + 1) if len(order) else []
        _SHARED[store] = [g for g in groups if list(distinct_rows(store, g[:1]))]
    return _SHARED[store]
