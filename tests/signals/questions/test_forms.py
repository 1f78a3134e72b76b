"""The forms of a conversation's answers: what is written is read back, and nothing else is."""

import pytest

from sensor2llm.signals.questions.forms import (
    choice,
    read_choice,
    read_reasons,
    read_refusal,
    read_verdict,
    reasons,
    refusal,
    same,
    verdict,
)


@pytest.mark.parametrize("holds", [True, False])
def test_a_verdict_follows_from_its_evidence(holds):
    answer = verdict("1.9 steps a second", holds)
    assert answer == f"1.9 steps a second, so {'yes' if holds else 'no'}."
    assert read_verdict(answer) is holds
    assert read_verdict("Yes." if holds else "No.") is holds


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_choice_names_what_both_windows_show(which):
    answer = choice("310 mg", "no regular steps", which)
    assert answer == f"first: 310 mg, second: no regular steps, so the {which}."
    assert read_choice(answer) == read_choice(f"The {which} one.") == which
    assert read_verdict(answer) is None


def test_two_windows_are_the_same_or_not():
    answer = same("walking", "sitting", False)
    assert answer == "first: walking, second: sitting, so no."
    assert read_verdict(answer) is False
    assert read_choice(answer) is None


def test_reasons_stand_behind_their_label():
    answer = reasons("walking", ["1.9 steps a second", "vigorous movement"])
    assert answer == "walking: 1.9 steps a second, vigorous movement."
    assert read_reasons(answer) == ("walking", ("1.9 steps a second", "vigorous movement"))


def test_a_refusal_says_what_cannot_be_told():
    assert refusal("the age") == "These sensors cannot tell the age."
    assert read_refusal("these sensors cannot tell the age") == "the age"


@pytest.mark.parametrize("text", ["", "walking", "maybe", "first: 3 mg, so what", "so yes: no"])
def test_anything_else_is_no_such_answer(text):
    assert read_verdict(text) is None
    assert read_choice(text) is None
    assert read_refusal(text) is None
