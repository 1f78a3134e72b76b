"""Splits: by people, repeatable, complete; a leak is an error."""

from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import (
    Split,
    check_leak,
    label_fraction,
    leave_one_subject_out,
    make_split,
    published_split,
    split_by_subject,
    subject_folds,
)
from sensor2llm.signals.store.store import WindowStore
from tests.signals.stores import SPEC, make_windows

PUBLISHED = {"train": [f"s{i}" for i in range(1, 9)], "test": ["s9", "s10", "s11"]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "store"
    return WindowStore.write(folder, SPEC, make_windows(people=12, each=20), published=PUBLISHED)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return WindowStore.write(
        tmp_path_factory.mktemp("data") / "store", SPEC, make_windows(people=2)
    )


def people(store, split):
    return {part: set(names) for part, names in split.subjects(store).items()}


def test_every_window_is_in_one_part_and_nobody_in_two(store):
    split = split_by_subject(store, seed=0)
    rows = np.concatenate([split.train, split.validation, split.test])
    assert sorted(rows.tolist()) == list(range(len(store)))
    parts = people(store, split)
    assert not parts["train"] & parts["test"]
    assert [len(parts[p]) for p in ("train", "validation", "test")] == [8, 2, 2]


def test_the_seed_decides_and_the_order_of_writing_does_not(store, tmp_path):
    shuffled = sorted(make_windows(people=12, each=20), key=lambda w: (w.subject or "")[::-1])
    other = WindowStore.write(tmp_path / "other", SPEC, shuffled)
    for seed in range(3):
        assert people(store, split_by_subject(store, seed)) == people(
            other, split_by_subject(other, seed)
        )
    assert people(store, split_by_subject(store, 0)) != people(store, split_by_subject(store, 1))


def test_published_test_people_stay_and_validation_comes_from_training_people(store):
    parts = people(store, published_split(store, seed=0, validation_share=0.25))
    assert parts["test"] == set(PUBLISHED["test"])
    assert parts["train"] | parts["validation"] == set(PUBLISHED["train"])
    assert len(parts["validation"]) == 2
    assert parts == people(store, published_split(store, seed=0, validation_share=0.25))
    assert "s12" not in set.union(*parts.values())


def test_published_validation_people_are_used_as_they_are(tmp_path):
    published = {"train": ["s1", "s2"], "validation": ["s4"], "test": ["s3"]}
    store = WindowStore.write(tmp_path / "store", SPEC, make_windows(4), published=published)
    assert people(store, published_split(store, seed=5)) == {
        k: set(v) for k, v in published.items()
    }


def test_folds_test_everybody_once(store):
    parts = [people(store, split) for split in subject_folds(store, folds=5, seed=1)]
    tested = [person for part in parts for person in part["test"]]
    assert sorted(tested) == sorted(store.subject_names)
    assert all(part["validation"] and len(part["train"]) >= 7 for part in parts)


def test_leave_one_subject_out_is_in_the_order_of_people(store):
    tests = [next(iter(people(store, split)["test"])) for split in leave_one_subject_out(store)]
    assert tests == [f"s{i}" for i in range(1, 13)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SplitConfig(kind="published"), {"s9", "s10", "s11"}),
        (SplitConfig(kind="loso", fold=11), {"s12"}),
        (SplitConfig(kind="subject", seed=4), None),
        (SplitConfig(kind="fold", fold=2, folds=4), None),
    ],
)
def test_make_split_follows_the_config(store, config, expected):
    split = make_split(store, config)
    if expected:
        assert people(store, split)["test"] == expected
    assert people(store, split) == people(store, make_split(store, config))


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_make_split_hands_on_seed_fold_and_shares(store, share):
    options = {"seed": 4, "validation_share": share, "fold": 2, "folds": 4}
    for kind, expected in (
        ("published", published_split(store, 4, share)),
        ("fold", subject_folds(store, 4, 4, share)[2]),
        ("loso", leave_one_subject_out(store, 4, share)[2]),
        ("subject", split_by_subject(store, 4, share, 0.4)),
    ):
        found = make_split(store, SplitConfig(kind=kind, test_share=0.4, **options))
        assert people(store, found) == people(store, expected)


def test_one_data_set_of_several_is_left_out(tmp_path):
    names = ("home/1", "home/2", "lab/1", "lab/2", "lab/3", "street/1")
    windows = [
        replace(window, subject=names[int(str(window.subject)[1:]) - 1])
        for window in make_windows(people=len(names))
    ]
    sources = {"home": "Home 2020", "lab": "Lab 2021", "street": "Street 2022"}
    joined = WindowStore.write(tmp_path / "store", SPEC, windows, parts=sources)
    parts = people(joined, make_split(joined, SplitConfig(kind="data_set", fold=1)))
    assert parts["test"] == {"lab/1", "lab/2", "lab/3"}
    assert parts["train"] | parts["validation"] == {"home/1", "home/2", "street/1"}
    assert len(parts["validation"]) == 1
    with pytest.raises(DataError, match="is of 3 data sets side by side; to leave out number 3"):
        make_split(joined, SplitConfig(kind="data_set", fold=3))
    alone = WindowStore.write(tmp_path / "alone", SPEC, make_windows())
    with pytest.raises(DataError, match="is of 1 data sets side by side; to leave out number 0"):
        make_split(alone, SplitConfig(kind="data_set"))


