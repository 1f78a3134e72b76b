"""Views of a store: values in another spec equal a direct computation, read by the batch."""

import pickle

import numpy as np
import pytest
from scipy.signal import resample_poly

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.common_spec import common_spec
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.normalise import fit_normaliser
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.splits.splits import label_fraction, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.window import Window
from tests.signals.stores import SPEC, make_windows


def timed(name, unit, rate_hz, window_s, channels="xyz"):
    return Modality(
        name=name,
        channels=tuple(Channel(name=c, unit=unit) for c in channels),
        steps=round(rate_hz * window_s),
        rate_hz=rate_hz,
    )


def spec_of(*modalities, window_s=None):
    return SignalSpec(modalities=modalities, window_s=window_s)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "lab"
    published = {"train": ["s1", "s2", "s3"], "test": ["s4", "s5"]}
    return WindowStore.write(folder, SPEC, make_windows(), published=published, source="drawn")


class Watched:
    """A store that notes what is read of it."""

    def __init__(self, store):
        self.inner, self.asked = store, []

    def __getattr__(self, name):
        assert name != "modality", "a whole array was asked for"
        return getattr(self.inner, name)

    def __len__(self):
        return len(self.inner)

    def read(self, indices, names=None):
        self.asked.append((len(indices), tuple(names)))
        return self.inner.read(indices, names)


def test_the_same_spec_gives_the_same_windows(store):
    view = ConvertedView(store, {name: name for name in SPEC.names}, SPEC)
    assert len(view) == len(store)
    for ours, theirs in zip(view, store, strict=True):
        assert (ours.subject, ours.label, ours.start_s) == (
            theirs.subject, theirs.label, theirs.start_s)  # fmt: skip
        assert ours.signals.keys() == theirs.signals.keys()
        for name, values in theirs.signals.items():
            np.testing.assert_array_equal(ours.signals[name], values)
    assert (view.path, view.source, view.published) == (store.path, "drawn", store.published)


