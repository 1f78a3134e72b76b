"""Windows that are already cut, in the spec that is expected: by a direct computation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import resample_poly

from sensor2llm.errors import SpecError
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.conversion import conversions, convert_store, convert_windows
from sensor2llm.signals.views.in_memory import InMemoryWindows
from sensor2llm.signals.window import Window
from tests.signals.stores import ACCEL, BEATS, ROW, SPEC, make_windows


def changed(modality, **fields):
    """Give a modality with other fields, or with another unit of all its channels."""
    if unit := fields.pop("unit", None):
        fields["channels"] = tuple(replace(c, unit=unit) for c in modality.channels)
    return replace(modality, **fields)


# What is expected of stores of SPEC: 2 s of g at 8 Hz, five intervals in ms, a row.
SLOW = SignalSpec(
    modalities=(
        changed(BEATS, unit="s", steps=3),
        changed(ACCEL, unit="m/s^2", rate_hz=4.0, steps=6),
        Modality(name="light", channels=(Channel(name="lux", unit="lx"),), steps=2, rate_hz=1.0),
        ROW,
    ),
    window_s=1.5,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "lab"
    return WindowStore.write(folder, SPEC, make_windows(), source="drawn")


def expected(window):
    """Restate what a window of SPEC is in SLOW."""
    found = dict(window.signals)
    if "accel" in found:
        ms2 = found["accel"].astype(float) * 9.80665
        # 0.25 s is left over at either end: one of four steps a second.
        found["accel"] = resample_poly(ms2, 1, 2, axis=1, padtype="line")[:, 1:7]
    if "rr" in found:
        found["rr"] = found["rr"][:, 1:4] / 1000
    return found


def assert_as_expected(made, windows):
    for ours, theirs in zip(made, windows, strict=True):
        assert (ours.subject, ours.label) == (theirs.subject, theirs.label)
        assert ours.start_s == theirs.start_s + 0.25
        wanted = expected(theirs)
        assert ours.signals.keys() == wanted.keys()
        for name, values in wanted.items():
            np.testing.assert_allclose(ours.signals[name], values, rtol=1e-5, atol=1e-5)


def test_a_store_is_converted_row_by_row(store):
    view = convert_store(store, SLOW)
    assert_as_expected(view, store)
    # Modalities that the store lacks stay out of the spec: they are missing sensors.
    assert view.spec.names == ("rr", "accel", "person")
    SLOW.check_compatible(view.spec)
    np.testing.assert_array_equal(view.labels, store.labels)
    np.testing.assert_array_equal(view.subjects, store.subjects)


def test_windows_in_memory_are_what_the_store_of_them_is(store):
    many = [w for _ in range(2) for w in store]
    assert len(many) > 64
    assert_as_expected(convert_windows(iter(many), SPEC, SLOW), many)


def test_windows_keep_what_they_are_without(store):
    (found,) = convert_windows([Window(store[0].signals)], SPEC, SLOW)
    assert (found.subject, found.label, found.start_s) == (None, None, 0.25)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        SignalSpec(modalities=(ROW, BEATS, changed(ACCEL, unit="G")), window_s=2.0),
        SignalSpec(modalities=(*SPEC.modalities, SLOW["light"]), window_s=2.0),
    ],
    ids=["equal", "spelling", "more"],
)
def test_what_fits_already_is_handed_on_untouched(store, spec, caplog):
    with caplog.at_level("INFO"):
        assert convert_store(store, spec) is store
        windows = list(store)
        assert all(
            a is b for a, b in zip(convert_windows(windows, SPEC, spec), windows, strict=True)
        )
    assert not caplog.messages


def test_what_is_converted_is_told_once(store, caplog):
    told = (
        "accel: g to m/s^2, 8 Hz to 4 Hz, 2 s to the 1.5 s at the centre; "
        "rr: ms to s, 5 steps to the 3 at the centre"
    )
    assert conversions(SPEC, SLOW) == told
    with caplog.at_level("INFO"):
        list(convert_store(store, SLOW))
        list(convert_windows(store, SPEC, SLOW, "walk.npz"))
        convert_store(store, SLOW, quiet=True)
    tail = f" is converted to what is expected: {told}"
    assert caplog.messages == [f"{store.path}{tail}", f"walk.npz{tail}"]


def test_a_length_that_was_rounded_another_way_is_the_same(tmp_path):
    accel = changed(ACCEL, rate_hz=20.0, steps=51)
    theirs = SignalSpec(modalities=(accel, changed(BEATS, unit="s")), window_s=2.55)
    ours = SignalSpec(modalities=(accel, BEATS), window_s=2.56)
    window = Window({"accel": np.ones((3, 51)), "rr": np.full((1, 5), 0.8)})
    assert next(convert_windows([window], theirs.subset(["accel"]), ours)) is window
    (found,) = convert_windows([window], theirs, ours)
    np.testing.assert_array_equal(found.signals["accel"], np.ones((3, 51)))
    np.testing.assert_allclose(found.signals["rr"], np.full((1, 5), 800.0))


def test_steps_that_were_rounded_are_no_shorter_window():
    theirs = SignalSpec(modalities=(changed(ACCEL, rate_hz=20.0, steps=51),), window_s=2.56)
    ours = SignalSpec(modalities=(changed(ACCEL, rate_hz=50.0, steps=128),), window_s=2.56)
    (found,) = convert_windows([Window({"accel": np.ones((3, 51))})], theirs, ours)
    np.testing.assert_allclose(found.signals["accel"], np.ones((3, 128)), rtol=1e-3)
    other = SignalSpec(modalities=(replace(ACCEL, rate_hz=20.0, steps=52),), window_s=2.6)
    less = SignalSpec(modalities=(replace(ACCEL, rate_hz=20.0, steps=51),), window_s=2.575)
    more = SignalSpec(modalities=(replace(ACCEL, rate_hz=20.0, steps=52),), window_s=2.575)
    assert conversions(other, less) == "accel: 2.6 s to the 2.575 s at the centre"
    assert conversions(more, less) == "accel: 52 steps to 51"


def test_a_sensor_is_brought_to_its_own_length():
    light = Modality(name="light", channels=(Channel(name="lux", unit="lx"),), steps=30, rate_hz=1)
    given = SignalSpec(modalities=(ACCEL, replace(light, steps=60, window_s=60.0)), window_s=2.0)
    spec = SignalSpec(modalities=(ACCEL, replace(light, window_s=30.0)), window_s=2.0)
    window = Window({"accel": np.ones((3, 16)), "light": np.arange(60.0)[None]})
    (found,) = convert_windows([window], given, spec)
    np.testing.assert_array_equal(found.signals["accel"], window.signals["accel"])
    np.testing.assert_array_equal(found.signals["light"][0], np.arange(15.0, 45.0))
    assert conversions(given, spec) == "light: 60 s to the 30 s at the centre"
    with pytest.raises(SpecError, match="has 'light' in windows of 30 s, the spec expects 60 s"):
        convert_windows([window], spec, given)


GYRO = replace(ACCEL, name="gyro")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            SignalSpec(modalities=(GYRO, BEATS, ROW)),
            "unknown modality 'accel', the spec expects gyro, rr, person; rename it or leave it",
        ),
        (
            SignalSpec(modalities=(changed(ACCEL, channels=ACCEL.channels[::-1]), BEATS, ROW)),
            "'accel' channels x, y, z, the spec expects z, y, x",
        ),
        (
            SignalSpec(modalities=(changed(ACCEL, unit="rad/s"), BEATS, ROW)),
            "'accel' in g, the spec expects rad/s; convert it or name the right unit",
        ),
        (
            SignalSpec(modalities=(ACCEL, changed(BEATS, axis="time", rate_hz=2.0, steps=4), ROW)),
            "'rr' on axis 'event', the spec expects 'time'",
        ),
        (
            SignalSpec(modalities=(changed(ACCEL, rate_hz=4.0, steps=12), BEATS, ROW)),
            "has 'accel' in windows of 2 s, the spec expects 3 s; prepare windows of 3 s or more",
        ),
        (
            SignalSpec(modalities=(ACCEL, changed(BEATS, steps=8), ROW)),
            "has 'rr' in windows of 5 steps, the spec expects 8 steps; prepare windows of 8 steps",
        ),
    ],
)
def test_what_cannot_be_converted_is_named_on_both_sides(store, spec, message):
    with pytest.raises(SpecError, match=message) as raised:
        convert_store(store, spec)
    assert "\n" not in str(raised.value)
    with pytest.raises(SpecError, match=message):
        convert_windows(store, SPEC, spec)


def test_windows_that_are_not_what_is_said_of_them():
    with pytest.raises(SpecError, match=r"of shape \(3, 12\), the spec expects \(3, 16\)"):
        list(convert_windows([Window({"accel": np.ones((3, 12))})], SPEC, SLOW))


def test_held_windows_are_read_as_the_store_of_them(store):
    windows = list(store)
    held = InMemoryWindows(windows, SPEC, "mine")
    assert (len(held), str(held.path), held[3].signals.keys()) == (
        len(store), "mine", windows[3].signals.keys(),
    )  # fmt: skip
    for name in ("present", "labels", "subject_ids", "subjects", "starts"):
        np.testing.assert_array_equal(getattr(held, name), getattr(store, name))
    assert held.label_names == store.label_names
    assert [window.start_s for window in held] == store.starts.tolist()
    rows = [40, 1, 5]
    for names in (None, ["rr"]):
        ours, theirs = held.read(rows, names), store.read(rows, names)
        assert ours.keys() == theirs.keys()
        for name, values in theirs.items():
            np.testing.assert_array_equal(ours[name], values)


def test_held_rows_with_gaps_are_missing():
    signals = {"accel": np.ones((3, 16)), "person": np.array([[30.0], [np.nan]])}
    held = InMemoryWindows([Window(signals)], SPEC)
    np.testing.assert_array_equal(held.present, [[True, False, False]])
    assert (held.subjects.tolist(), held.labels.tolist()) == (["unknown"], [-1])
    with pytest.raises(SpecError, match="window has no modality"):
        InMemoryWindows([Window({})], SPEC)
