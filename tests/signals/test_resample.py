"""Rates, gaps and NaN at their edges: which step is measured, and where a recording is cut."""

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.resample import (
    check_steps,
    check_times,
    fill_short_gaps,
    resample,
    resample_irregular,
    runs,
)


def measured(result):
    return np.isfinite(result[0]).tolist()


# --- regular rates


@pytest.mark.parametrize(("rate", "new"), [(20, 50), (40, 20), (0.5, 0.75)])
def test_a_wave_below_both_limits_keeps_its_height(rate, new):
    hz = 0.25 * min(rate, new)
    values = np.sin(2 * np.pi * hz * np.arange(400) / rate)[None]
    result = resample(values, rate, new)
    expected = np.sin(2 * np.pi * hz * np.arange(result.shape[1]) / new)
    # Linear interpolation would lose a third of it.
    assert np.abs(result[0] - expected)[50:-50].max() < 0.05


def test_a_rate_of_almost_the_same_is_no_reason_to_drift():
    hour = np.arange(3600 * 20) / 20
    result = resample(hour[None], 20, 20.005)
    assert result.shape[1] == 3600 * 20 + 18
    np.testing.assert_allclose(
        result[0, :-20], (np.arange(len(result[0])) / 20.005)[:-20], rtol=1e-5
    )


@pytest.mark.parametrize(("new", "steps"), [(20, 1), (40, 2), (20.013, 1), (10, 1)])
def test_a_single_step_stays_one_value(new, steps):
    result = resample(np.array([[3.0]]), 20, new)
    assert result.dtype == np.float32
    assert result.shape == (1, steps)
    np.testing.assert_allclose(result, 3.0, atol=0.2)


def test_two_steps_go_on_along_their_line():
    result = resample(np.array([[0.0, 10.0]]), 20, 40)
    assert result.shape == (1, 4)
    np.testing.assert_allclose(result[0], [0, 5, 10, 15], atol=0.2)


@pytest.mark.parametrize("new", [20, 10])
def test_no_step_gives_no_step(new):
    assert resample(np.zeros((2, 0)), 20, new).shape == (2, 0)


def test_values_of_the_same_rate_are_float32():
    assert resample(np.zeros((1, 4)), 20, 20).dtype == np.float32


def test_whole_numbers_are_resampled_as_numbers():
    ramp = np.arange(100, dtype=np.int16)[None]
    np.testing.assert_allclose(resample(ramp, 20, 10)[0], ramp[0, ::2], atol=0.1)


@pytest.mark.parametrize("rate", [(20, 0), (0, 20), (20, -1), (-1, 20), (np.nan, 20)])
def test_rates_that_cannot_be_are_refused(rate):
    with pytest.raises(DataError, match=r"^rates must be above 0 Hz, got \S+ and \S+$"):
        resample(np.zeros((1, 4)), *rate)


@pytest.mark.parametrize("new", [10, 20, 50, 16, 20.013])
@pytest.mark.parametrize("missing", [[0], [7], [20, 21, 22], [59], [0, 1, 58, 59]])
def test_a_step_is_missing_where_the_nearest_sample_is(new, missing):
    values = np.ones((2, 60))
    values[0, missing] = np.nan
    result = resample(values, 20, new)
    at = np.arange(result.shape[1]) / new
    nearest = np.abs(at[:, None] - np.arange(60) / 20).argmin(1)
    # Half-way between two samples either may count as the nearest.
    clear = np.abs(at * 20 % 1 - 0.5) > 1e-6
    np.testing.assert_array_equal(np.isnan(result[0])[clear], np.isin(nearest, missing)[clear])
    assert not np.isnan(result[1]).any()


def test_more_steps_than_samples_can_mean_are_refused():
    for steps, samples in ((2**22, 1), (20e6, 10**6)):
        check_steps(steps, samples)
        with pytest.raises(DataError) as caught:
            check_steps(steps + 1, samples)
        assert str(caught.value) == (
            f"{samples} samples would become {steps + 1:.3g} steps; are the times, the rates and "
            "the longest pause that is bridged (max_gap_s) right?"
        )
    with pytest.raises(DataError, match=r"100 samples would become 1e\+11 steps"):
        resample(np.ones((1, 100)), 1, 1e9)
    with pytest.raises(DataError, match=r"100 samples would become 1e\+11 steps"):
        resample_irregular(np.arange(100) * 1e-9, np.ones((1, 100)), 1, 0.0, 100)


