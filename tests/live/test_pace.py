"""When samples were to be there, though clocks drift, stand still and come back."""

import numpy as np
import pytest

from sensor2llm.live.pace import Pace


def test_a_clock_that_is_right():
    pace = Pace()
    for now_s in np.arange(100, 110, 0.02):
        pace.arrive(now_s - 83, now_s)
    assert pace.due(20.0) == pytest.approx(103.0)


@pytest.mark.parametrize("drift", [0.97, 1.0001, 1.03])
def test_a_clock_that_drifts_is_followed(drift):
    pace = Pace()
    for now_s in np.arange(0, 3600, 0.1):
        pace.arrive(now_s * drift, now_s)
    assert pace.due(3600 * drift) == pytest.approx(3600, abs=0.2)


def test_samples_that_come_in_packets_are_due_when_their_packet_comes():
    pace = Pace()
    for second in range(60):
        pace.arrive(stamp_s=second, now_s=second + 1.0)
    assert pace.due(59.98) >= 60.9


def test_a_clock_that_stood_still_is_late_by_as_much_at_once():
    pace = Pace()
    pace.arrive(10.0, 10.0)
    pace.arrive(10.1, 610.1)
    assert pace.due(11.0) == pytest.approx(611.0)


def test_what_is_piped_in_faster_than_real_time_is_due_later():
    pace = Pace()
    for i in range(100):
        pace.arrive(stamp_s=20.0 * i, now_s=0.1 * i)
    assert pace.due(1980.0) > 1900.0


def test_a_clock_that_is_set_anew():
    pace = Pace()
    pace.arrive(1e9, 5.0)
    pace.restart()
    pace.arrive(0.0, 6.0)
    assert pace.due(1.0) == 7.0
