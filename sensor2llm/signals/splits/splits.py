"""Divide a store by people: nobody is in two parts, whatever the windows' overlap."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from sensor2llm.errors import DataError
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.leaks import check_parts
from sensor2llm.signals.splits.people import is_simulated, simulated_of
from sensor2llm.signals.store.windows import Indices, Windows

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Hold the store rows of each part, in ascending order; `subjects` says whose they are.

    `split["all"]` are the rows of all parts together.
    """

    train: Int[np.ndarray, " train"]
    validation: Int[np.ndarray, " validation"]
    test: Int[np.ndarray, " test"]

    def __getitem__(self, part: str) -> Int[np.ndarray, " window"]:
        if part == "all":
            return np.sort(np.concatenate([self.train, self.validation, self.test]))
        if part not in PARTS:
            raise DataError(f"unknown split {part!r}; choose from {', '.join(PARTS)}")
        return getattr(self, part)

    @classmethod
    def everybody(cls, store: Windows) -> "Split":
        """Make every measured window a test window: nobody here has taught what is judged."""
        nobody = np.arange(0)
        return cls(train=nobody, validation=nobody, test=_rows(store, _people(store)))

    def subjects(self, store: Windows) -> dict[str, tuple[str, ...]]:
        """Give the people of each part: what it takes to make this split again."""
        ids = np.asarray(store.subject_ids)
        return {
            part: tuple(
                name
                for i in np.unique(ids[self[part]]).tolist()
                if not is_simulated(name := store.subject_names[i])
            )
            for part in PARTS
        }


def split_by_subject(
    store: Windows, seed: int, validation_share: float = 0.15, test_share: float = 0.2
) -> Split:
    """Draw test people from all, then validation people from the rest; at least one each."""
    people = _people(store)
    _need(len(people), 3, "train, validation and test")
    order = _shuffled(people, seed)
    count = min(_share(test_share, len(order)), len(order) - 2)
    return _split_off_validation(store, order[count:], order[:count], validation_share, seed)


def published_split(store: Windows, seed: int, validation_share: float = 0.2) -> Split:
    """Take the data set's own test people; validation people come from its training people.

    A published `validation` list is used as it is. People in no list are in no part.
    """
    lists = store.published
    if not lists.get("train") or not lists.get("test"):
        raise DataError(
            f"'{store.path}' has no published split (it names {sorted(lists) or 'none'}, "
            "train and test are needed); take kind subject, fold or loso"
        )
    here = {part: [p for p in _people(store) if p in set(lists.get(part, ()))] for part in PARTS}
    if not here["test"]:
        raise DataError(f"'{store.path}' holds windows of no published test person")
    if here["validation"]:
        return _checked(store, **here)
    _need(len(here["train"]), 2, "train and validation (published training people)")
    return _split_off_validation(store, here["train"], here["test"], validation_share, seed)


def leave_one_subject_out(
    store: Windows, seed: int = 0, validation_share: float = 0.2
) -> list[Split]:
    """Make one split a person, in the people's order: that person is the test."""
    people = _people(store)
    _need(len(people), 3, "train, validation and test")
    return [_loso(store, people, i, seed, validation_share) for i in range(len(people))]


def _loso(
    store: Windows, people: Sequence[str], i: int, seed: int, validation_share: float
) -> Split:
    rest = [person for person in people if person != people[i]]
    return _split_off_validation(store, rest, [people[i]], validation_share, seed)


def subject_folds(
    store: Windows, folds: int = 5, seed: int = 0, validation_share: float = 0.2
) -> list[Split]:
    """Make `folds` splits: everybody is tested once; validation people come from the others."""
    people = _people(store)
    # Half of three people may be two, and one is left to train and to choose on.
    _need(len(people), max(folds, 3 if folds > 2 else 4), f"{folds} folds with validation people")
    groups = np.array_split(np.array(_shuffled(people, seed)), folds)
    return [
        _split_off_validation(
            store, [p for p in people if p not in set(group)], group, validation_share, seed
        )
        for group in (group.tolist() for group in groups)
    ]


def leave_data_set_out(store: Windows, number: int, seed: int, share: float) -> Split:
    """Make one data set of several side by side, in the store's order, the test."""
    names, people = list(store.parts), _people(store)
    if number >= len(names) or len(names) < 2:
        raise DataError(
            f"'{store.path}' is of {len(names) or 1} data sets side by side; to leave out number "
            f"{number}, counted from 0, join more"
        )
    test = [person for person in people if person.partition("/")[0] == names[number]]
    rest = [person for person in people if person not in test]
    return _split_off_validation(store, rest, test, share, seed)


def make_split(store: Windows, config: SplitConfig) -> Split:
    """Make the split that the config names, and check it for leaks.

    Raises:
        DataError: If the store has too few people for it or no published split.
    """
    seed, share = config.seed, config.validation_share
    if config.kind == "published":
        split = published_split(store, seed, share)
    elif config.kind == "fold":
        split = subject_folds(store, config.folds, seed, share)[config.fold]
    elif config.kind == "loso":
        people = _people(store)
        _need(len(people), max(3, config.fold + 1), f"leaving out person number {config.fold}")
        split = _loso(store, people, config.fold, seed, share)
    elif config.kind == "data_set":
        split = leave_data_set_out(store, config.fold, seed, share)
    else:
        split = split_by_subject(store, seed, share, config.test_share)
    check_leak(store, split)
    return split


