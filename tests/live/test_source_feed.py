"""A source's columns are found by name, its units brought to the adapter's, its samples cut."""

import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.live import clock as clock_module
from sensor2llm.live.clock import SampleClock
from sensor2llm.live.source_feed import SourceFeed
from sensor2llm.live.sources.source import LiveSamples
from sensor2llm.signals.mapping.data_map import parse_map
from sensor2llm.signals.spec import SignalSpec
from tests.live.sources import ListSource
from tests.live.test_cutter import GYRO, HEART, SPEC, beats, columns_of, grid
from tests.signals.stores import ACCEL, BEATS

ONE = SignalSpec(modalities=(ACCEL,), window_s=2.0)


def chunks_of(columns, *, timed=True, size=20):
    """Divide columns into chunks."""
    chunks = []
    for start in range(0, len(columns["time_s"]), size):
        part = slice(start, start + size)
        values = {name: v[part] for name, v in columns.items() if name != "time_s"}
        chunks.append(LiveSamples(values, columns["time_s"][part] if timed else None))
    return chunks


def windows_of(feed):
    windows = []
    while (coming := feed.poll(0.0)) is not None:
        windows += [due.window for due in coming]
    return windows


def test_sensors_that_the_source_lacks_are_missing():
    columns = columns_of(grid(8), ONE)
    windows = windows_of(SourceFeed(ListSource(*chunks_of(columns)), SPEC, subject="anna"))
    assert [set(w.signals) for w in windows] == [{"accel"}] * 4
    assert {w.subject for w in windows} == {"anna"}


def test_units_that_the_source_names_are_converted(caplog):
    caplog.set_level("INFO")
    columns = columns_of(grid(8), ONE)
    (plain, *_) = windows_of(SourceFeed(ListSource(*chunks_of(columns)), ONE))
    source = ListSource(*chunks_of(columns), units={"accel.x": "m/s^2", "accel.y": "furlongs"})
    (window, *_) = windows_of(SourceFeed(source, ONE))
    np.testing.assert_allclose(window.signals["accel"][0] * 9.80665, plain.signals["accel"][0])
    np.testing.assert_allclose(window.signals["accel"][1:], plain.signals["accel"][1:])
    assert "device: accel.x is brought from m/s^2 to g" in caplog.messages
    assert "device: 'furlongs' of accel.y is taken as g" in caplog.messages


def test_other_names_and_axes_are_mapped(caplog):
    caplog.set_level("INFO")
    columns = columns_of(grid(8), ONE)
    named = {name.replace("accel.", "watch_"): values for name, values in columns.items()}
    names = ("watch_x", "watch_y", "watch_z", "battery")
    with pytest.raises(DataError) as error:
        SourceFeed(ListSource(columns=names), ONE)
    assert str(error.value) == (
        "device has the columns watch_x, watch_y, watch_z, battery; expected the spec's channels, "
        "for example x, y, z; rename them, or say --map accel=watch"
    )
    with pytest.raises(DataError, match=r"say --map SENSOR.AXIS=COLUMN …"):
        SourceFeed(ListSource(columns=("a", "b")), ONE)
    data_map = parse_map(["accel=watch", "accel.x=-y", "accel.y=x"], ONE)
    windows = windows_of(SourceFeed(ListSource(*chunks_of(named), columns=names), ONE, data_map))
    np.testing.assert_allclose(windows[0].signals["accel"][0], -columns["accel.y"][:16], atol=1e-6)
    assert "device: battery are not read" in caplog.messages


def test_a_sensor_of_which_a_channel_is_missing():
    with pytest.raises(DataError, match=r"no column 'accel.z' of modality 'accel'"):
        SourceFeed(ListSource(columns=("accel.x", "accel.y")), ONE)


@pytest.mark.parametrize("step_s", [0.0, -1.0, 2.5, float("nan")])
def test_a_step_that_cannot_be(step_s):
    with pytest.raises(ConfigError, match="step-s must be above 0 and at most a window's 2 s"):
        SourceFeed(ListSource(), ONE, step_s=step_s)


def test_columns_that_come_later_are_taken_up(caplog):
    columns = columns_of(grid(16))
    chunks, source = chunks_of(columns, size=16), ListSource()
    for chunk in chunks[:3]:
        for axis in "xyz":
            del chunk.values[f"gyro.{axis}"]
    feed = SourceFeed(source, SPEC)
    source.chunks = chunks[:3]
    windows = [due.window for _ in range(3) for due in feed.poll(0.0)]
    source.columns, source.chunks = tuple(chunks[3].values), chunks[3:]
    windows += windows_of(feed)
    assert ["gyro" in w.signals for w in windows] == [False] * 3 + [True] * 5


def test_columns_that_come_later_and_do_not_fit_are_left(caplog):
    columns, source = columns_of(grid(16), ONE), ListSource()
    feed = SourceFeed(source, SPEC)
    source.chunks = chunks_of(columns)
    source.columns = (*source.columns, "gyro.x")
    assert len(windows_of(feed)) == 8
    assert "new columns are not read: device: no column 'gyro.y'" in caplog.text


def test_samples_without_a_time_come_at_the_adapters_rate(caplog):
    caplog.set_level("INFO")
    columns = columns_of(grid(8), ONE)
    windows = windows_of(SourceFeed(ListSource(*chunks_of(columns, timed=False)), ONE))
    assert [w.start_s for w in windows] == [0, 2, 4, 6]
    assert "device: no time; samples are taken to come at the adapter's rate" in caplog.messages


def test_samples_without_a_time_that_pause_are_no_series():
    clock, values = SampleClock(entries_of(ONE), "device"), {"x": np.zeros(8)}
    assert clock.times_s(values, 100.0).tolist() == (np.arange(8) / 8).tolist()
    assert clock.times_s(values, 100.5).tolist() == (1 + np.arange(8) / 8).tolist()
    assert clock.times_s(values, 110.5)[0] == 12.0
    assert clock_module.PAUSE_S == 1.0


def test_beats_without_a_time_follow_each_other():
    columns = beats()
    source = ListSource(*chunks_of(columns, timed=False), columns=("rr",))
    windows = windows_of(SourceFeed(source, HEART))
    assert len(windows) == 8
    assert windows[1].start_s == pytest.approx(columns["time_s"][4])


def test_samples_without_a_time_at_two_rates_are_refused():
    slow = SignalSpec(modalities=(ACCEL, GYRO_SLOW), window_s=2.0)
    with pytest.raises(DataError, match="device needs a time, such as time_s: its sensors have"):
        SampleClock(entries_of(slow), "device")


GYRO_SLOW = type(GYRO)(name="gyro", channels=GYRO.channels, steps=4, rate_hz=2.0)


def entries_of(spec):
    names = [f"{m.name}.{c}" for m in spec.modalities for c in m.channel_names]
    return SourceFeed(ListSource(columns=names), spec)._entries


def test_what_is_shown_is_the_newest_signal():
    columns = columns_of(grid(20), ONE)
    feed = SourceFeed(ListSource(*chunks_of(columns)), SignalSpec(modalities=(ACCEL, BEATS)))
    windows_of(feed)
    assert feed.recent().keys() == {"accel"}
    np.testing.assert_allclose(feed.recent()["accel"][0], columns["accel.x"][-64:])
