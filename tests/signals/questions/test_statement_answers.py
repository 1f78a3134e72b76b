"""Answers: written on a grid well within the tolerance, and read in the wordings people use."""

import numpy as np
import pytest

from sensor2llm.signals.facts.facts import Fact
from sensor2llm.signals.questions.answers import Axes, parse_yes_no, write_yes_no
from sensor2llm.signals.questions.readings import (
    BEATS,
    FREQUENCY,
    INTENSITY,
    IRREGULARITY,
    RMSSD,
    STEPS,
    TREND,
)

NUMBERS = {
    "steps": (STEPS, 1.1, 3.6),
    "beats": (BEATS, 30.0, 220.0),
    "frequency": (FREQUENCY, 0.05, 60.0),
    "rmssd": (RMSSD, 1.0, 600.0),
    "irregularity": (IRREGULARITY, 0.5, 90.0),
}


def _fact(number, value):
    """Give a fact whose value is this number in the unit of the answer."""
    return Fact("any", "acc", None if value is None else value / number.scale, "", "")


@pytest.mark.parametrize("name", NUMBERS)
def test_rounding_stays_within_five_eighths_of_the_tolerance_and_reads_back(name):
    number, low, high = NUMBERS[name]
    for true in np.geomspace(low, high, 400).tolist():
        written = number.write(true)
        said = number.parse(written)
        assert said == number.read(written)
        assert abs(said - true) <= 0.625 * number.margin(true) + 1e-9
        assert number.agrees(said, _fact(number, true))
        assert number.write(said) == written


@pytest.mark.parametrize(
    ("number", "true", "edge"),
    [
        (STEPS, 0.9, 0.1),
        (STEPS, 2.0, 0.2),
        (BEATS, 70.0, 5.0),
        (FREQUENCY, 1.0, 0.25),
        (FREQUENCY, 10.0, 1.0),
        (RMSSD, 10.0, 5.0),
        (RMSSD, 100.0, 20.0),
        (IRREGULARITY, 5.0, 2.0),
        (IRREGULARITY, 50.0, 10.0),
    ],
)
def test_the_larger_of_the_two_tolerances_is_the_edge(number, true, edge):
    fact = _fact(number, true)
    for sign in (-1, 1):
        assert number.agrees(true + sign * edge, fact)
        assert not number.agrees(true + sign * (edge + 0.01), fact)


@pytest.mark.parametrize(
    ("number", "said", "value"),
    [
        (STEPS, "1.9 steps a second", 1.9),
        (STEPS, "The step rate is about 1.9 steps per second.", 1.9),
        (STEPS, "1.94 steps a second (116 a minute)", 1.94),
        (STEPS, "the person takes 114 steps a minute", 1.9),
        (STEPS, "2 Hz", 2.0),
        (STEPS, "There are no regular steps.", 0.0),
        (STEPS, "1.9", 1.9),
        (BEATS, "72 bpm", 72.0),
        (BEATS, "The heart beats 72 times a minute.", 72.0),
        (BEATS, "Heart rate: 72 BPM!", 72.0),
        (FREQUENCY, "it swings 2.5 times a second", 2.5),
        (FREQUENCY, "0.5 hertz", 0.5),
        (RMSSD, "RMSSD 45 ms", 45.0),
        (RMSSD, "45 milliseconds", 45.0),
        (IRREGULARITY, "8%", 8.0),
        (IRREGULARITY, "they differ by 8 percent of their mean", 8.0),
    ],
)
def test_numbers_are_read_in_several_wordings(number, said, value):
    assert number.parse(said) == pytest.approx(value)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (BEATS, ""),
        (BEATS, "moderate"),
        (BEATS, "72 or 80 bpm"),
        (BEATS, "not 72 bpm"),
        (BEATS, "72 Hz"),
        (BEATS, "72 at rest"),
        (BEATS, "v72"),
        (BEATS, "no regular steps"),
        (FREQUENCY, "2 bpm"),
        (STEPS, "2 steps/hour"),
    ],
)
def test_other_texts_are_no_number(number, said):
    assert number.parse(said) is None


