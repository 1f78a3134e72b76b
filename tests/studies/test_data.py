"""Views of a store: some people, some modalities, and who validates."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.studies.config import StoreConfig
from sensor2llm.studies.data import divide, mark, open_data
from tests.studies.toy_study import LABELS, NAMES, make_windows, write_store

LOSO = SplitConfig(kind="loso")


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return write_store(tmp_path_factory.mktemp("data") / "store", source="Toy", people=10)


def test_without_choices_a_study_reads_the_store_itself(path):
    assert isinstance(open_data(StoreConfig(path=path)), WindowStore)


def test_some_people_are_a_store_of_their_own(path):
    chosen = ("p10", "p2", "p7")
    view = open_data(StoreConfig(path=path, people=chosen))
    expected = [w for w in make_windows(people=10) if w.subject in chosen]
    assert set(view.subject_names) == set(chosen)
    assert len(view) == len(expected)
    for i, (given, kept) in enumerate(zip(view, expected, strict=True)):
        assert (given.subject, given.label, given.start_s) == (
            kept.subject, kept.label, kept.start_s,
        )  # fmt: skip
        assert given.signals.keys() == kept.signals.keys()
        for name, values in kept.signals.items():
            np.testing.assert_array_equal(given.signals[name], values.astype(np.float32))
        assert view.subjects[i] == kept.subject
    assert view[-1].subject == "p10"
    assert (view.label_names, view.source, view.path) == (LABELS, "Toy", path)


def test_some_modalities_of_some_people_are_read(path):
    config = StoreConfig(path=path, people=("p1", "p2", "p3"), modalities=NAMES[::2])
    view = open_data(config)
    assert view.spec.names == ("watch_acc", "phone_acc")
    full = open_data(StoreConfig(path=path, people=("p1", "p2", "p3")))
    rows = [0, 5, 20]
    for name in view.spec.names:
        np.testing.assert_array_equal(view.read(rows)[name], full.read(rows)[name])
    assert list(view.read(rows, ["phone_acc"])) == ["phone_acc"]


def test_a_view_survives_the_way_to_another_process(path):
    view = open_data(StoreConfig(path=path, people=("p3", "p1")))
    again = pickle.loads(pickle.dumps(view))
    np.testing.assert_array_equal(again.read([3])["watch_acc"], view.read([3])["watch_acc"])
    assert again.subject_names == view.subject_names


def test_a_person_or_modality_that_is_not_there_is_an_error(path):
    with pytest.raises(DataError, match="has no person 'p11'; it has p1, p2"):
        open_data(StoreConfig(path=path, people=("p1", "p11")))
    with pytest.raises(SpecError, match="unknown modality 'ecg'; the spec has watch_acc"):
        open_data(StoreConfig(path=path, modalities=("ecg",)))


@pytest.mark.parametrize(
    ("fold", "test", "before"), [(0, "p1", "p10"), (1, "p2", "p1"), (9, "p10", "p9")]
)
def test_the_previous_person_validates_and_the_last_for_the_first(path, fold, test, before):
    config = StoreConfig(path=path, split=LOSO, validation="previous")
    store = open_data(config)
    people = divide(config, store, fold).subjects(store)
    assert people["test"] == (test,)
    assert people["validation"] == (before,)
    assert set(people["train"]) == {f"p{i}" for i in range(1, 11)} - {test, before}


def test_drawn_people_validate_by_default(path):
    config = StoreConfig(path=path, split=replace(LOSO, validation_share=0.3))
    store = open_data(config)
    people = divide(config, store, 4).subjects(store)
    assert people["test"] == ("p5",)
    assert len(people["validation"]) == 3


def test_a_store_prepared_otherwise_has_another_mark(tmp_path):
    config = StoreConfig(path=write_store(tmp_path / "store"))
    first = mark(config)
    assert mark(config) == first
    write_store(tmp_path / "store")
    assert mark(config) == first
    write_store(tmp_path / "store", each=10)
    assert mark(config) != first
    write_store(tmp_path / "store", unlabelled=1)
    assert mark(config) != first
    write_store(tmp_path / "store", seed=1)
    assert mark(config) != first


def test_a_store_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match="is not a window store"):
        mark(StoreConfig(path=tmp_path))
