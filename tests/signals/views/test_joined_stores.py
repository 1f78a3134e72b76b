"""Several stores as one: rows follow each other, people are never mixed up, labels are united."""

import pickle

import numpy as np
import pytest

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import DataError
from sensor2llm.pretraining.config import CroSSLConfig
from sensor2llm.pretraining.run import finetune, pretrain
from sensor2llm.signals.common_spec import common_spec
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import Split, check_leak, label_fraction, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.views.joined import JoinedStores
from sensor2llm.signals.window import Window
from sensor2llm.training.config import LoopConfig
from tests.signals.stores import SPEC, make_windows
from tests.signals.views.test_mapped_store import Watched, spec_of, timed

SMALL = EncoderConfig(width=8, kernels=(4, 4, 4), aggregator_width=8)
LOOP = LoopConfig(epochs=1, batch_size=16, precision="float32")


def wrist_windows(people=4, each=6):
    """Give windows of other people with the same names, at another rate, in another unit."""
    rng = np.random.default_rng(5)
    for person in range(people):
        for i in range(each):
            label = ("walk", "run", None)[i % 3]
            values = {"watch": rng.normal(9.8, 3, (3, 80)), "skin": rng.normal(2, 1, (1, 16))}
            yield Window(values, subject=f"s{person + 1}", label=label, start_s=4.0 * i)


WRIST = spec_of(timed("watch", "m/s^2", 20.0, 4.0), timed("skin", "uS", 4.0, 4.0, "e"))
NAMES = [{"accel": "accel", "rr": "rr"}, {"watch": "accel", "skin": "eda"}]


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    base = tmp_path_factory.mktemp("data")
    lab = WindowStore.write(base / "lab", SPEC, make_windows(), source="the lab")
    wrist = WindowStore.write(base / "wrist", WRIST, wrist_windows(), source="a watch")
    spec = common_spec([SPEC, WRIST], NAMES)
    return [ConvertedView(s, n, spec) for s, n in zip([lab, wrist], NAMES, strict=True)]


@pytest.fixture(scope="module")
def joined(views):
    return JoinedStores(views)


def test_windows_are_those_of_the_stores_one_after_the_other(views, joined):
    assert len(joined) == sum(len(view) for view in views)
    both = [("lab", w) for w in views[0]] + [("wrist", w) for w in views[1]]
    for window, (name, theirs) in zip(joined, both, strict=True):
        assert window.subject == f"{name}/{theirs.subject}"
        assert (window.label, window.start_s) == (theirs.label, theirs.start_s)
        assert window.signals.keys() == theirs.signals.keys()
        for key, values in theirs.signals.items():
            np.testing.assert_array_equal(window.signals[key], values)
    assert joined[-1].subject == "wrist/s4"
    assert joined.label_names == ("rest", "walk", "run")
    assert (str(joined.path), joined.source) == ("lab+wrist", "the lab; a watch")
    assert joined.published == {}
    np.testing.assert_array_equal(joined.present, np.concatenate([view.present for view in views]))


def test_rows_are_read_in_any_order_from_the_stores_that_have_them(views):
    watched = [Watched(view) for view in views]
    joined, first = JoinedStores(watched), len(views[0])
    rows = np.array([first + 2, 0, first, 7, 7, -1])
    read = joined.read(rows)
    for name in joined.spec.names:
        for row, values in zip(rows, read[name], strict=True):
            expected = joined[row].signals.get(name, np.zeros(joined.spec[name].shape))
            np.testing.assert_array_equal(values, expected)
    for store in watched:
        store.asked.clear()
    read = joined.read([first + 1, first + 3], ["eda"])
    assert list(read) == ["eda"]
    assert (watched[0].asked, watched[1].asked) == ([], [(2, ("eda",))])
    assert joined.read([])["eda"].shape == (0, 1, 8)
    with pytest.raises(IndexError):
        joined.read([len(joined)])


def test_without_labels_every_window_is_unlabelled(views):
    joined = JoinedStores(views, labels=False)
    assert joined.label_names == ()
    assert set(joined.labels.tolist()) == {-1}
    assert joined[0].label is None


def test_names_tell_stores_of_one_folder_name_apart(views):
    joined = JoinedStores([views[0], views[0]], names=["left", "right"])
    assert joined.subject_names[:: len(views[0].subject_names)] == ("left/s1", "right/s1")


@pytest.mark.parametrize("kind", ["subject", "fold", "loso"])
def test_splits_part_people_across_stores(joined, kind):
    split = make_split(joined, SplitConfig(kind=kind, fold=1, folds=3))
    parts = split.subjects(joined)
    assert sorted(p for people in parts.values() for p in people) == sorted(joined.subject_names)
    for part, people in parts.items():
        assert set(joined.subjects[split[part]]) == set(people)
    kept = label_fraction(joined, split.train, 0.5, seed=0)
    assert (joined.labels[kept] >= 0).all()


def test_people_of_one_name_in_two_stores_are_two_people(joined):
    lab = np.flatnonzero(joined.subjects == "lab/s1")
    wrist = np.flatnonzero(joined.subjects == "wrist/s1")
    rest = np.flatnonzero(joined.subjects == "lab/s2")
    check_leak(joined, Split(train=lab, validation=wrist, test=rest))
    with pytest.raises(DataError, match="leak: subject lab/s1 has windows in both"):
        check_leak(joined, Split(train=lab[:2], validation=wrist, test=lab[2:]))


def test_an_encoder_is_pretrained_and_finetuned_on_two_stores(joined, views):
    unlabelled = JoinedStores(views, labels=False)
    split = make_split(unlabelled, SplitConfig())
    made = pretrain(unlabelled, split, SMALL, CroSSLConfig(), LOOP, progress_bar=False)
    assert made.encoder.spec == joined.spec
    assert made.result.rows > 0
    assert set(made.normaliser.mean) == {"accel", "rr", "eda"}
    tuned = finetune(made.encoder, joined, split, None, LOOP, progress_bar=False)
    assert tuned.result.best_score is not None


def test_a_pickled_view_carries_no_data(joined):
    pickled = pickle.dumps(joined)
    assert len(pickled) < 3000
    again = pickle.loads(pickled)
    np.testing.assert_array_equal(again.read([40])["accel"], joined.read([40])["accel"])
    assert again.label_names == joined.label_names


@pytest.mark.parametrize(
    ("count", "names", "message"),
    [
        (0, None, "there is no store to join"),
        (2, ["lab"], "1 names for 2 stores; one a store"),
        (2, ["lab", "lab"], "names lab, lab must differ and hold no '/'"),
        (2, ["lab", "lab/2"], "names lab, lab/2 must differ and hold no '/'"),
    ],
)
def test_stores_that_cannot_be_told_apart_are_refused(views, count, names, message):
    with pytest.raises(DataError, match=message):
        JoinedStores(views[:count], names=names)


def test_stores_of_two_specs_are_refused(views):
    stores = [view.store for view in views]
    with pytest.raises(DataError, match="'wrist' has another spec than 'lab'; bring both to one"):
        JoinedStores(stores)