# --- times and gaps


def test_the_first_bad_time_is_named_whole():
    with pytest.raises(DataError) as caught:
        check_times(np.array([0, 1, 0.5]))
    assert str(caught.value) == (
        "timestamp of the recording goes back at row 2: 0.5 s after 1 s; sort the rows, or split "
        "the recording there"
    )
    with pytest.raises(DataError) as caught:
        check_times(np.array([0, np.inf, 0.5, np.nan]), "'watch'")
    assert str(caught.value) == "timestamp of 'watch' at row 1 is not a number; remove the row"


def test_unsigned_times_that_go_back_are_seen():
    with pytest.raises(DataError, match="goes back at row 1: 1 s after 2 s"):
        check_times(np.array([2, 1], dtype=np.uint8))


# --- uneven times


def test_a_single_sample_is_at_its_place_only():
    result = resample_irregular(np.array([1.0]), np.array([[5.0]]), 10, 0.0, 21)
    assert np.flatnonzero(np.isfinite(result[0])).tolist() == [10]
    assert result.dtype == np.float32


def test_samples_within_half_a_grid_step_count():
    result = resample_irregular(np.array([0.025]), np.array([[5.0]]), 20, 0.0, 3)
    assert measured(result) == [True, True, False]


def test_two_samples_are_their_own_median_step():
    result = resample_irregular(np.array([0.0, 0.3]), np.array([[0.0, 3.0]]), 10, 0.0, 4)
    np.testing.assert_allclose(result, [[0, 1, 2, 3]], atol=1e-6)


@pytest.mark.parametrize(("gap_s", "bridged"), [(0.2, True), (0.25, False), (0.5, False)])
@pytest.mark.parametrize("place", [1, 50, 99])
@pytest.mark.parametrize("start_s", [0.0, 1.7e9])
def test_a_gap_is_bridged_up_to_the_maximum_wherever_it_is(gap_s, bridged, place, start_s):
    times = np.arange(100) * 0.02
    times[place:] += gap_s - 0.02
    steps = round(times[-1] * 50) + 1
    result = resample_irregular(start_s + times, np.ones((1, 100)), 50, start_s, steps)
    inside = (np.arange(result.shape[1]) / 50 > times[place - 1] + 0.011) & (
        np.arange(result.shape[1]) / 50 < times[place] - 0.011
    )
    assert np.isfinite(result[0, inside]).tolist() == [bridged] * inside.sum()
    assert np.isfinite(result[0, ~inside]).all()


def test_slow_samples_bridge_two_of_their_own_steps():
    times = np.array([0, 0.5, 1.0, 1.5, 2.0, 3.0, 3.5, 4.75, 5.25])
    result = resample_irregular(times, np.ones((1, 9)), 20, 0.0, 106)
    at = np.arange(106) / 20
    gap = (at > 3.5 + 0.03) & (at < 4.75 - 0.03)
    np.testing.assert_array_equal(np.isnan(result[0]), gap)


def test_level_stays_to_the_edges_where_samples_are_denser_than_the_grid():
    result = resample_irregular(np.arange(500) / 100, np.full((1, 500), 9.81), 20, 0.0, 100)
    np.testing.assert_allclose(result, 9.81, rtol=1e-5)


@pytest.mark.parametrize("rate", [40, 60])
def test_what_lies_between_half_the_new_and_half_the_old_rate_is_filtered_out(rate):
    times = np.arange(20 * rate) / rate
    values = np.sin(2 * np.pi * 16 * times)[None]
    assert np.abs(resample_irregular(times, values, 20, 0.0, 400)[0, 20:-20]).max() < 0.1


# --- runs of NaN


def test_runs_of_nan_up_to_the_maximum_are_filled():
    nan = np.nan
    values = np.array([[0, nan, 2, nan, nan, 5, nan, nan, nan, 9.0], np.arange(10.0)])
    filled = fill_short_gaps(values, 2)
    np.testing.assert_array_equal(filled[0], [0, 1, 2, 3, 4, 5, nan, nan, nan, 9])
    np.testing.assert_array_equal(filled[1], values[1])
    assert np.isnan(values[0]).sum() == 6


def test_runs_reach_both_ends():
    mask = np.array([True, False, True, True, False, True])
    assert runs(mask) == [(0, 1), (2, 4), (5, 6)]
    assert runs(np.zeros(3, dtype=bool)) == []