def check_leak(store: Windows, split: Split) -> None:
    """Raise unless no person is in two parts, known by data set, name and windows.

    Windows overlap only within one person's recording, so this also keeps every overlapping pair
    in one part.

    Raises:
        DataError: If a person, and with them overlapping windows, is in two parts; or a part that
            is trained or chosen on is empty.
    """
    parts = {part: split[part] for part in PARTS}
    for part, rows in parts.items():
        if not len(rows):
            raise DataError(f"the {part} part holds no window; give it people")
    check_parts(store, parts)


def label_fraction(
    store: Windows,
    indices: Indices,
    fraction: float,
    seed: int,
    by: Literal["block", "subject"] = "block",
) -> Int[np.ndarray, " window"]:
    """Keep the labels of a share of these windows; returns the rows kept, all labelled.

    `block` keeps, of every person and class, one run of neighbouring windows (rows that follow each
    other in the store), at least one window: overlapping neighbours of a kept window are not
    scattered over the recording. `subject` keeps all windows of a share of the people, at least one
    person; a larger fraction holds a smaller one of the same seed.

    Raises:
        DataError: If the fraction is not in (0, 1], or no window is labelled.
    """
    if not 0.0 < fraction <= 1.0:
        raise DataError(f"a label fraction must lie above 0 and up to 1, got {fraction:g}")
    rows = np.sort(np.asarray(indices, dtype=np.int64))
    rows = rows[np.asarray(store.labels)[rows] >= 0]
    if rows.size == 0:
        raise DataError("none of these windows has a label")
    people = np.asarray(store.subject_ids)[rows]
    generator = np.random.default_rng(seed)
    if by == "subject":
        order = generator.permutation(np.unique(people))
        return rows[np.isin(people, order[: _at_least(fraction, len(order))])]
    if by != "block":
        raise DataError(f"unknown way {by!r} to take labels; choose from block, subject")
    groups = people.astype(np.int64) * len(store.label_names) + np.asarray(store.labels)[rows]
    blocks = [_block(rows[groups == g], fraction, generator) for g in np.unique(groups).tolist()]
    return np.sort(np.concatenate(blocks))


def few_shots(
    store: Windows, indices: Indices, shots: int, seed: int
) -> Int[np.ndarray, " window"]:
    """Draw so many windows of each label, of as many different people as there are.

    A label with fewer windows gives all it has.

    Raises:
        DataError: If no window is labelled.
    """
    rows = np.asarray(indices, dtype=np.int64)
    labels, people = np.asarray(store.labels)[rows], np.asarray(store.subject_ids)[rows]
    if not (labels >= 0).any():
        raise DataError("none of these windows has a label")
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels[labels >= 0]):
        order = generator.permutation(np.flatnonzero(labels == label))
        # Everybody's first windows come before anybody's second.
        chosen.append(rows[order[np.argsort(_turns(people[order]), kind="stable")[:shots]]])
    return np.sort(np.concatenate(chosen))


def _turns(people: np.ndarray) -> np.ndarray:
    """Count at each place how often its person came before."""
    by_person = np.argsort(people, kind="stable")
    sorted_people = people[by_person]
    turns = np.empty(len(people), np.int64)
    turns[by_person] = np.arange(len(people)) - np.searchsorted(sorted_people, sorted_people)
    return turns


def _block(rows: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    count = _at_least(fraction, len(rows))
    start = int(generator.integers(len(rows) - count + 1))
    return rows[start : start + count]


def _people(store: Windows) -> list[str]:
    # "2" before "10"; independent of the order in which they were written.
    names = (name for name in store.subject_names if not is_simulated(name))
    return sorted(names, key=lambda name: (len(name), name))


def _shuffled(people: Sequence[str], seed: int) -> list[str]:
    order = np.random.default_rng(seed).permutation(len(people))
    return [people[i] for i in order.tolist()]


def _share(share: float, count: int) -> int:
    return max(1, round(share * count))


def _at_least(share: float, count: int) -> int:
    # 1e-9: 0.1 * 30 is a little over 3, and three are meant.
    return max(1, math.ceil(share * count - 1e-9))


def _need(people: int, needed: int, purpose: str) -> None:
    if people < needed:
        raise DataError(
            f"{purpose} need at least {needed} people, the store has {people}; "
            "add people or choose another split"
        )


def _split_off_validation(
    store: Windows, rest: Sequence[str], test: Sequence[str], share: float, seed: int
) -> Split:
    # Another stream than the one that drew the test people.
    order = np.random.default_rng((seed, 1)).permutation(len(rest))
    count = min(_share(share, len(rest)), len(rest) - 1)
    validation = {rest[i] for i in order[:count].tolist()}
    train = [person for person in rest if person not in validation]
    return _checked(store, train=train, validation=validation, test=test)


def _checked(
    store: Windows, train: Sequence[str], validation: Iterable[str], test: Iterable[str]
) -> Split:
    split = Split(
        train=_rows(store, [*train, *map(simulated_of, train)]),
        validation=_rows(store, validation),
        test=_rows(store, test),
    )
    check_leak(store, split)
    return split


def _rows(store: Windows, people: Iterable[str]) -> Int[np.ndarray, " window"]:
    wanted = set(people)
    ids = [i for i, name in enumerate(store.subject_names) if name in wanted]
    return np.flatnonzero(np.isin(store.subject_ids, ids))
