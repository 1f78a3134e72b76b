"""What is unlike is said in words, the reason first that a person can mend."""

import re

import numpy as np
import pytest

from sensor2llm.signals.likeness.evidence import (
    DeviationEvidence,
    distinct_texts,
    gravity_lines,
)
from tests.signals.likeness.profiles import (
    changed,
    fresh,
    toy_profile,
    turn_free_profile,
    turned,
)


def checks(windows, profile=None):
    evidence = DeviationEvidence(profile or toy_profile())
    evidence.add(windows[: len(windows) // 2])
    evidence.add(windows[len(windows) // 2 :])
    return evidence.checks()


def test_a_turned_device_is_told_which_way_gravity_lies():
    (first, *_) = checks(turned(fresh()))
    assert first.name == "gravity of watch_accel"
    assert first.text == (
        "gravity lies along x; in training it lay along y: turn the device or map the axes"
    )


@pytest.mark.parametrize(
    ("name", "change", "check", "text"),
    [
        ("watch_accel", lambda v: 9.81 * v, "gravity of watch_accel", r"is 9\.\d+ g; .*the unit$"),
        ("watch_accel", lambda v: v - v.mean(1, keepdims=True), "gravity of watch_accel",
         "leave watch_accel out, or add gravity"),
        ("watch_gyro", lambda v: 8 * v, "spread of watch_gyro", r"varies \d\.\d times as much"),
        ("beats", lambda v: v + 900, "level of beats", r"lies at 1\d\d0 ms; in training"),
        ("values", lambda v: v - 40, "level of values", "lies at -.* in training it lay at"),
    ],
)  # fmt: skip
def test_each_kind_of_difference_is_named(name, change, check, text):
    (first, *_) = checks(changed(fresh(), name, change))
    assert first.name == check
    assert re.search(text, first.text), first.text


def test_levels_that_are_close_are_written_apart():
    assert distinct_texts(9.8071, 9.8112) == ["9.807", "9.811"]
    assert distinct_texts(-0.25, 40) == ["-0.25", "40"]
    assert distinct_texts(1.0, 1.0) == ["1", "1"]


def test_another_rhythm_is_named_by_its_frequencies():
    noise = np.random.default_rng(1)
    (first, *_) = checks(
        changed(fresh(), "watch_gyro", lambda v: v * 0 + noise.normal(0, v.std() + 0.1, v.shape))
    )
    assert first.name in ("spectrum of watch_gyro", "together of watch_gyro")


def test_a_sensor_that_is_heard_any_way_round_is_told_by_what_no_turn_changes():
    fast = changed(turned(fresh()), "watch_accel", lambda v: 9.81 * v)
    names = {check.name: check.text for check in checks(fast, turn_free_profile())}
    assert not [name for name in names if name.startswith("gravity")]
    pattern = r"watch_accel along its mean lies at 9\.\d+ g; in training it lay at \d"
    assert re.fullmatch(pattern, names["level of watch_accel"])


def test_without_windows_there_is_nothing_to_say():
    assert DeviationEvidence(toy_profile()).checks() == []


def test_how_devices_were_turned_in_training_is_said_where_a_turn_is_heard():
    assert gravity_lines(toy_profile()) == [
        "Gravity lay in training along these axes of watch_accel, in labels: y in 3"
    ]
    assert gravity_lines(turn_free_profile()) == []
