"""Windows and tracks: float32, shapes, and the times of their steps."""

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.spec import Channel, Modality
from sensor2llm.signals.window import Track, Window


def modality(unit="ms", axis="event", channels=1, **fields):
    names = tuple(Channel(name=f"c{i}", unit=unit) for i in range(channels))
    return Modality(name="m", channels=names, steps=1, axis=axis, **fields)


def test_values_become_float32():
    assert Window({"m": np.zeros((1, 4), np.float64)}).signals["m"].dtype == np.float32
    assert Track(modality(), np.zeros((1, 4), np.float64)).values.dtype == np.float32


def test_times_of_a_time_axis_follow_the_rate():
    track = Track(modality(axis="time", rate_hz=4.0), np.zeros((1, 3)), start_s=10.0)
    np.testing.assert_allclose(track.times_s, [10.0, 10.25, 10.5])


@pytest.mark.parametrize(("unit", "factor"), [("ms", 1000), ("s", 1)])
def test_times_of_events_are_the_running_sum_of_intervals(unit, factor):
    track = Track(modality(unit), np.array([[0.5, 1.0, 0.5]]) * factor, start_s=2.0)
    np.testing.assert_allclose(track.times_s, [2.5, 3.5, 4.0])


def test_an_unknown_interval_counts_as_the_median():
    track = Track(modality("s"), np.array([[1.0, np.nan, 1.0]]))
    np.testing.assert_allclose(track.times_s, [1.0, 2.0, 3.0])


def test_stamps_are_the_times_of_events_and_rows():
    track = Track(modality("L"), np.zeros((1, 2)), stamps_s=np.array([1.0, 9.0]))
    np.testing.assert_array_equal(track.times_s, [1.0, 9.0])
    np.testing.assert_array_equal(
        Track(modality(axis="none"), np.zeros((1, 1)), 3.0).times_s, [3.0]
    )


@pytest.mark.parametrize(
    ("values", "stamps", "message"),
    [
        (np.zeros((5, 2)), None, r"shape \(5, 2\), expected \(2, step\).*transposed"),
        (np.zeros(5), None, r"shape \(5,\), expected \(2, step\)"),
        (np.zeros((2, 3)), [1.0, 2.0], r"3 steps but stamps of shape \(2,\)"),
        (np.zeros((2, 3)), [1.0, 3.0, 2.0], "go back at step 2: 2 s after 3 s"),
    ],
)
def test_tracks_that_do_not_fit_are_named(values, stamps, message):
    with pytest.raises(DataError, match=message):
        Track(modality(channels=2), values, stamps_s=None if stamps is None else np.array(stamps))


def test_events_without_times_are_an_error():
    with pytest.raises(DataError, match="first channel is in 'L', not s or ms; give stamps_s"):
        _ = Track(modality("L"), np.zeros((1, 2))).times_s
