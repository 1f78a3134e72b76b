"""Reasons and descriptions say the surest facts; two windows are compared where there are two."""

import pytest

from sensor2llm.signals.facts.fact import Fact
from sensor2llm.signals.questions.claims import judge
from sensor2llm.tasks.classification import Prediction
from sensor2llm.tasks.dialogue.answerer import ONE_WINDOW, Answerer
from sensor2llm.tasks.dialogue.fact_questions import FactReading, chances_right
from sensor2llm.tasks.dialogue.heard_window import HeardWindow
from tests.models import LABELS, small_model, windows

FACTS = (
    Fact("step_rate", "accel", 1.9, "Hz", "1.9 steps a second"),
    Fact("intensity", "accel", "moderate", "", "moderate", number=0.2),
    Fact("orientation", "accel", "+accel_x", "", "gravity along +x"),
    Fact("missing", "", (), "", ""),
)
VALUES = {"step_rate": 1.9, "intensity": "moderate", "orientation": "+x"}


@pytest.fixture(scope="module")
def model():
    return small_model()


def heard(model):
    shares = dict.fromkeys(LABELS, 0.0) | {LABELS[0]: 1.0}
    one = HeardWindow(windows()[0], Prediction(LABELS[0], shares, 0.0), model)
    vars(one)["facts"] = {fact.key: fact for fact in FACTS}  # as if computed
    return one


def answer(model, question, **sureness):
    def read(_one, name, _sensor):
        return FactReading(str(VALUES[name]), VALUES[name], sureness=sureness[name])

    return Answerer(model, read).answer(question, [heard(model)])


@pytest.mark.parametrize(
    ("sureness", "said"),
    [
        ((0.9, 0.9, 0.9), "1.9 steps a second, moderate movement, gravity along +x"),
        ((0.95, 0.92, 0.85), "1.9 steps a second, moderate movement"),
        ((0.3, 0.5, 0.7), "gravity along +x"),
    ],
)
def test_a_reason_that_is_not_sure_is_left_out(model, sureness, said):
    given = answer(model, "why?", **dict(zip(VALUES, sureness, strict=True)))
    assert given.text == f"{LABELS[0]}: {said}."
    assert given.measured == "1.9 steps a second; moderate; gravity along +x"


def test_a_description_is_the_label_and_the_surest_facts_in_a_sentence(model):
    given = answer(model, "describe it", step_rate=0.9, intensity=0.9, orientation=0.1)
    sentence = "1.9 steps a second at the accelerometer with moderate movement."
    assert given.text == f"{LABELS[0]} (1.00). {sentence}"
    assert (given.kind, given.source) == ("describe", "scores")
    assert judge(sentence, heard(model).facts).true_share == 1.0


@pytest.mark.parametrize(
    ("question", "is_of_two"),
    [
        ("which window moves more, 1 or 2?", True),
        ("which of the two is more intense", True),
        (f"is the second window {LABELS[0]}?", True),
        (f"is the first window {LABELS[0]}?", False),
        (f"is it {LABELS[0]}, these two seconds?", False),
        ("which one is it", False),
    ],
)
def test_what_is_asked_of_two_windows_is_not_answered_of_one(model, question, is_of_two):
    given = answer(model, question, step_rate=0.9, intensity=0.9, orientation=0.9)
    assert (given.text == ONE_WINDOW) == is_of_two
    assert is_of_two or LABELS[0] in given.text


def test_a_value_has_the_chance_of_all_that_it_passes_for():
    near = chances_right({1.0: 0.4, 1.9: 0.25, 2.0: 0.35}, lambda a, b: abs(a - b) < 0.2)
    assert near == pytest.approx({1.0: 0.4, 1.9: 0.6, 2.0: 0.6})
