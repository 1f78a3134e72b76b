"""Streams of Lab Streaming Layer, real ones on this machine."""

import sys
import time

import numpy as np
import pylsl
import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.live.source_feed import SourceFeed
from sensor2llm.live.sources import lsl
from sensor2llm.live.sources.lsl import LslSource
from sensor2llm.signals.spec import SignalSpec
from tests.live.sources import Device
from tests.live.test_cutter import SPEC, columns_of, from_file, grid
from tests.signals.stores import ACCEL

ONE = SignalSpec(modalities=(ACCEL,), window_s=2.0)


@pytest.fixture
def device():
    devices = []

    def start(*words, **options):
        devices.append(Device(*words, **options))
        return devices[-1]

    yield start
    for one in devices:
        one.close()


def hear(source, count, looks=600):
    """Read until so many samples of each column came."""
    values, times = {name: [] for name in source.columns}, []
    for _ in range(looks):
        samples = source.read(0.05)
        for name, own in samples.values.items():
            values[name] += own.tolist()
        times += [] if samples.times_s is None else samples.times_s.tolist()
        if all(len(own) >= count for own in values.values()):
            return values, np.array(times)
    raise AssertionError({name: len(own) for name, own in values.items()})


def test_windows_of_two_streams_are_those_of_a_file(device):
    columns = columns_of(grid(12))
    start_s = pylsl.local_clock()
    devices = [
        device({n: v for n, v in columns.items() if n == "time_s" or n.startswith(sensor)}, 8.0,
               start_s=start_s)
        for sensor in ("accel", "gyro")
    ]  # fmt: skip
    source = LslSource(",".join(one.name for one in devices))
    assert source.columns == tuple(name for name in columns if name != "time_s")
    feed, windows = SourceFeed(source, SPEC), []
    for _ in range(600):
        windows += [due.window for due in feed.poll(0.05)]
        if len(windows) >= 5:
            break
    feed.close()
    expected = from_file(columns)[0][: len(windows)]
    assert len(windows) >= 5
    for window, other in zip(windows, expected, strict=True):
        assert window.signals.keys() == {"accel", "gyro"}
        for name in ("accel", "gyro"):
            # Clocks of two processes are put on each other to a millisecond or so.
            np.testing.assert_allclose(window.signals[name], other.signals[name], atol=0.02)
    assert np.diff([w.start_s for w in windows]) == pytest.approx(2.0)


def test_columns_are_named_by_labels_and_streams(device):
    columns = {"time_s": grid(2), "x": np.arange(16.0), "size": np.arange(16.0)}
    one = device(columns, 8.0, units=("m/s^2", ""))
    source = LslSource(one.name)
    assert source.columns == (f"{one.name}.x", "size")
    assert source.units == {f"{one.name}.x": "m/s^2"}
    values, times = hear(source, 16)
    source.close()
    assert values["size"] == list(range(16))
    assert np.diff(times) == pytest.approx(1 / 8, abs=1e-3)
    assert times[0] == pytest.approx(time.time(), abs=30)


def test_a_stream_that_is_not_there(device, monkeypatch):
    one = device({"time_s": grid(2), "x": np.zeros(16)}, 8.0)
    monkeypatch.setattr(lsl, "FIND_S", 0.3)
    with pytest.raises(DataError, match=rf"no stream called 'nobody' .*{one.name}"):
        LslSource("nobody")
    one.outlet.push_sample([0.0])
    hear(LslSource(one.name), 1)


def test_a_stream_of_texts(device, monkeypatch):
    one = device({"time_s": grid(1), "mark": np.array(["a"] * 8)}, 0.0, kind="string")
    with pytest.raises(DataError, match="is one of texts; name one of numbers"):
        LslSource(one.name)


def test_without_pylsl(monkeypatch):
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(ConfigError) as error:
        LslSource("watch")
    assert str(error.value) == "lsl:// needs pylsl: pip install 'sensor2llm[live]'"


class Info:
    def __init__(self, name, labels, count):
        self.name, self.get_channel_labels, self.channel_count = (
            lambda: name, lambda: labels, lambda: count,
        )  # fmt: skip


def test_names_without_labels_or_with_the_same():
    infos = [Info("a", None, 2), Info("b", [None], 1), Info("c", ["rr"], 1), Info("d", ["rr"], 1)]
    assert lsl._named(infos) == [["a.1", "a.2"], ["b"], ["c.rr"], ["d.rr"]]