def test_a_person_in_two_parts_is_a_leak(store):
    split = Split(train=np.arange(0, 30), validation=np.arange(40, 60), test=np.arange(30, 40))
    with pytest.raises(DataError, match="leak: subject s2 has windows in both train and test"):
        check_leak(store, split)


def test_an_empty_part_is_an_error(store):
    nothing = np.array([], np.int64)
    with pytest.raises(DataError, match="the validation part holds no window"):
        check_leak(store, Split(train=np.arange(20), validation=nothing, test=np.arange(20, 40)))


def test_too_few_people_are_an_error_that_says_how_many(small):
    for make, purpose, needed in (
        (lambda: split_by_subject(small, 0), "train, validation and test", 3),
        (lambda: leave_one_subject_out(small), "train, validation and test", 3),
        (lambda: subject_folds(small, 5), "5 folds with validation people", 5),
        (lambda: subject_folds(small, 2), "2 folds with validation people", 4),
        (
            lambda: make_split(small, SplitConfig(kind="loso", fold=7)),
            "leaving out person number 7", 8,
        ),
    ):  # fmt: skip
        with pytest.raises(DataError) as caught:
            make()
        assert str(caught.value) == (
            f"{purpose} need at least {needed} people, the store has 2; add people or choose "
            "another split"
        )


def test_three_people_are_enough_for_every_split_that_is_drawn(tmp_path):
    three = WindowStore.write(tmp_path / "store", SPEC, make_windows(people=3))
    splits = [split_by_subject(three, 0, 0.9, 0.9), *leave_one_subject_out(three)]
    splits.append(make_split(three, SplitConfig(kind="loso", fold=1)))
    for split in [*splits, *subject_folds(three, 3)]:
        sizes = {part: len(names) for part, names in people(three, split).items()}
        assert sum(sizes.values()) == 3
        assert min(sizes.values()) == 1


def test_a_seed_keeps_its_people(store):
    """A split is drawn again wherever an adapter is evaluated: another draw would be a leak."""
    parts = people(store, split_by_subject(store, seed=0))
    assert (parts["validation"], parts["test"]) == ({"s2", "s5"}, {"s3", "s10"})
    fold = people(store, subject_folds(store, folds=5, seed=1)[2])
    assert (fold["validation"], fold["test"]) == ({"s4", "s9"}, {"s2", "s10"})


def test_the_smallest_share_is_one_person(store):
    parts = people(store, split_by_subject(store, 0, validation_share=0.01, test_share=0.01))
    assert (len(parts["validation"]), len(parts["test"])) == (1, 1)


def test_shares_folds_and_seeds_have_their_defaults(store):
    for found, expected in (
        ([split_by_subject(store, 3)], [split_by_subject(store, 3, 0.15, 0.2)]),
        ([published_split(store, 3)], [published_split(store, 3, 0.2)]),
        (leave_one_subject_out(store), leave_one_subject_out(store, 0, 0.2)),
        (subject_folds(store), subject_folds(store, 5, 0, 0.2)),
    ):
        assert [people(store, s) for s in found] == [people(store, s) for s in expected]


def test_everybody_is_a_test_person_where_nobody_was_trained_on(store):
    split = Split.everybody(store)
    assert split.test.tolist() == split["all"].tolist() == list(range(len(store)))
    assert (split.train.tolist(), split.validation.tolist()) == ([], [])


def test_no_published_split_is_an_error(small, tmp_path):
    for published, named in (({}, "none"), ({"train": ["s1"]}, "['train']")):
        folder = tmp_path / named
        half = WindowStore.write(folder, SPEC, make_windows(2), published=published)
        with pytest.raises(DataError) as caught:
            published_split(half, 0)
        assert str(caught.value) == (
            f"'{folder}' has no published split (it names {named}, train and test are needed); "
            "take kind subject, fold or loso"
        )
    published = {"train": ["s1"], "test": ["s2"]}
    store = WindowStore.write(tmp_path / "one", SPEC, make_windows(2), published=published)
    with pytest.raises(
        DataError, match=r"^train and validation \(published training people\) need"
    ):
        published_split(store, 0)
    published = {"train": ["s1", "s3"], "test": ["s2"]}
    store = WindowStore.write(tmp_path / "two", SPEC, make_windows(3), published=published)
    assert people(store, published_split(store, 0))["test"] == {"s2"}
    published = {"train": ["s1", "s2"], "test": ["nobody"]}
    store = WindowStore.write(tmp_path / "store", SPEC, make_windows(2), published=published)
    with pytest.raises(DataError, match="no published test person"):
        published_split(store, 0)