@pytest.mark.parametrize("said", ["72", "about 72 bpm", "72 beats a minute", "72 bpm and more"])
def test_in_captions_only_the_exact_number_is_read(said):
    assert BEATS.read("72 bpm") == 72.0
    assert BEATS.read(said) is None


def test_nothing_is_true_of_nothing_only():
    none, slow = _fact(STEPS, None), _fact(STEPS, 1.1)
    assert STEPS.write(0.0) == "no regular steps"
    assert STEPS.of(none) == 0.0
    assert STEPS.agrees(0.0, none)
    assert not STEPS.agrees(0.05, none)
    assert not STEPS.agrees(0.0, slow)
    assert BEATS.write(0.0) == "0 bpm"


def test_what_is_there_is_not_written_as_zero():
    assert FREQUENCY.write(0.02) == "0.1 Hz"
    assert FREQUENCY.agrees(0.1, _fact(FREQUENCY, 0.02))


@pytest.mark.parametrize(
    ("words", "said", "value"),
    [
        (INTENSITY, "moderate", "moderate"),
        (INTENSITY, "The movement is vigorous.", "vigorous"),
        (INTENSITY, "There is hardly any movement.", "still"),
        (INTENSITY, "very strong", "vigorous"),
        (INTENSITY, "not moderate", None),
        (INTENSITY, "light or moderate", None),
        (INTENSITY, "lightning", None),
        (TREND, "It is RISING", "rising"),
        (TREND, "the heart rate goes down", "falling"),
        (TREND, "stays about the same", "steady"),
        (TREND, "unsteady", None),
        (TREND, "it isn't rising", None),
    ],
)
def test_one_word_is_read_and_two_or_a_negation_are_none(words, said, value):
    assert words.parse(said) == value


def test_a_near_word_is_true_too_and_a_far_one_is_not():
    fact = Fact("intensity", "acc", "moderate", "", "", near=("light",))
    assert [INTENSITY.agrees(w, fact) for w in INTENSITY.words] == [False, True, True, False]
    assert INTENSITY.read("hardly any") == "still"
    assert INTENSITY.read("a moderate") is None


@pytest.mark.parametrize(
    ("said", "axis"),
    [
        ("-y", "-y"),
        ("gravity lies along +X.", "+x"),
        ("minus y", "-y"),
        ("plus z", "+z"),
        ("- y", "-y"),
        ("y", None),
        ("+x or -y", None),
        ("not +x", None),
        ("a-y", None),
    ],
)
def test_axes_need_a_sign(said, axis):
    assert Axes().parse(said) == axis


@pytest.mark.parametrize(
    ("channel", "axis"),
    [("-acc_y", "-y"), ("+X", "+x"), ("+acc_up_front", "+up-front"), ("-c0", "-c0")],
)
def test_an_axis_is_the_channel_without_its_sensor(channel, axis):
    fact = Fact("orientation", "acc", channel, "", "", near=("+acc_z",))
    assert Axes().write(Axes().of(fact)) == axis
    assert Axes().parse(axis) == Axes().read(axis) == axis
    assert Axes().agrees(axis, fact)
    assert Axes().agrees("+z", fact)
    assert not Axes().agrees("+q", fact)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("yes", True),
        ("Yes, it is.", True),
        ("no", False),
        ("No regular steps.", False),
        ("nothing", None),
        ("yes and no", None),
        ("no, yes", None),
        ("it is", None),
        ("", None),
    ],
)
def test_yes_and_no_stand_at_the_start(said, value):
    assert parse_yes_no(said) is value


def test_yes_and_no_are_written():
    assert [write_yes_no(value) for value in (True, False)] == ["yes", "no"]
