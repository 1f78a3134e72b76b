"""The turn of a device is found again from gravity and movement."""

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.mapping.fitting import fit_axes, quarter_turns
from tests.signals.likeness.profiles import changed, fresh, toy_profile, turn_free_profile, turned


def test_there_are_24_turns_and_the_first_changes_nothing():
    turns = quarter_turns()
    assert len(turns) == 24
    np.testing.assert_array_equal(turns[0], np.eye(3))
    assert all(np.linalg.det(turn) == pytest.approx(1) for turn in turns)


def test_gravity_is_brought_back_to_where_it_lay():
    fit = fit_axes(toy_profile(), turned(fresh()))
    (accel, gyro) = (fit.data_map.turns[name] for name in ("watch_accel", "watch_gyro"))
    np.testing.assert_array_equal(accel, gyro)
    np.testing.assert_array_equal(accel[1], [1, 0, 0])
    assert fit.changes
    assert fit.before.startswith("100 % of 90 windows are unlike training (gravity lies along x")
    scores = toy_profile().scores(list(fit.data_map.turned(turned(fresh()))))
    assert np.mean(scores > 0) < 0.2


def test_a_device_that_lies_as_in_training_stays():
    fit = fit_axes(toy_profile(), fresh())
    np.testing.assert_array_equal(fit.data_map.turns["watch_accel"][1], [0, 1, 0])


def test_without_gravity_nothing_can_be_told():
    windows = changed(fresh(), "watch_accel", lambda v: v)
    for window in windows:
        del window.signals["watch_accel"]
    with pytest.raises(DataError, match="no sensor of these windows bears gravity"):
        fit_axes(toy_profile(), windows)


def test_what_is_heard_any_way_round_has_nothing_to_fit():
    with pytest.raises(DataError, match="hears its sensors any way round: there are no axes to"):
        fit_axes(turn_free_profile(), fresh())
