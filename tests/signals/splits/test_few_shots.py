"""Few windows a label, of as many people as there are."""

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.splits.splits import few_shots
from sensor2llm.signals.store.store import WindowStore
from tests.signals.stores import SPEC, make_windows


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "store"
    return WindowStore.write(folder, SPEC, make_windows(people=6, each=10, labels=("a", "b", None)))


def drawn(store, shots, seed=0, rows=None):
    rows = np.arange(len(store)) if rows is None else rows
    found = few_shots(store, rows, shots, seed)
    labels, people = np.asarray(store.labels)[found], np.asarray(store.subject_ids)[found]
    return found, labels, people


def test_each_label_has_so_many_windows_of_as_many_people(store):
    for shots in (1, 4, 6):
        found, labels, people = drawn(store, shots)
        assert found.tolist() == sorted(set(found.tolist()))
        for label in range(2):
            assert len(set(people[labels == label].tolist())) == shots
            assert np.sum(labels == label) == shots
        assert (labels >= 0).all()


def test_nobody_gives_two_windows_more_than_another(store):
    _, labels, people = drawn(store, 15)
    for label in range(2):
        counts = np.bincount(people[labels == label], minlength=6)
        assert sorted(counts.tolist()) == [2, 2, 2, 3, 3, 3]


def test_a_label_with_fewer_windows_gives_all_it_has(store):
    labels = np.asarray(store.labels)
    rows = np.concatenate([np.flatnonzero(labels == 0)[:3], np.flatnonzero(labels == 1)])
    found, kept, _ = drawn(store, 5, rows=rows)
    assert set(rows[:3].tolist()) <= set(found.tolist())
    assert np.bincount(kept).tolist() == [3, 5]
    assert np.isin(found, rows).all()


def test_the_seed_decides(store):
    assert drawn(store, 3, seed=1)[0].tolist() == drawn(store, 3, seed=1)[0].tolist()
    assert drawn(store, 3, seed=1)[0].tolist() != drawn(store, 3, seed=2)[0].tolist()


def test_the_order_of_the_rows_given_does_not_choose_the_people(store):
    rows = np.random.default_rng(0).permutation(len(store))
    _, labels, people = drawn(store, 6, rows=rows)
    assert all(len(set(people[labels == label].tolist())) == 6 for label in range(2))


def test_windows_without_labels_are_said(store):
    rows = np.flatnonzero(np.asarray(store.labels) < 0)
    assert len(rows)
    for unlabelled in (rows, []):
        with pytest.raises(DataError, match=r"^none of these windows has a label$"):
            few_shots(store, unlabelled, 2, 0)


def test_the_first_label_alone_is_a_label(store):
    rows = np.flatnonzero(np.asarray(store.labels) == 0)
    assert len(drawn(store, 2, rows=rows)[0]) == 2


def test_nobody_gives_two_before_all_gave_one_where_windows_are_many(tmp_path):
    store = WindowStore.write(tmp_path / "store", SPEC, make_windows(40, 30, labels=("a",)))
    rows = np.random.default_rng(0).permutation(len(store))
    _, _, people = drawn(store, 100, rows=rows)
    assert sorted(np.bincount(people).tolist()) == [2] * 20 + [3] * 20