def test_names_units_rate_and_length_are_those_of_the_common_spec(store):
    spec = spec_of(timed("wrist", "m/s2", 4.0, 1.5, "abc"))
    view = ConvertedView(store, {"accel": "wrist"}, spec)
    rows = [5, 0, 9]
    read = view.read(rows)
    assert list(read) == ["wrist"]
    assert read["wrist"].dtype == np.float32
    assert read["wrist"].flags.c_contiguous
    for i, values in zip(rows, read["wrist"], strict=True):
        theirs = view_row(store, "accel", i)
        slow = resample_poly(theirs.astype(float) * 9.80665, 1, 2, axis=1, padtype="line")
        # 0.25 s is left over at either end: one of four steps a second.
        np.testing.assert_allclose(values, slow[:, 1:7], rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(view[rows.index(i)].signals["wrist"].shape, (3, 6))
    there = np.asarray(store.present)[:, 0]
    np.testing.assert_allclose(view.starts, np.asarray(store.starts)[there] + 0.25)


def view_row(store, name, i):
    """Give the i-th window that has a modality."""
    rows = np.flatnonzero(np.asarray(store.present)[:, SPEC.names.index(name)])
    return store[rows[i]].signals[name]


def test_of_a_longer_window_the_centre_is_kept(store):
    first = 2
    accel = timed("accel", "g", 8.0, 1.5)
    beats = Modality(name="rr", channels=SPEC["rr"].channels, steps=3, axis="event")
    view = ConvertedView(store, {"accel": "accel", "rr": "rr"}, spec_of(accel, beats))
    np.testing.assert_array_equal(
        view.read([0])["accel"][0], store[0].signals["accel"][:, first : first + 12]
    )
    np.testing.assert_array_equal(
        view.read([0])["rr"][0], store[0].signals["rr"][:, first // 2 : first // 2 + 3]
    )
    assert view.starts[0] == store.starts[0] + first / 8


def test_a_wave_is_the_same_wave_at_another_rate(tmp_path):
    def wave(rate_hz, window_s, start_s=0.0):
        times = start_s + np.arange(round(rate_hz * window_s)) / rate_hz
        return np.sin(2 * np.pi * 1.3 * times)[None]

    fast = timed("fast", "deg/s", 50.0, 8.0, "x")
    windows = [Window({"fast": wave(50.0, 8.0)}, subject="a")]
    store = WindowStore.write(tmp_path / "store", spec_of(fast), windows)
    for rate_hz in (20.0, 64.0, 33.3):
        common = timed("slow", "rad/s", rate_hz, 4.0, "x")
        values = ConvertedView(store, {"fast": "slow"}, spec_of(common, window_s=4.0)).read([0])
        expected = np.deg2rad(wave(rate_hz, 4.0, round(2.0 * rate_hz) / rate_hz))
        np.testing.assert_allclose(values["slow"][0], expected, atol=3e-4)


def test_rounded_steps_are_filled_with_the_last_value(tmp_path):
    slow, fast = timed("m", "V", 4.0, 2.5, "x"), timed("m", "V", 50.0, 2.56, "x")
    windows = [Window({"m": np.arange(10.0)[None]}, subject="a")]
    store = WindowStore.write(tmp_path / "store", spec_of(slow, window_s=2.56), windows)
    view = ConvertedView(store, {"m": "m"}, spec_of(fast, window_s=2.56))
    (values,) = view.read([0])["m"][0]
    whole = resample_poly(np.arange(10.0), 25, 2, padtype="line")
    assert (len(whole), len(values)) == (125, 128)
    np.testing.assert_allclose(values[:125], whole, rtol=1e-5)
    np.testing.assert_array_equal(values[125:], values[[124] * 3])


@pytest.mark.parametrize(
    ("given", "wanted", "factor"),
    [
        ("g", "m/s^2", 9.80665), ("m/s²", "g", 1 / 9.80665), ("mg", "g", 1e-3),
        ("deg/s", "rad/s", np.pi / 180), ("rad/s", "dps", 180 / np.pi),
        ("µV", "mV", 1e-3), ("uV", "V", 1e-6), ("V", "mV", 1e3), ("ms", "s", 1e-3),
        ("bpm", "bpm", 1.0),
    ],
)  # fmt: skip
def test_known_units_are_converted(tmp_path, given, wanted, factor):
    theirs, ours = timed("a", given, 4.0, 2.0, "x"), timed("b", wanted, 4.0, 2.0, "x")
    values = np.arange(8.0)[None]
    store = WindowStore.write(tmp_path / "store", spec_of(theirs), [Window({"a": values}, "p")])
    read = ConvertedView(store, {"a": "b"}, spec_of(ours)).read([0])["b"]
    np.testing.assert_allclose(read[0], values * factor, rtol=1e-6)


def test_what_a_store_lacks_is_absent_and_windows_left_with_nothing_are_left_out(store):
    gyro = timed("gyro", "rad/s", 8.0, 2.0)
    view = ConvertedView(store, {"rr": "beats"}, spec_of(gyro, beats("beats")))
    there = np.asarray(store.present)[:, 1]
    assert 0 < len(view) == there.sum() < len(store)
    np.testing.assert_array_equal(view.present, [[False, True]] * len(view))
    np.testing.assert_array_equal(view.labels, np.asarray(store.labels)[there])
    np.testing.assert_array_equal(view.subjects, store.subjects[there])
    read = view.read([3, 1])
    assert not read["gyro"].any()
    assert read["gyro"].shape == (2, 3, 16)
    assert set(view[0].signals) == {"beats"}
    assert read.keys() == view.read([], None).keys()
    assert view.read([])["gyro"].shape == (0, 3, 16)


def beats(name):
    return Modality(name=name, channels=SPEC["rr"].channels, steps=5, axis="event")


def test_people_without_a_window_are_in_no_split(tmp_path):
    values = {"accel": np.ones((3, 16)), "rr": np.ones((1, 5))}
    windows = [Window(values, subject=p) for p in ("a", "b", "c")]
    windows.insert(1, Window({"accel": np.ones((3, 16))}, subject="deaf"))
    store = WindowStore.write(tmp_path / "store", SPEC, windows)
    view = ConvertedView(store, {"rr": "rr"}, spec_of(beats("rr")))
    assert view.subject_names == ("a", "b", "c")
    assert view.subjects.tolist() == ["a", "b", "c"]


def test_reading_is_streamed_and_keeps_to_what_is_asked(store):
    watched = Watched(store)
    spec = spec_of(timed("slow", "g", 4.0, 2.0), beats("beats"))
    view = ConvertedView(watched, {"accel": "slow", "rr": "beats"}, spec)
    assert not watched.asked
    view.read([4, 2], ["beats"])
    assert watched.asked == [(2, ("rr",))]
    watched.asked.clear()
    list(zip(range(3), view, strict=False))
    assert watched.asked == [(len(view), ("accel", "rr"))]


def test_fitting_reads_one_modality_at_a_time_in_chunks(tmp_path):
    long = timed("ecg", "mV", 1024.0, 16.0, "x")
    windows = (Window({"ecg": np.full((1, 16384), i)}, subject="a") for i in range(40))
    watched = Watched(WindowStore.write(tmp_path / "store", spec_of(long), windows))
    view = ConvertedView(watched, {"ecg": "ecg"}, spec_of(timed("ecg", "V", 1024.0, 16.0, "x")))
    fitted = fit_normaliser(view, np.arange(40))
    assert {names for _, names in watched.asked} == {("ecg",)}
    assert [rows for rows, _ in watched.asked] == [16, 16, 8]
    np.testing.assert_allclose(fitted.mean["ecg"], [19.5e-3], rtol=1e-6)
    np.testing.assert_allclose(fitted.scale["ecg"], [np.arange(40).std() * 1e-3], rtol=1e-6)


def test_normalising_and_batches_work_on_a_view_as_on_a_store(store, tmp_path):
    spec = spec_of(timed("wrist", "m/s^2", 4.0, 2.0), beats("beats"))
    view = ConvertedView(store, {"accel": "wrist", "rr": "beats"}, spec)
    written = WindowStore.write(tmp_path / "written", spec, view, view.label_names)
    rows = np.arange(len(view))
    normaliser = fit_normaliser(view, rows)
    assert normaliser.to_dict() == fit_normaliser(written, rows).to_dict()
    ours, theirs = (WindowDataset(one, rows, normaliser).batch(rows) for one in (view, written))
    assert ours.present.tolist() == theirs.present.tolist()
    assert ours.labels.tolist() == theirs.labels.tolist()
    for name in spec.names:
        np.testing.assert_array_equal(ours.signals[name], theirs.signals[name])


def test_splits_and_label_shares_are_those_of_the_store(store):
    view = ConvertedView(store, {"accel": "accel"}, SPEC.subset(["accel"]))
    config = SplitConfig(kind="published")
    ours, theirs = make_split(view, config), make_split(store, config)
    assert ours.subjects(view) == theirs.subjects(store)
    kept = label_fraction(view, ours.train, 0.2, seed=1)
    assert set(np.asarray(view.labels)[kept]) == {0, 1}
    assert len(kept) < len(ours.train)


def test_a_pickled_view_carries_no_data(store):
    view = ConvertedView(store, {"accel": "accel"}, SPEC.subset(["accel"]))
    pickled = pickle.dumps(view)
    assert len(pickled) < 1500
    again = pickle.loads(pickled)
    np.testing.assert_array_equal(again.read([3])["accel"], view.read([3])["accel"])


def test_the_common_spec_invents_neither_rate_nor_length():
    lab = spec_of(timed("acc", "g", 50.0, 2.56), timed("gyro", "rad/s", 50.0, 2.56))
    wrist = spec_of(timed("watch", "m/s^2", 20.0, 10.0), beats("rr"))
    names = [{"acc": "accel", "gyro": "gyro"}, {"watch": "accel", "rr": "rr"}]
    spec = common_spec([lab, wrist], names)
    assert spec.names == ("accel", "gyro", "rr")
    assert spec.window_s == 2.56
    assert (spec["accel"].rate_hz, spec["accel"].steps) == (20.0, 51)
    assert spec["accel"].units == ("g", "g", "g")
    assert (spec["gyro"].rate_hz, spec["gyro"].steps, spec["rr"].steps) == (50.0, 128, 5)
    chosen = common_spec([lab, wrist], names, rate_hz=25.0, window_s=2.0)
    assert [m.steps for m in chosen.modalities] == [50, 50, 5]
    assert common_spec([SPEC], [{"rr": "rr"}]) == spec_of(beats("rr"))


WRIST = timed("wrist", "g", 8.0, 2.0)


@pytest.mark.parametrize(
    ("names", "spec", "error", "message"),
    [
        ({}, spec_of(WRIST), DataError, "no modality of '.*lab' is mapped; it has accel, rr, per"),
        ({"ecg": "wrist"}, spec_of(WRIST), SpecError, "unknown modality 'ecg'; the spec has accel"),
        ({"accel": "ecg"}, spec_of(WRIST), SpecError, "unknown modality 'ecg'; the spec has wrist"),
        (
            {"accel": "wrist", "rr": "wrist"}, spec_of(WRIST), DataError,
            "accel and rr of '.*lab' are both mapped to 'wrist'; map one",
        ),
        (
            {"accel": "wrist"}, spec_of(timed("wrist", "g", 8.0, 5.0)), DataError,
            "windows of '.*lab' are 2 s long, the common spec's are 5 s; .* at most 2",
        ),
        (
            {"rr": "rr"},
            spec_of(Modality(name="rr", channels=SPEC["rr"].channels, steps=8, axis="event")),
            DataError, "'rr' of '.*lab' has 5 steps, the common 'rr' 8; take at most 5",
        ),
        (
            {"accel": "wrist"}, spec_of(timed("wrist", "rad/s", 8.0, 2.0)), DataError,
            "'accel' of '.*lab' has unit g, the common 'wrist' rad/s; no conversion is known",
        ),
        (
            {"accel": "wrist"}, spec_of(timed("wrist", "g", 8.0, 2.0, "x")), DataError,
            "'accel' of '.*lab' has channels x, y, z, the common 'wrist' x; map one with as many",
        ),
        (
            {"rr": "wrist"}, spec_of(timed("wrist", "ms", 8.0, 2.0, "x")), DataError,
            "'rr' of '.*lab' has axis 'event', the common 'wrist' 'time'; map a modality of that",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_on_both_sides(store, names, spec, error, message):
    with pytest.raises(error, match=message):
        ConvertedView(store, names, spec)


def test_a_view_of_nothing_is_refused(tmp_path):
    windows = [Window({"rr": np.ones((1, 5))}, subject="a")]
    store = WindowStore.write(tmp_path / "store", SPEC, windows)
    with pytest.raises(DataError, match=r"no window of '.*store' has accel or person"):
        ConvertedView(store, {"accel": "accel", "person": "person"}, SPEC)
