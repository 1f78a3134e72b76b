"""Data sets side by side: sensors, rates, window lengths, people and labels stay each set's own."""

from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import DataError, SpecError
from sensor2llm.prepare import main
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.segment import segment
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.writer import GrowingArray
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.views.side_by_side import side_by_side, union_modalities
from sensor2llm.signals.window import Recording, Track, Window
from tests.signals.views.test_mapped_store import spec_of, timed

LAB = spec_of(timed("accel", "g", 20.0, 2.0), timed("gyro", "rad/s", 20.0, 2.0))
HOME = spec_of(timed("pulse", "1", 8.0, 6.0, "p"), timed("skin", "uS", 2.0, 6.0, "e"))


def windows_of(spec: SignalSpec, labels: tuple[str, ...], people: int = 5) -> list[Window]:
    rng = np.random.default_rng(len(labels))
    return [
        Window({m.name: rng.normal(size=m.shape) for m in spec.modalities},
               subject=f"p{person}", label=labels[i % len(labels)], start_s=2.0 * i)
        for person in range(people) for i in range(6)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> list[WindowStore]:
    base = tmp_path_factory.mktemp("sets")
    published = {"train": ["p1", "p2", "p3", "p4"], "test": ["p0"]}
    return [
        WindowStore.write(base / "lab", LAB, windows_of(LAB, ("walk", "rest")),
                          source="the lab", published=published),
        WindowStore.write(base / "home", HOME, windows_of(HOME, ("calm", "rest", "tense")),
                          source="at home"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def joined(stores, tmp_path_factory) -> WindowStore:
    out = tmp_path_factory.mktemp("joined") / "both"
    words = ["joined", "--out", str(out), "--picture", "none", "--json", "--stores"]
    assert main([*words, *(str(store.path) for store in stores)]) == 0
    return WindowStore.open(out)


def test_a_joined_store_adds_up_what_became_of_its_parts(stores, joined):
    assert joined.ledger["windows"].read == sum(len(store) for store in stores)
    assert joined.ledger["windows"].kept == len(joined)
    assert joined.ledger.unbalanced() == {}


def test_a_window_keeps_its_own_sensors_and_the_others_are_missing(stores, joined):
    assert len(joined) == sum(map(len, stores))
    theirs = [("lab", window) for window in stores[0]] + [("home", window) for window in stores[1]]
    for window, (name, own) in zip(joined, theirs, strict=True):
        assert (window.subject, window.label) == (f"{name}/{own.subject}", own.label)
        assert window.start_s == own.start_s
        assert window.signals.keys() == own.signals.keys()
        for key, values in own.signals.items():
            np.testing.assert_array_equal(window.signals[key], values)
    assert not joined.read([0])["pulse"].any()
    assert joined.label_names == ("walk", "rest", "calm", "tense")
    assert joined.parts == {"lab": "the lab", "home": "at home"}


def test_each_sensor_has_its_own_rate_and_length(joined):
    assert joined.spec.names == ("accel", "gyro", "pulse", "skin")
    assert [joined.spec.length_s(name) for name in joined.spec.names] == [2.0, 2.0, 6.0, 6.0]
    assert [m.window_s for m in joined.spec.modalities] == [2.0, 2.0, None, None]
    assert joined.spec.lengths_s == (2.0, 6.0)
    assert joined.spec.length_text == "2 to 6 s"
    assert SignalSpec.from_dict(joined.spec.to_dict()) == joined.spec
    for spec in (LAB, HOME):
        assert joined.spec.subset(spec.names) == spec
        joined.spec.check_compatible(spec)


def test_everybody_is_in_the_part_of_their_own_store(stores, joined):
    people = make_split(joined, SplitConfig(kind="published")).subjects(joined)
    own = make_split(stores[0], SplitConfig(kind="published")).subjects(stores[0])
    fold = make_split(stores[1], SplitConfig(kind="fold")).subjects(stores[1])
    for part, names in people.items():
        expected = {f"lab/{p}" for p in own[part]} | {f"home/{p}" for p in fold[part]}
        assert set(names) == expected


def test_a_split_may_be_given_for_each(stores):
    splits = [SplitConfig(kind="loso", fold=2), SplitConfig(kind="subject", seed=3)]
    found = union_modalities(stores, splits).published
    assert [name for name in found["test"] if name.startswith("lab/")] == ["lab/p2"]


def test_rows_that_are_skipped_are_zeros_and_take_no_room(tmp_path):
    with GrowingArray(tmp_path / "rows.npy", np.float32, (256, 1024)) as array:
        for row in range(6):
            array.append(np.full((256, 1024), 7)) if row == 2 else array.skip()
    found = np.load(tmp_path / "rows.npy")
    assert found.shape == (6, 256, 1024)
    assert found.any(axis=(1, 2)).tolist() == [False, False, True, False, False, False]
    stat = (tmp_path / "rows.npy").stat()
    assert stat.st_blocks * 512 < stat.st_size / 2


def test_a_sensor_that_both_have_alike_is_one_and_another_of_its_name_is_two():
    slow = spec_of(timed("accel", "g", 10.0, 2.0))
    spec, _ = side_by_side({"a": LAB, "b": LAB, "c": HOME.subset(["skin"])})
    assert spec.names == ("accel", "gyro", "skin")
    spec, names = side_by_side({"a": LAB, "b": slow})
    assert spec.names == ("a_accel", "gyro", "b_accel")
    assert names == {"a": {"accel": "a_accel", "gyro": "gyro"}, "b": {"accel": "b_accel"}}


def test_a_view_of_a_joined_store_is_the_joined_store(joined):
    view = ConvertedView(joined, {name: name for name in joined.spec.names}, joined.spec)
    for ours, theirs in zip(view, joined, strict=True):
        assert ours.start_s == theirs.start_s
        for name, values in theirs.signals.items():
            np.testing.assert_array_equal(ours.signals[name], values)


def test_a_recording_is_cut_at_the_length_of_its_sensors(joined):
    def track(name: str, steps: int) -> Track:
        modality = joined.spec[name]
        return Track(modality, np.ones((len(modality.channels), steps)))

    lab = Recording("me", {"accel": track("accel", 200)})
    assert [w.start_s for w in segment(lab, joined.spec)] == [0.0, 2.0, 4.0, 6.0, 8.0]
    home = Recording("me", {"skin": track("skin", 24)})
    assert [w.start_s for w in segment(home, joined.spec)] == [0.0, 6.0]
    both = Recording("me", {"accel": track("accel", 200), "skin": track("skin", 24)})
    with pytest.raises(SpecError, match="one length, the spec expects accel 2 s, skin 6 s; cut"):
        list(segment(both, joined.spec))


def test_stores_that_cannot_stand_side_by_side_are_refused(stores, tmp_path):
    with pytest.raises(DataError, match="two stores or more, got 1; name others"):
        union_modalities(stores[:1])
    with pytest.raises(DataError, match="two stores are called alike"):
        union_modalities([stores[0], stores[0]])
    same = WindowStore.write(
        tmp_path / "same", LAB, windows_of(LAB, ("walk",)), source="The lab: 3 files"
    )
    with pytest.raises(DataError, match=r"'lab' and 'same' are of the same people \(p0, …\)"):
        union_modalities([stores[0], same])
    copied = [replace(w, subject=f"q{w.subject}") for w in stores[0]]
    renamed = WindowStore.write(tmp_path / "renamed", LAB, copied, source="in other words")
    with pytest.raises(DataError, match=r"'lab' and 'renamed' are of the same people \(qp0, …\)"):
        union_modalities([stores[0], renamed])
    few = WindowStore.write(tmp_path / "few", LAB, windows_of(LAB, ("walk",), people=2))
    with pytest.raises(DataError, match="need at least 3 people, the store has 2"):
        union_modalities([stores[1], few])
    four = WindowStore.write(tmp_path / "four", LAB, windows_of(LAB, ("walk",), people=4))
    assert len(union_modalities([stores[1], four]).published["test"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["joined"], "side by side stand two stores or more, got 0"),
        (["joined", "--from", "x", "--stores", "a", "b"], "leave --from x out"),
        (["joined", "--overlap", "0.5", "--stores", "a", "b"], "joined has no option --overlap"),
        (["uci_har", "--stores", "a"], "uci_har has no option --stores; only joined has"),
    ],
)
def test_words_that_do_not_belong_together_are_one_line(words, message, tmp_path, capsys):
    assert main([*words, "--out", str(tmp_path / "out"), "--picture", "none"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_length_of_ones_own_needs_a_clock():
    accel = LAB["accel"]
    for wrong in ({"window_s": -1.0}, {"axis": "event", "rate_hz": None, "window_s": 2.0}):
        with pytest.raises(SpecError, match="window_s of 'accel' must be positive, and only"):
            replace(accel, **wrong)
