"""Verdicts: true, false or no answer, of this window or of another one."""

import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.questions.checking import Verdict, check, differs, true_answer
from sensor2llm.signals.questions.template import Question

STEPS = Question("step_rate", "wrist_acc")


@pytest.mark.parametrize(
    ("asked", "said", "verdict"),
    [
        (STEPS, "2.1 steps a second", "true"),
        (STEPS, "2.2 steps a second", "false"),
        (STEPS, "no regular steps", "false"),
        (STEPS, "walking", "unparsed"),
        (Question("step_rate", "ankle_acc"), "no steps", "true"),
        (Question("heart_rate", "heart_rate"), "The pulse is 76 beats a minute.", "true"),
        (Question("heart_rate", "heart_rate"), "77 bpm", "false"),
        (Question("trend", "heart_rate"), "it rises", "true"),
        (Question("orientation", "wrist_acc"), "+y", "false"),
        (Question("which_missing"), "nothing is missing", "false"),
        (Question("which_missing"), "the moon is missing", "unparsed"),
        (Question("heart_rate_above", "heart_rate", 60.0), "Yes.", "true"),
        (Question("heart_rate_above", "heart_rate", 60.0), "maybe", "unparsed"),
        (Question("is_missing", "wrist_eda"), "no", "false"),
    ],
)
def test_what_is_said_is_judged_within_the_tolerance(asked, said, verdict, told):
    assert check(asked, said, told()) == verdict


def test_any_answer_about_a_missing_sensor_is_false(told):
    assert check(Question("heart_rate", "wrist_eda"), "72 bpm", told()) is Verdict.FALSE
    above = Question("heart_rate_above", "wrist_eda", 60.0)
    assert {check(above, said, told()) for said in ("yes", "no")} == {Verdict.FALSE}
    assert true_answer(above, told()) is None


def test_truth_differs_only_beyond_the_tolerance_and_either_way_round(told):
    a = told()
    for rate, expected in ((1.94, False), (2.1, False), (2.6, True), (None, True)):
        b = told(wrist_acc__step_rate=rate)
        assert differs(STEPS, a, b) is differs(STEPS, b, a) is expected


def test_near_words_do_not_differ(told):
    asked = Question("intensity", "wrist_acc")
    light = told(wrist_acc__intensity="light")
    near = told(wrist_acc__intensity={"near": ("light",)})
    assert differs(asked, told(), light)
    assert not differs(asked, near, light)
    assert not differs(asked, light, near)


def test_a_missing_sensor_has_nothing_to_compare_but_that_it_is_missing(told):
    without = {key: fact for key, fact in told().items() if fact.modality != "heart_rate"}
    without |= {"missing": told(missing=("wrist_eda", "heart_rate"))["missing"]}
    assert not differs(Question("heart_rate", "heart_rate"), told(), without)
    assert differs(Question("is_missing", "heart_rate"), told(), without)
    assert differs(Question("which_missing"), told(), without)


def test_a_modality_that_the_facts_do_not_know_is_refused(told):
    with pytest.raises(DataError, match="unknown modality 'knee'; the facts tell of wrist_acc"):
        check(Question("intensity", "knee"), "still", told())


def test_a_comparison_with_nothing_is_refused(told):
    with pytest.raises(ConfigError, match="heart_rate_above compares; say with what"):
        check(Question("heart_rate_above", "heart_rate"), "yes", told())


def test_an_unknown_template_is_refused(told):
    for call in (
        lambda: check(Question("mood"), "good", told()),
        lambda: true_answer(Question("mood"), {}),
    ):
        with pytest.raises(ConfigError, match="unknown question template 'mood'"):
            call()
