"""Resampling, normalising, segmenting, and recognising a wrong scale."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.transforms import (
    Normaliser,
    check_scale,
    check_times,
    check_track_scale,
    fit_normaliser,
    resample,
    resample_irregular,
    segment,
)
from sensor2llm.signals.window import Annotation, Recording, Track, Window
from tests.signals import stores


def sine(times_s, hz=1.0):
    return np.sin(2 * np.pi * hz * times_s)[None]


# --- resampling


@pytest.mark.parametrize(("rate", "new"), [(50, 20), (20, 50), (31.25, 20), (20, 20.013), (64, 4)])
def test_a_slow_sine_and_gravity_survive_a_change_of_rate(rate, new):
    times = np.arange(round(10 * rate)) / rate
    result = resample(9.81 + sine(times, 0.5), rate, new)
    assert result.dtype == np.float32
    assert abs(result.shape[1] - 10 * new) <= 1
    inner = slice(round(new), -round(new))
    expected = 9.81 + sine(np.arange(result.shape[1]) / new, 0.5)
    np.testing.assert_allclose(result[:, inner], expected[:, inner], atol=0.02)
    assert np.abs(result - expected).max() < 0.35


def test_the_same_rate_changes_nothing():
    values = np.random.default_rng(0).normal(size=(2, 9)).astype(np.float32)
    np.testing.assert_array_equal(resample(values, 20, 20), values)


def test_what_is_above_half_the_new_rate_does_not_alias():
    times = np.arange(1000) / 100
    assert np.abs(resample(sine(times, 18), 100, 20)[:, 20:-20]).max() < 0.02
    jitter = times + np.random.default_rng(0).uniform(-0.002, 0.002, 1000)
    regular = resample_irregular(jitter, sine(jitter, 18), 20, 0, 200)
    assert np.nanmax(np.abs(regular[:, 20:-20])) < 0.1


def test_nan_stays_where_it_was_and_does_not_spread():
    values = sine(np.arange(400) / 40)
    values[0, 200:240] = np.nan
    result = resample(values, 40, 20)
    assert np.isnan(result[0, 100:120]).all()
    assert np.isnan(result).sum() in (20, 21)


def test_rates_must_be_positive():
    with pytest.raises(DataError, match="rates must be above 0 Hz, got 0 and 20"):
        resample(np.zeros((1, 4)), 0, 20)


def test_uneven_times_are_interpolated_and_gaps_are_nan():
    times = np.sort(np.random.default_rng(1).uniform(0, 10, 400))
    times = times[(times < 4) | (times > 6)]
    result = resample_irregular(times, sine(times, 0.3), 20, -1.0, 240)
    grid = -1.0 + np.arange(240) / 20
    known = np.isfinite(result[0])
    assert not known[grid < -0.03].any()
    assert not known[(grid > 4.03) & (grid < 5.97)].any()
    assert known[(grid > 0.2) & (grid < 3.7)].all()
    np.testing.assert_allclose(result[0, known], sine(grid, 0.3)[0, known], atol=0.03)


def test_a_channel_without_values_is_nan_and_leaves_the_others():
    values = np.stack([np.full(40, np.nan), np.arange(40.0)])
    result = resample_irregular(np.arange(40) / 20, values, 20, 0, 40)
    assert np.isnan(result[0]).all()
    np.testing.assert_allclose(result[1], np.arange(40), atol=1e-4)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0, 1, 0.5], "goes back at row 2: 0.5 s after 1 s; sort the rows"),
        ([0, 1, 1], "repeats at row 2"),
        ([0, np.nan, 1], "at row 1 is not a number"),
    ],
)
def test_times_must_increase(times, message):
    with pytest.raises(DataError, match=message):
        check_times(np.array(times))


def test_irregular_values_must_fit_their_times():
    with pytest.raises(DataError, match=r"values \(1, 3\) do not fit 2 times"):
        resample_irregular(np.array([0.0, 1.0]), np.zeros((1, 3)), 1, 0, 2)


# --- normalising


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "store"
    return WindowStore.write(folder, stores.SPEC, stores.make_windows())


def test_statistics_are_those_of_the_rows_where_a_modality_is_present(store):
    rows = np.arange(30)
    normaliser = fit_normaliser(store, rows)
    for name in store.spec.names:
        there = [store[i].signals[name] for i in rows if name in store[i].signals]
        assert len(there) < 30
        values = np.concatenate(there, axis=1).astype(np.float64)
        np.testing.assert_allclose(normaliser.mean[name], values.mean(1), rtol=1e-6)
        np.testing.assert_allclose(normaliser.scale[name], values.std(1), rtol=1e-6)


def test_undo_is_the_inverse_and_json_keeps_it(store):
    fitted = fit_normaliser(store, np.arange(30))
    normaliser = Normaliser.from_dict(json.loads(json.dumps(fitted.to_dict())))
    values = store.read([0, 2, 3])["accel"]
    normal = normaliser.apply("accel", values)
    assert normal.dtype == np.float32
    np.testing.assert_array_equal(normal, fitted.apply("accel", values))
    np.testing.assert_allclose(normaliser.undo("accel", normal), values, atol=1e-5)
    np.testing.assert_array_equal(normaliser.apply("accel", values[0]), normal[0])


def constant_store(folder, values):
    channels = tuple(Channel(name=f"c{i}", unit="V") for i in range(len(values)))
    spec = SignalSpec(modalities=(Modality(name="m", channels=channels, steps=8, rate_hz=8.0),))
    return WindowStore.write(folder, spec, [Window({"m": values}, "a"), Window({"m": values}, "a")])


def test_a_constant_channel_gets_scale_one_and_tiny_units_do_not(tmp_path):
    eeg = 1e-5 * np.sin(np.arange(8))
    store = constant_store(tmp_path / "store", np.stack([np.full(8, 1e6), np.zeros(8), eeg]))
    normaliser = fit_normaliser(store, [0, 1])
    np.testing.assert_allclose(normaliser.scale["m"], [1, 1, eeg.std()], rtol=1e-5)
    assert np.abs(normaliser.apply("m", store.read([0])["m"])[0, :2]).max() == 0


def test_what_was_not_fitted_is_named(store):
    with pytest.raises(DataError, match="cannot fit a normalisation on no windows"):
        fit_normaliser(store, [])
    with pytest.raises(DataError, match="no normalisation for 'gyro'; fitted are accel, rr"):
        fit_normaliser(store, [0]).apply("gyro", np.zeros((3, 4)))


# --- segmenting


def channel(unit="g"):
    return (Channel(name="x", unit=unit),)


WATCH = Modality(name="watch", channels=channel(), steps=20, rate_hz=10.0)
HEART = Modality(name="heart", channels=channel("bpm"), steps=8, rate_hz=4.0)
BEATS = Modality(name="beats", channels=channel("s"), steps=3, axis="event")
PERSON = Modality(name="person", channels=channel("years"), steps=1, axis="none")
SPEC = SignalSpec(modalities=(WATCH, HEART, BEATS, PERSON), window_s=2.0)


def ramp(modality, seconds, start_s=0.0):
    """Give a track whose value at any time is that time."""
    steps = round(seconds * modality.rate_hz)
    return Track(modality, (start_s + np.arange(steps) / modality.rate_hz)[None], start_s)


def record(*tracks, notes=()):
    return Recording("ann", {t.modality.name: t for t in tracks}, notes)


def starts(recording, **options):
    return [round(w.start_s, 6) for w in segment(recording, SPEC, **options)]


def test_windows_follow_each_other_and_overlap_as_asked():
    recording = record(ramp(WATCH, 6.9))
    assert starts(recording) == [0, 2, 4]
    assert starts(recording, overlap=0.5) == [0, 1, 2, 3, 4]
    windows = list(segment(recording, SPEC))
    assert {w.subject for w in windows} == {"ann"}
    np.testing.assert_allclose(windows[1].signals["watch"][0], 2 + np.arange(20) / 10, atol=1e-6)


def test_rates_and_starts_differ_and_windows_are_aligned_by_time():
    windows = list(segment(record(ramp(WATCH, 7, start_s=5), ramp(HEART, 9, start_s=4)), SPEC))
    assert [set(w.signals) for w in windows] == [{"heart"}] + [{"watch", "heart"}] * 3
    for window in windows[1:]:
        assert abs(window.signals["heart"][0, 0] - window.start_s) < 1e-5
        assert abs(window.signals["watch"][0, 0] - window.start_s) < 1e-5


def test_tracks_are_brought_to_the_rate_of_the_spec():
    fast = replace(WATCH, rate_hz=40.0, steps=80)
    windows = list(segment(record(ramp(fast, 6)), SPEC))
    np.testing.assert_allclose(windows[1].signals["watch"][0], 2 + np.arange(20) / 10, atol=2e-3)


def with_nan(track, *spans):
    values = track.values.copy()
    for start, stop in spans:
        values[:, start:stop] = np.nan
    return replace(track, values=values)


def test_short_nan_runs_are_filled_linearly():
    windows = list(segment(record(with_nan(ramp(WATCH, 4), (5, 7), (19, 21))), SPEC))
    np.testing.assert_allclose(windows[0].signals["watch"][0], np.arange(20) / 10, atol=1e-6)
    assert len(windows) == 2


def test_long_nan_runs_cost_the_window_that_modality_only():
    recording = record(with_nan(ramp(WATCH, 6), (22, 30)), ramp(HEART, 6))
    assert [set(w.signals) for w in segment(recording, SPEC)] == [
        {"watch", "heart"}, {"heart"}, {"watch", "heart"}]  # fmt: skip
    kept = list(segment(recording, SPEC, max_nan_share=0.5))[1].signals["watch"]
    np.testing.assert_allclose(kept[0], 2 + np.arange(20) / 10, atol=1e-6)


def test_a_gap_in_everything_splits_the_recording():
    recording = record(with_nan(ramp(WATCH, 10), (30, 45)))
    assert starts(recording) == [0, 4.5, 6.5]
    assert all(np.isfinite(w.signals["watch"]).all() for w in segment(recording, SPEC))


def test_a_channel_of_nan_only_gives_no_window():
    assert starts(record(with_nan(ramp(WATCH, 6), (0, 60)))) == []


def test_a_recording_shorter_than_a_window_gives_none():
    assert starts(record(ramp(WATCH, 1.5))) == []


NOTES = (Annotation(0, 3, "sit"), Annotation(3, 7, "walk"))


def labels(recording, **options):
    return [(w.start_s, w.label) for w in segment(recording, SPEC, **options)]


def test_windows_that_touch_two_labels_are_left_out_unless_asked_for():
    recording = record(ramp(WATCH, 10), notes=NOTES)
    assert labels(recording) == [(0, "sit"), (4, "walk"), (6, "walk"), (8, None)]
    late = record(ramp(WATCH, 10), notes=(Annotation(0, 2.9, "sit"), Annotation(2.9, 6.9, "walk")))
    assert labels(late, drop_straddling=False)[1] == (2, "walk")
    assert labels(late)[-2] == (6, None)
    assert labels(late, min_label_share=0.4)[-2] == (6, "walk")


def test_labels_can_be_left_out():
    recording = record(ramp(WATCH, 4), notes=NOTES)
    assert labels(recording, label_rule="none") == [(0, None), (2, None)]


BEATING = Track(BEATS, np.array([[1.0, 0.5, 0.5, 1.0, 1.0, 1.0, 0.5]]))


def test_events_alone_are_cut_by_their_number():
    windows = list(segment(record(BEATING, notes=NOTES), SPEC))
    assert [(w.start_s, w.label) for w in windows] == [(0, "sit")]
    windows = list(segment(record(BEATING), SPEC, overlap=0.6))
    assert [w.start_s for w in windows] == [0, 1, 1.5, 2, 3]
    np.testing.assert_array_equal(windows[1].signals["beats"], [[0.5, 0.5, 1.0]])


def test_beside_a_time_axis_the_last_events_of_a_window_count():
    windows = list(segment(record(ramp(WATCH, 6), BEATING), SPEC))
    np.testing.assert_array_equal(windows[0].signals["beats"], [[1, 0.5, 0.5]])
    np.testing.assert_array_equal(windows[1].signals["beats"], [[0.5, 1, 1]])
    slow = replace(BEATING, values=BEATING.values * 3)
    assert "beats" not in next(segment(record(ramp(WATCH, 6), slow), SPEC)).signals


def test_a_row_holds_for_the_whole_recording_and_stamped_rows_from_their_time_on():
    row = Track(PERSON, np.array([[41.0]]), start_s=5.0)
    windows = list(segment(record(ramp(WATCH, 6), row), SPEC))
    assert [w.signals["person"].tolist() for w in windows] == [[[41.0]]] * 3
    rows = Track(PERSON, np.array([[41.0, 42.0]]), stamps_s=np.array([3.0, 5.0]))
    windows = list(segment(record(ramp(WATCH, 6), rows), SPEC))
    assert [w.signals.get("person", np.zeros(1)).item() for w in windows] == [0, 41, 42]


def test_rows_alone_are_a_window_each():
    rows = Track(PERSON, np.array([[41.0, np.nan, 43.0]]))
    notes = (Annotation(0, 1, "calm"), Annotation(2, 2, "stress"))
    windows = list(segment(record(rows, notes=notes), SPEC))
    assert [(w.start_s, w.label) for w in windows] == [(0, "calm"), (2, "stress")]
    single = next(segment(record(Track(PERSON, np.array([[41.0]]))), SPEC))
    assert single.start_s == 0


def test_tracks_that_do_not_fit_and_options_out_of_range_are_named():
    wrong = replace(WATCH, channels=channel("m/s^2"))
    with pytest.raises(SpecError, match=r"'watch' in m/s\^2, the spec expects g; convert it"):
        segment(record(ramp(wrong, 4)), SPEC)
    with pytest.raises(DataError, match="overlap must be at least 0 and below 1, got 1"):
        segment(record(ramp(WATCH, 4)), SPEC, overlap=1.0)
    with pytest.raises(DataError, match="unknown label rule 'last'; choose from majority, none"):
        segment(record(ramp(WATCH, 4)), SPEC, label_rule="last")


# --- scale


def walking(gravity):
    generator = np.random.default_rng(0)
    times = np.arange(400) / 20
    values = np.stack([0.1 * sine(times, 2)[0], 1 + 0.3 * sine(times, 2)[0], 0.2 + 0 * times])
    return gravity * (values + 0.02 * generator.normal(size=values.shape))


@pytest.mark.parametrize(("unit", "gravity"), [("g", 1.0), ("m/s^2", 9.81), ("mg", 1000.0)])
@pytest.mark.parametrize("said", ["g", "m/s2", "mg"])
def test_gravity_tells_the_unit_of_an_acceleration(unit, gravity, said):
    if said.replace("s2", "s^2") == unit:
        check_scale(walking(gravity), said, "wrist")
    else:
        with pytest.raises(SpecError, match="'wrist' is said to be in") as caught:
            check_scale(walking(gravity), said, "wrist")
        assert f"looks like {unit};" in str(caught.value)


def test_acceleration_without_gravity_says_nothing_about_its_unit():
    body = np.random.default_rng(0).normal(size=(3, 500))
    for unit in ("g", "m/s^2"):
        check_scale(0.6 * body, unit)
    check_scale(np.full((3, 5), np.nan), "g")
    check_scale(np.zeros((3, 5)), "g")


def test_turn_rates_and_intervals_in_another_unit_are_recognised():
    turning = 200 * sine(np.arange(200) / 20)
    with pytest.raises(
        SpecError, match="said to be in rad/s, but with values of 200 it looks like"
    ):
        check_scale(turning, "rad/s")
    check_scale(np.deg2rad(turning), "rad/s")
    with pytest.raises(SpecError, match="looks like s; convert it or write unit s"):
        check_scale(np.full((1, 9), 0.8), "ms", axis="event")
    with pytest.raises(SpecError, match="looks like ms"):
        check_track_scale(BEATS, np.full((1, 9), 800.0))
    check_track_scale(BEATS, np.full((1, 9), 0.8))