def test_an_unknown_part_is_an_error(store):
    with pytest.raises(DataError, match="unknown split 'dev'; choose from train, validation, test"):
        split_by_subject(store, 0)["dev"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "random"}, "unknown split kind 'random'; choose from published, subject"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
        ({"kind": "fold", "fold": 5}, "fold must be 0 to 4, got 5"),
        ({"fold": -1}, "fold must be"),
        ({"test_share": 0.0}, "test_share must lie between 0 and 1, got 0"),
        ({"validation_share": 1.0}, "validation_share must lie between 0 and 1, got 1"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        SplitConfig(**options)


def test_a_block_fraction_is_one_run_of_each_person_and_class(store):
    rows = np.arange(100)
    kept = label_fraction(store, rows, 0.3, seed=0)
    for person in range(5):
        for label in range(2):
            group = [r for r in kept if store.subject_ids[r] == person and store.labels[r] == label]
            assert len(group) == 3
            assert group == list(range(group[0], group[0] + 3))
    assert kept.tolist() == label_fraction(store, rows, 0.3, seed=0).tolist()
    assert kept.tolist() != label_fraction(store, rows, 0.3, seed=1).tolist()


def test_a_subject_fraction_keeps_whole_people_and_is_nested(store):
    rows = np.arange(200)
    some = label_fraction(store, rows, 0.3, seed=2, by="subject")
    more = label_fraction(store, rows, 0.6, seed=2, by="subject")
    assert len(some) == 60
    assert len(set(np.asarray(store.subject_ids)[some])) == 3
    assert set(some) < set(more)


@pytest.mark.parametrize("by", ["block", "subject"])
def test_a_small_fraction_keeps_something_and_one_keeps_all(store, by):
    least = label_fraction(store, np.arange(40), 0.001, 0, by)
    assert len(least) == (20 if by == "subject" else 2 * 2)
    assert label_fraction(store, np.arange(40), 1.0, 0, by).tolist() == list(range(40))


def test_fractions_are_checked(store, tmp_path):
    with pytest.raises(DataError, match="must lie above 0 and up to 1, got 0"):
        label_fraction(store, [0], 0.0, 0)
    with pytest.raises(DataError, match="unknown way 'window'"):
        label_fraction(store, [0], 0.5, 0, by="window")
    unlabelled = WindowStore.write(tmp_path / "store", SPEC, make_windows(1, labels=()))
    for rows in ([0], []):
        with pytest.raises(DataError, match=r"^none of these windows has a label$"):
            label_fraction(unlabelled, rows, 0.5, 0)
    with pytest.raises(DataError, match=r"up to 1, got 1\.5"):
        label_fraction(store, [0], 1.5, 0)


def test_rows_are_kept_in_order_whatever_their_order_was(store):
    rows = np.arange(100)
    kept = label_fraction(store, rows[::-1].tolist(), 0.3, seed=0)
    assert kept.tolist() == label_fraction(store, rows, 0.3, seed=0).tolist()


@pytest.fixture
def store_with_simulated(tmp_path) -> WindowStore:
    """Give six people, of whom each has windows that were made of their own."""
    measured = make_windows(people=6, each=8)
    made = [
        replace(window, subject=f"{window.subject}~simulated", signals=doubled(window))
        for window in make_windows(people=6, each=8)
    ]
    return WindowStore.write(tmp_path / "simulated", SPEC, [*measured, *made])


def doubled(window):
    return {name: 2 * values for name, values in window.signals.items()}


@pytest.mark.parametrize(
    "config",
    [
        SplitConfig(kind="subject"),
        SplitConfig(kind="fold", folds=3, fold=1),
        SplitConfig(kind="loso", fold=2),
    ],
)
def test_simulated_windows_teach_with_their_person_and_judge_nobody(store_with_simulated, config):
    store = store_with_simulated
    split = make_split(store, config)
    people = {part: set(store.subjects[split[part]].tolist()) for part in ("validation", "test")}
    assert not any(name.endswith("~simulated") for who in people.values() for name in who)
    taught = set(store.subjects[split.train].tolist())
    real = {name for name in taught if not name.endswith("~simulated")}
    assert taught == real | {f"{name}~simulated" for name in real}
    assert sum(map(len, split.subjects(store).values())) == 6
    assert set(split.subjects(store)["train"]) == real


def test_simulated_windows_are_never_tested_where_everybody_is(store_with_simulated):
    test = Split.everybody(store_with_simulated).test
    assert len(test) == len(store_with_simulated) // 2
    assert "s1~simulated" not in store_with_simulated.subjects[test]


def test_a_split_that_puts_a_person_and_their_simulated_windows_apart_is_a_leak(
    store_with_simulated,
):
    store = store_with_simulated
    own = [np.flatnonzero(store.subjects == name) for name in ("s1", "s1~simulated", "s2")]
    with pytest.raises(DataError, match="leak: subject 's1~simulated' = 's1' has windows in both"):
        check_leak(store, Split(train=own[1], validation=own[2], test=own[0]))
