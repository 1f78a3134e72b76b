"""The kind of a wording is that of the known ones that it is like."""

import pytest

from sensor2llm.tasks.dialogue.wording_kinds import WordingKinds

KNOWN = [
    ("label", "what is he doing", ["which"]),
    ("label", "what is he up to", ["which"]),
    ("why", "why do you think so", []),
    ("why", "give me reasons", []),
    ("fact step_rate", "how many steps a minute", ["which", "steps"]),
    ("fact_yes_no step_rate", "more than <number> steps a minute", ["limit", "steps"]),
]


@pytest.fixture(scope="module")
def kinds():
    return WordingKinds(KNOWN)


@pytest.mark.parametrize(("kind", "text", "cues"), KNOWN)
def test_a_known_wording_has_its_kind(kinds, kind, text, cues):
    assert kinds.likeliest(text, cues) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("what s he doing there", "label"),
        ("any reason", "why"),
        ("steps a minute", "fact step_rate"),
    ],
)
def test_a_new_wording_has_the_kind_of_those_it_is_like(kinds, text, kind):
    assert kinds.likeliest(text, []) == kind


def test_cues_tell_what_words_do_not(kinds):
    assert kinds.likeliest("steps", ["which", "steps"]) == "fact step_rate"
    assert kinds.likeliest("steps", ["limit", "steps"]) == "fact_yes_no step_rate"


def test_of_some_kinds_the_likeliest_is_given(kinds):
    assert kinds.likeliest("what is he doing", ["which"], ["why", "fact step_rate"]) != "label"


def test_a_text_that_is_like_none_has_a_kind_all_the_same(kinds):
    assert kinds.likeliest("", []) in kinds.kinds
