"""A window in braille."""

import numpy as np
import pytest

from sensor2llm.plots.braille import braille, render_window
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Window

SPEC = SignalSpec(
    modalities=(
        Modality(name="accel", channels=(Channel(name="x", unit="g"),), steps=50, rate_hz=25.0),
        Modality(name="beats", channels=(Channel(name="ibi", unit="s"),), steps=9, axis="event"),
        Modality(name="day", channels=(Channel(name="steps", unit="1"),), steps=1, axis="none"),
    )
)


def test_a_ramp_rises_from_the_lowest_to_the_highest_dot():
    assert braille(np.arange(4.0), 2, 1) == ["⡠⠊"]


def test_a_curve_has_the_asked_size_whatever_its_length():
    for steps in (1, 7, 5000):
        rows = braille(np.sin(np.arange(steps)), 30, 3)
        assert [len(row) for row in rows] == [30, 30, 30]


def test_nan_is_left_blank():
    assert braille(np.full(5, np.nan), 3, 1) == ["⠀⠀⠀"]


def test_every_axis_and_a_missing_modality_are_drawn():
    signals = {"accel": np.sin(np.arange(50.0))[None], "day": np.array([[8123.0]])}
    text = render_window(Window(signals=signals), SPEC)
    assert "accel (2 s at 25 Hz)" in text
    assert "-1 … 1 g" in text
    assert "beats (missing)" in text
    assert "steps 8123 1" in text


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_no_line_is_longer_than_the_terminal(columns):
    signals = {"accel": 1234.5 * np.sin(np.arange(50.0))[None], "beats": np.full((1, 9), -0.123)}
    lines = render_window(Window(signals=signals), SPEC, columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert [line for line in lines if line.endswith(" g")]


def test_a_wide_terminal_does_not_stretch_curves_without_end():
    lines = render_window(Window(signals={"accel": np.ones((1, 50))}), SPEC, 500).splitlines()
    assert max(map(len, lines)) < 80
