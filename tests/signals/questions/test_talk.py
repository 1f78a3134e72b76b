"""Questions as in a conversation: labels, near misses side by side, reasons, two windows."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from sensor2llm.signals.questions.checking import Verdict, check, differs
from sensor2llm.signals.questions.labels import (
    is_true,
    label_facts,
    unknowable,
    with_label,
    wrong_label,
)
from sensor2llm.signals.questions.pairs import pair_facts, split_pair
from sensor2llm.signals.questions.questions import talk
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.questions.templates import TEMPLATES

LABELS = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")
ONE = [name for name, template in TEMPLATES.items() if template.kind != "comparison"]


@pytest.fixture
def walking(told):
    return with_label(told(), "walking", LABELS)


def of(template, facts, seed=0, held_out=False):
    """Give the questions of one template, side by side ones together."""
    return talk(facts, np.random.default_rng(seed), [template], held_out=held_out)


@pytest.mark.parametrize("held_out", [False, True])
def test_every_answer_is_true_of_its_window(simulations, held_out):
    rng = np.random.default_rng(0)
    asked = set()
    for name in ("activity", "rhythm", "daily"):
        _, windows, facts = simulations[name]
        labels = tuple(dict.fromkeys(window.label for window in windows if window.label))
        numbers = [labels.index(w.label) if w.label else -1 for w in windows]
        for first, second in pairwise(label_facts(facts, numbers, labels)[:40]):
            for told in (first, pair_facts(first, second)):
                for pair in (p for unit in talk(told, rng, held_out=held_out) for p in unit):
                    asked.add(pair.asked.template)
                    assert pair.held_out is held_out
                    assert check(pair, pair.answer, told) == Verdict.TRUE, pair
                    assert "<" not in pair.question
    assert asked == set(TEMPLATES)


@pytest.mark.parametrize(
    ("template", "answer"),
    [
        ("label", "walking"),
        ("why", "walking: 1.9 steps a second at the wrist accelerometer, moderate movement "
                "at the wrist accelerometer, gravity along -y."),
        ("has_steps", "yes"),
        ("which_missing", "the wrist skin conductance is missing"),
    ],
)  # fmt: skip
def test_what_is_answered(walking, template, answer):
    assert {pair.answer for unit in of(template, walking) for pair in unit} >= {answer}


@pytest.mark.parametrize(
    "template", ["label_is", "label_is_not", "intensity_is", "heart_rate_above"]
)
def test_the_right_and_a_wrong_word_stand_side_by_side_in_one_wording(walking, template):
    for unit in of(template, walking):
        assert len(unit) == 2
        assert {pair.value for pair in unit} == {True, False}
        first, second = (set(pair.question.lower().split()) for pair in unit)
        assert unit[0].phrasing == unit[1].phrasing
        assert len(first & second) >= 2


def test_half_of_the_wrong_labels_are_near_misses(told):
    near_ones = ("walking downstairs", "walking")
    facts = with_label(told(), "walking upstairs", LABELS, near_ones)
    rng = np.random.default_rng(0)
    wrong = Counter(wrong_label(facts, rng) for _ in range(1000))
    assert "walking upstairs" not in wrong
    assert set(wrong) == set(LABELS) - {"walking upstairs"}
    near = sum(wrong[name] for name in near_ones) / 1000
    assert 0.65 < near < 0.75  # Half are near ones; of the other half two in five are.
    assert 0.3 < wrong_share(told()) < 0.5  # Where nothing is known to be near, all are as likely.


def wrong_share(facts):
    """Give how often walking is the wrong label of one for which nothing is near."""
    known, rng = (
        with_label(facts, "sitting", ("walking", "sitting", "lying", "standing")),
        np.random.default_rng(0),
    )
    return np.mean([wrong_label(known, rng) == "walking" for _ in range(600)])


def test_a_reason_that_is_not_so_makes_the_answer_false(walking):
    question = Question("why")
    assert check(question, "walking: 1.9 steps a second.", walking) == Verdict.TRUE
    assert check(question, "walking: 2.9 steps a second.", walking) == Verdict.FALSE
    assert check(question, "sitting: 1.9 steps a second.", walking) == Verdict.FALSE
    assert check(question, "because he walks", walking) == Verdict.UNPARSED


@pytest.mark.parametrize(
    ("reason", "true"),
    [
        ("moderate movement", True),
        ("light movement at the wrist accelerometer", False),
        ("light movement at the ankle accelerometer", True),
        ("vigorous movement", False),
        ("gravity along -y", True),
        ("a good mood", False),
    ],
)
def test_a_reason_is_true_of_the_sensor_that_it_names_or_of_any(walking, reason, true):
    assert is_true(reason, walking) is true


def test_a_sensor_is_not_named_where_it_alone_has_the_fact(told):
    facts = {k: v for k, v in told().items() if not k.startswith("ankle_acc")}
    questions = {of("step_rate", facts, seed)[0][0].question.lower() for seed in range(60)}
    assert any("wrist" in question for question in questions)
    assert any("wrist" not in question for question in questions)
    two = {of("step_rate", told(), seed)[0][0].question.lower() for seed in range(60)}
    assert all("wrist" in question for question in two)


def test_what_a_sensor_can_tell_is_never_refused(walking, told):
    assert "the heart rate" not in unknowable(walking)
    assert "the activity" not in unknowable(walking)
    bare = {key: fact for key, fact in told(missing=()).items() if key == "missing"}
    assert {"the heart rate", "the activity"} <= set(unknowable(bare))


def test_topics_that_never_train_are_asked_in_new_wordings_alone(walking):
    def topics(held_out):
        return {of("unanswerable", walking, seed, held_out)[0][0].asked.than for seed in range(80)}

    assert "the shoe size" in topics(True)
    assert "the shoe size" not in topics(False)


def test_two_windows_are_compared_where_one_is_clearly_more(told):
    strong, weak = told(), told(wrist_acc__intensity={"value": "light", "number": 0.05},
                               ankle_acc__intensity={"value": "still", "number": 0.01})  # fmt: skip
    ((pair,),) = of("more_movement", pair_facts(strong, weak))
    assert pair.answer == "the first"
    ((turned,),) = of("more_movement", pair_facts(weak, strong))
    assert turned.answer == "the second"
    assert of("more_movement", pair_facts(strong, strong)) == []
    assert differs(pair, pair_facts(strong, weak), pair_facts(weak, strong))
    ((yes, no),) = of("moves_more", pair_facts(strong, weak))
    assert [yes.answer, no.answer] == [
        "yes",
        "no",
    ]
    assert "first" in yes.question
    assert "second" in no.question
    # The sensors disagree: which window moves more is not clear.
    mixed = told(wrist_acc__intensity={"value": "light", "number": 0.05})
    mixed = mixed | {
        "ankle_acc.intensity": told(ankle_acc__intensity={"number": 0.5})["ankle_acc.intensity"]
    }
    assert of("more_movement", pair_facts(strong, mixed)) == []


def test_two_windows_have_the_same_label_or_not(told):
    first, second = (with_label(told(), label, LABELS) for label in ("walking", "lying"))
    ((pair,),) = of("same_label", pair_facts(first, second))
    assert pair.answer == "no"
    ((alike,),) = of("same_label", pair_facts(first, first))
    assert alike.answer == "yes"
    assert split_pair(pair_facts(first, second)) == (first, second)


def test_questions_about_one_window_are_not_asked_of_two(walking):
    rng = np.random.default_rng(0)
    kinds = {TEMPLATES[p.asked.template].kind for u in talk(walking, rng) for p in u}
    assert "comparison" not in kinds
    both = talk(pair_facts(walking, walking), rng)
    assert {TEMPLATES[p.asked.template].kind for u in both for p in u} == {"comparison"}


def test_a_window_without_a_label_is_not_asked_for_it(told):
    rng = np.random.default_rng(0)
    asked = {p.asked.template for unit in talk(told(), rng, ONE) for p in unit}
    assert not asked & {"label", "label_is", "label_is_not", "why"}
    assert with_label(told(), None, LABELS) == told()
