"""Numbers that a person types into a sentence, and the windows that they become."""

import numpy as np
import pytest

from sensor2llm.datasets.motion.uci_har import SPEC as PHONE
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.daily import spec as daily_spec
from sensor2llm.errors import DataError
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.tasks.typed.typed_numbers import read_numbers
from sensor2llm.tasks.typed.typed_window import make_window

ROWS = np.random.default_rng(0).normal(scale=3, size=(40, 3)).round(2)
ROWS += np.array([0.0, 9.8, 0.0])
BEATS = SignalSpec(
    modalities=(
        Modality(
            name="rr", channels=(Channel(name="interval", unit="ms"),), steps=60, axis="event"
        ),
    )
)
DAY = daily_spec(SimulationConfig(scenario="daily"))
SUMMARY = (
    "Steps 8,500, resting heart rate: 62 beats/min, sleep duration: 410 mins, non-rem heart rate: "
    "57 beats/min, mood last day 3 out of 5. What will my stress level be?"
)


def rows_text(between: str, around: str = "{}") -> str:
    return between.join(around.format(", ".join(f"{v:g}" for v in row)) for row in ROWS.tolist())


@pytest.mark.parametrize(
    "text",
    [
        rows_text("; "),
        rows_text(" ", "({})"),
        rows_text("\n"),
        rows_text(";\n", "1600,A,90426708196641,{}"),
        " ".join(f"{n}: {', '.join(f'{v:g}' for v in ROWS[:, i])}" for i, n in enumerate("xyz")),
    ],
)
def test_rows_of_three_channels(text):
    typed = read_numbers(f"accelerometer in m/s^2 at 20 Hz: {text} walking or running?")
    assert typed.values == pytest.approx(ROWS.T)
    assert (typed.unit, typed.rate_hz, typed.kind) == ("m/s^2", 20.0, "acceleration")


def test_one_series_with_its_unit_behind_every_number():
    typed = read_numbers("my RR intervals: " + ", ".join(f"{800 + i} ms" for i in range(9)))
    assert typed.values.tolist() == [[800.0 + i for i in range(9)]]
    assert (typed.unit, typed.kind) == ("ms", "beats")


def test_a_summary_of_named_values():
    typed = read_numbers(SUMMARY)
    assert [value for _, value in typed.pairs] == [8500, 62, 410, 57, 3]


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("in g as either walking or running.", ("walking", "running")),
        ("sitting, standing or lying?", ("sitting", "standing", "lying")),
        (
            "as either Atrial Fibrillation or Normal Sinus:",
            ("atrial fibrillation", "normal sinus"),
        ),
        ("what is it?", ()),
    ],
)
def test_the_words_to_choose_from(text, candidates):
    numbers = " ".join(str(n) for n in range(8))
    assert read_numbers(f"{text} {numbers}").candidates == candidates


@pytest.mark.parametrize(
    "text", ["more than 100 steps a minute?", "what is 12 times 7", "is window 2 or 3 faster"]
)
def test_a_question_with_a_number_is_no_recording(text):
    assert read_numbers(text) is None


def test_every_step_to_a_window_is_said():
    typed = read_numbers("accelerometer in m/s^2 at 25 Hz: " + rows_text("; "))
    window, notes = make_window(typed, PHONE)
    assert window.signals["total_acc"].shape == (3, 128)
    assert notes == (
        "40 steps are repeated to fill the 64 of a window",
        "resampled from 25 to 50 Hz",
    )
    assert window.signals["total_acc"][1].mean() == pytest.approx(1.0, abs=0.2)  # in g


def test_what_is_not_typed_is_assumed_and_said():
    numbers = " ".join("0.1 1.0 0.2" for _ in range(200))
    window, notes = make_window(read_numbers(numbers), PHONE)
    assert window.signals["total_acc"][:, 0] == pytest.approx([0.1, 1.0, 0.2])
    assert notes == (
        "read as rows of total_acc_x, total_acc_y, total_acc_z",
        "taken to be at 50 Hz",
        "taken to be in g",
        "of 200 steps the 128 in the middle are heard",
    )


def test_beats_keep_their_order_and_are_repeated():
    beats = [800.0 + i for i in range(20)]
    window, notes = make_window(read_numbers(f"RR in ms: {beats}"), BEATS)
    assert window.signals["rr"][0].tolist() == beats * 3
    assert notes == ("20 steps are repeated to fill the 60 of a window",)


def test_values_of_a_day_go_to_the_channels_that_they_name():
    window, notes = make_window(read_numbers(SUMMARY), DAY)
    assert {name: values[:, 0].tolist() for name, values in window.signals.items()} == {
        "activity": [8500.0],
        "heart": [62.0, 57.0],
        "sleep": [410.0],
        "mood": [3.0],
    }
    assert notes == ()


def test_a_day_without_a_value_lacks_its_sensor_and_hours_are_minutes():
    text = "I walked 8500 steps, resting heart rate 62, non-rem heart rate 57, slept 7 hours"
    window, notes = make_window(read_numbers(text), DAY)
    assert window.signals["sleep"].tolist() == [[420.0]]
    assert "mood" not in window.signals
    assert notes == ("mood: not typed, so missing",)


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        (
            "RR in ms: " + "800 " * 60,
            PHONE,
            r"read 60 numbers in ms; this adapter expects body_acc",
        ),
        ("in m/s^2: " + "(1, 2, 9) " * 9, PHONE, r"read 9 rows of 3 numbers in m/s\^2; .* 128 x 3"),
        (
            "in ms: " + "800 " * 60,
            DAY,
            "read 60 numbers in ms; this adapter expects values of steps",
        ),
        (SUMMARY, BEATS, "read 5 values of a summary; this adapter expects rr: 60 in ms"),
    ],
)
def test_what_does_not_fit_says_what_was_read_and_what_is_expected(text, spec, message):
    with pytest.raises(DataError, match=message):
        make_window(read_numbers(text), spec)
