"""Windows of a running signal are those that `classify` cuts from the whole recording."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sensor2llm.errors import DataError, SpecError
from sensor2llm.live.cutter import LiveCutter
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.tables.named_columns import match_columns, named_windows
from tests.live.sources import Clock
from tests.signals.stores import ACCEL, BEATS, ROW

GYRO = Modality(
    name="gyro",
    channels=tuple(Channel(name=c, unit="rad/s") for c in "xyz"),
    steps=16,
    rate_hz=8.0,
)
SPEC = SignalSpec(modalities=(ACCEL, GYRO), window_s=2.0)
HEART = SignalSpec(modalities=(BEATS,))


def columns_of(times, spec=SPEC, seed=0):
    """Give slow waves, so that another rate or a jitter shows them alike."""
    rng = np.random.default_rng(seed)
    names = [f"{m.name}.{c}" for m in spec.modalities for c in m.channel_names]
    waves = {}
    for name in names:
        rate, phase = rng.uniform(0.1, 0.4), rng.uniform(0, 6)
        waves[name] = np.sin(2 * np.pi * rate * (times - times[0]) + phase)
    return {"time_s": times} | waves


def from_file(columns, spec=SPEC, overlap=0.0):
    table, ledger = pa.table(columns), Ledger()
    return list(named_windows(Path("walk.csv"), spec, overlap, ledger, columns=table)), ledger


def cutter_for(columns, spec=SPEC, step_s=None, **options):
    names = [name for name in columns if name != "time_s"]
    return LiveCutter(match_columns(names, spec, Path("live"), {}, ""), spec, step_s, **options)


def run_live(columns, spec=SPEC, step_s=None, chunk=3, finish=True):
    """Feed columns a few samples at a time."""
    cutter, cut = cutter_for(columns, spec, step_s), []
    times = columns["time_s"]
    for start in range(0, len(times), chunk):
        part = slice(start, start + chunk)
        values = {name: v[part] for name, v in columns.items() if name != "time_s"}
        cut += cutter.feed(times[part], values)
    cut += cutter.finish() if finish else []
    return [window for window, _ in cut], cutter


def same(windows, expected, tolerance=1e-5):
    assert [round(w.start_s, 6) for w in windows] == [round(w.start_s, 6) for w in expected]
    assert len(windows) > 1
    for window, other in zip(windows, expected, strict=True):
        assert window.signals.keys() == other.signals.keys()
        for name, values in window.signals.items():
            np.testing.assert_allclose(values, other.signals[name], atol=tolerance)


def grid(seconds=20.0, rate_hz=8.0, start_s=0.0):
    return start_s + np.arange(round(seconds * rate_hz)) / rate_hz


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("start_s", [0.0, 1.7e9])
def test_samples_on_the_grid(chunk, start_s):
    columns = columns_of(grid(start_s=start_s))
    same(run_live(columns, chunk=chunk)[0], from_file(columns)[0])


@pytest.mark.parametrize("step_s", [0.5, 1.5])
def test_windows_that_slide(step_s):
    columns = columns_of(grid())
    same(run_live(columns, step_s=step_s)[0], from_file(columns, overlap=1 - step_s / 2)[0])


def test_a_clock_that_jitters():
    times = grid() + np.random.default_rng(1).uniform(-0.04, 0.04, 160)
    columns = columns_of(times)
    same(run_live(columns)[0], from_file(columns)[0], 1e-4)


def test_a_clock_that_drifts_keeps_its_own_seconds():
    columns = columns_of(grid(60) * 1.03)
    windows, _ = run_live(columns)
    same(windows, from_file(columns)[0], 1e-4)
    assert np.diff([w.start_s for w in windows]) == pytest.approx(2.0)


@pytest.mark.parametrize("rate_hz", [16.0, 24.0, 40.0])
def test_samples_that_come_faster_are_filtered_as_those_of_a_file(rate_hz):
    columns = columns_of(grid(30, rate_hz))
    windows, cutter = run_live(columns)
    # At the recording's two ends the filter goes on along another line.
    same(windows, from_file(columns)[0], 5e-3)
    assert cutter.buffers["accel"].rate_hz == pytest.approx(rate_hz)


def test_packets_that_share_a_stamp():
    columns = columns_of(grid(30))
    columns["time_s"] = np.floor(columns["time_s"])
    same(run_live(columns, chunk=8)[0], from_file(columns)[0], 1e-4)


@pytest.mark.parametrize("pause_s", [0.3, 1.1, 7.7, 3600.0])
def test_no_window_spans_a_pause(pause_s):
    times = grid(24)
    columns = columns_of(np.where(times < 9.2, times, times + pause_s))
    windows, _ = run_live(columns)
    same(windows, from_file(columns)[0], 1e-4)
    starts = np.array([w.start_s for w in windows])
    assert not ((starts < 9.0) & (starts + 2.0 > 9.5)).any()
    assert len(starts) >= 10


def test_a_pause_shorter_than_what_is_bridged_is_bridged():
    columns = columns_of(np.delete(grid(20), [50, 90]))
    windows, _ = run_live(columns)
    same(windows, from_file(columns)[0], 1e-4)
    assert len(windows) == 10


def test_a_sensor_that_vanishes_is_missing_and_comes_back():
    columns = columns_of(grid(30))
    for axis in "xyz":
        columns[f"gyro.{axis}"][60:140] = np.nan
    windows, cutter = run_live(columns)
    same(windows, from_file(columns)[0], 1e-4)
    there = ["gyro" in window.signals for window in windows]
    assert there == [True] * 3 + [False] * 6 + [True] * 6
    assert cutter.ledger["windows"].changed["without gyro, more than 5% missing"] > 0


def test_time_without_any_sensor_is_a_gap():
    columns = columns_of(grid(30))
    for name in columns.keys() - {"time_s"}:
        columns[name][60:140] = np.nan
    same(run_live(columns)[0], from_file(columns)[0], 1e-4)


PARTS = [slice(i, i + 4) for i in range(0, 160, 4)]


def streams(columns, order, step_s=None):
    """Feed the sensors as streams of their own, half a second each; give windows and lateness."""
    clock, cut, late = Clock(), [], []
    cutter = cutter_for(columns, step_s=step_s, clock=clock)
    for name, part in order:
        clock.now_s = columns["time_s"][part][-1] if name == "accel" else clock.now_s
        values = {key: v[part] for key, v in columns.items() if key.startswith(f"{name}.")}
        for window, stop_s in cutter.feed(columns["time_s"][part], values):
            cut.append(window)
            late.append(clock.now_s - stop_s)
    return cut, late


def test_a_stream_that_lags_is_waited_for():
    columns = columns_of(grid(20))
    order = [("accel", PARTS[0])]
    for ahead, behind in zip(PARTS[1:], PARTS, strict=False):
        order += [("accel", ahead), ("gyro", behind)]
    windows, _ = streams(columns, order)
    assert len(windows) == 9
    assert all(window.signals.keys() == {"accel", "gyro"} for window in windows)
    same(windows, from_file(columns)[0][:9])


@pytest.mark.parametrize("step_s", [None, 0.5])
def test_a_stream_that_is_gone_is_waited_for_once(step_s):
    columns = columns_of(grid(20))
    order = []
    for i, part in enumerate(PARTS):
        order += [("gyro", part)] * (i < 12 or i > 28) + [("accel", part)]
    windows, late = streams(columns, order, step_s)
    there = [w.start_s for w in windows if "gyro" in w.signals]
    assert there == [0, 2, 4, 16, 18] if step_s is None else max(late) <= 1.5
    assert sum(x > 1.0 for x in late) <= 2
    assert len(windows) == (10 if step_s is None else 37)


def test_a_clock_that_is_set_back_begins_anew():
    columns = columns_of(np.r_[grid(9), grid(9)])
    windows, cutter = run_live(columns)
    assert [w.start_s for w in windows] == [0, 2, 4, 6] * 2
    assert cutter.restarts == 1


def test_samples_a_little_out_of_order_are_sorted_and_too_late_ones_counted():
    columns = columns_of(grid(20))
    order = np.arange(160)
    order[[20, 22]] = [22, 20]
    shuffled = {name: values[order] for name, values in columns.items()}
    same(run_live(shuffled, chunk=1)[0], from_file(columns)[0])
    late = {name: np.insert(v, 100, v[99] - (0.9 if name == "time_s" else 0))
            for name, v in columns.items()}  # fmt: skip
    _, cutter = run_live(late, chunk=1)
    assert cutter.losses == Counter({"samples of accel that came too late": 1,
                                     "samples of gyro that came too late": 1})  # fmt: skip


def test_values_that_cannot_be_are_missing_and_counted():
    columns = columns_of(grid(40))
    columns["accel.x"][200] = 1e9
    columns["accel.y"][203] = np.inf
    windows, cutter = run_live(columns)
    assert len(windows) == 20
    assert all(np.isfinite(values).all() for w in windows for values in w.signals.values())
    assert cutter.losses == {"values of accel that cannot be, taken as missing": 2}


def test_another_unit_is_refused_with_the_first_window():
    columns = columns_of(grid(20))
    for axis in "xyz":
        columns[f"accel.{axis}"] = 9.8 / 3**0.5 + 0.01 * columns[f"accel.{axis}"]
    with pytest.raises(SpecError, match=r"'accel' is said to be in g, but .* looks like m/s\^2"):
        run_live(columns)
    for axis in "xyz":
        columns[f"accel.{axis}"] *= 1000
    with pytest.raises(SpecError, match="'accel' is expected in g, but 100% of its values cannot"):
        run_live(columns)


def test_a_clock_that_stands_still():
    columns = columns_of(np.zeros(100_001))
    with pytest.raises(DataError, match="a clock that stands still"):
        run_live(columns, chunk=100_001)


def test_what_is_held_does_not_grow():
    columns = columns_of(grid(400))
    cutter = cutter_for(columns)
    sizes = []
    for start in range(0, 3200, 8):
        part = slice(start, start + 8)
        values = {name: v[part] for name, v in columns.items() if name != "time_s"}
        for _ in cutter.feed(columns["time_s"][part], values):
            pass
        sizes.append(len(cutter.buffers["accel"]))
    assert max(sizes) < 40


def beats(count=43):
    intervals = 800 + 50 * np.sin(np.arange(count))
    return {"time_s": np.cumsum(intervals) / 1000, "rr": intervals}


def test_windows_of_events():
    columns = beats()
    windows, _ = run_live(columns, HEART)
    same(windows, from_file(columns, HEART)[0])


def test_windows_of_events_every_few_seconds():
    windows, _ = run_live(beats(), HEART, step_s=4.0)
    ends = np.array([w.start_s + w.signals["rr"].sum() / 1000 for w in windows])
    assert (np.diff(ends[1:]) >= 4.0 - 1e-3).all()
    assert (np.diff(ends[1:]) < 5.0).all()


def test_no_window_of_events_spans_a_pause():
    columns = beats()
    columns["time_s"][22:] += 300
    windows, _ = run_live(columns, HEART)
    assert len(windows) == 8
    for window in windows:
        last = columns["rr"].tolist().index(pytest.approx(window.signals["rr"][0, -1], abs=1e-3))
        assert not last - 4 < 22 <= last


def test_every_row_is_a_window():
    spec = SignalSpec(modalities=(ROW,))
    columns = {"time_s": np.arange(5.0), "age": np.full(5, 33.0), "mass": np.arange(5.0) + 70}
    windows, _ = run_live(columns, spec)
    same(windows, from_file(columns, spec)[0])
    assert [float(w.signals["person"][1, 0]) for w in windows] == [70, 71, 72, 73, 74]
