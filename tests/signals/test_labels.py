"""Labels that cannot be learnt are refused; those that look wrong are named."""

import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.labels import check_labels, warn_of_labels, warn_of_spellings
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from tests.signals.stores import SPEC, make_windows


@pytest.fixture
def stored(tmp_path):
    """Give a function that writes a store of four people, with a function of person and label."""

    def write(label_of=lambda person, label: label, label_names=None):
        windows = []
        for window in make_windows(people=4, drop=False):
            object.__setattr__(window, "label", label_of(window.subject, window.label))
            windows.append(window)
        store = WindowStore.write(tmp_path / "store", SPEC, windows, label_names)
        return store, make_split(store, SplitConfig())

    return write


def people(store, split, part):
    return split.subjects(store)[part]


def test_two_classes_in_training_and_some_label_in_validation_will_do(stored, caplog):
    check_labels(*stored())
    warn_of_labels(*stored())
    assert not caplog.messages


def test_an_unlabelled_store_is_refused(stored):
    with pytest.raises(DataError, match=r"none of the 16 train windows of '.*store' has a label"):
        check_labels(*stored(lambda person, label: None))


def test_unlabelled_validation_people_are_refused(stored):
    who = people(*stored(), "validation")
    store, split = stored(lambda person, label: None if person in who else label)
    with pytest.raises(DataError, match="none of the 8 validation windows"):
        check_labels(store, split)


def test_one_class_is_refused(stored):
    with pytest.raises(DataError, match=r"all labelled training windows of '.*' are 'walk'; at le"):
        check_labels(*stored(lambda person, label: "walk"))


def test_one_class_among_the_training_people_is_refused_and_named(stored):
    who = people(*stored(), "train")
    store, split = stored(lambda person, label: "rest" if person in who else label)
    with pytest.raises(DataError, match="are 'rest'; at least two classes"):
        check_labels(store, split)


def test_a_class_that_only_others_have_is_named(stored, caplog):
    who = people(*stored(), "test")
    store, split = stored(lambda person, label: "run" if person in who else label)
    warn_of_labels(store, split)
    assert caplog.messages == ["warning: no training window is 'run'; it cannot be learnt"]


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (["Walking", "walking", "walking "], "'Walking', 'walking', 'walking '"),
        (["walking up", "rest", "Walking  UP"], "'walking up', 'Walking  UP'"),
        (["rest", "STRASSE", "straße"], "'STRASSE', 'straße'"),
        (["rest", "\u00a0rest", "walk"], "'rest', '\u00a0rest'"),
    ],
)
def test_labels_spelled_almost_alike_are_named(labels, named, caplog):
    warn_of_spellings(labels)
    (line,) = caplog.messages
    assert line.startswith(f"warning: the labels {named} differ in case or blanks only")


def test_labels_that_differ_are_not(caplog):
    warn_of_spellings(["walk", "walk up", "walkup", "W", "N1", "N2"])
    assert not caplog.messages
