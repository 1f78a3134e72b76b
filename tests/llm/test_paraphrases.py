"""Templates with several ways to ask, and with a place for each modality."""

import pytest

from sensor2llm.errors import TemplateError
from sensor2llm.llm.templates import PromptTemplate

WAYS = ["{{ soft }}{{ signal }} Which?", "{{ soft }}{{ signal }} What is {{ question }}?"]


def template(user, form: str = "encoded", **parts) -> PromptTemplate:
    return PromptTemplate.from_dict(
        {
            "name": "ways",
            "version": 1,
            "task": "classification",
            "description": "A test.",
            "variables": {"soft": "", "signal": "", "signals": "", "question": ""},
            "forms": {form: {"user": user, **parts}},
        }
    )


def user_of(made: PromptTemplate, **given) -> str:
    return made.messages("encoded", **{"soft": "S", "signal": "X", **given})[-1]["content"]


def test_a_list_of_user_texts_are_ways_to_ask_and_the_first_one_asks():
    made = template(WAYS)
    assert made.paraphrases("encoded") == 2
    assert user_of(made) == user_of(made, paraphrase=0) == "SX Which?"
    assert user_of(made, paraphrase=1, question="this") == "SX What is this?"
    assert template(WAYS[0]).paraphrases("encoded") == 1


def test_a_way_needs_no_variable_of_another():
    made = template(WAYS)
    assert made.uses("encoded") == {"soft", "signal", "question"}
    with pytest.raises(TemplateError, match="'question' is undefined"):
        user_of(made, paraphrase=1)


def test_the_system_part_is_the_same_for_every_way():
    made = template(WAYS, system="Say {{ question }}.")
    for way in range(2):
        first, _ = made.messages("encoded", paraphrase=way, soft="", signal="", question="it")
        assert first == {"role": "system", "content": "Say it."}


@pytest.mark.parametrize("way", [2, -1])
def test_a_way_that_there_is_not_is_said(way):
    with pytest.raises(TemplateError, match=f"form encoded has 2 ways .* got paraphrase {way}"):
        user_of(template(WAYS), paraphrase=way)


def test_ways_to_ask_survive_as_data():
    made = template(WAYS)
    assert PromptTemplate.from_dict(made.to_dict()) == made


def test_every_way_says_where_the_vectors_go():
    with pytest.raises(TemplateError, match=r"\{\{ signal \}\} is missing"):
        template([WAYS[0], "{{ soft }} Which?"])
    assert template([WAYS[0], "Which?"], form="zero_shot").paraphrases("zero_shot") == 2


def test_every_way_uses_declared_variables_only():
    with pytest.raises(TemplateError, match="unknown variable 'colour'"):
        template([WAYS[0], "{{ soft }}{{ signal }}{{ colour }}"])


@pytest.mark.parametrize("part", ["system", "answer"])
def test_only_the_user_part_has_ways(part):
    with pytest.raises(
        TemplateError, match=f"{part} must be text, got .*; only user may be a list"
    ):
        template(WAYS, **{part: ["one", "other"]})


@pytest.mark.parametrize("user", [[], 5, [WAYS[0], 5]])
def test_a_way_is_text(user):
    with pytest.raises(TemplateError, match="user must be text"):
        template(user)


def test_a_place_for_each_modality_stands_for_the_signal():
    made = template("{{ soft }}a {{ signals.accel }} b {{ signals['heart-rate'] }}")
    assert made.uses("encoded") == {"soft", "signals"}
    assert user_of(made, signals={"accel": "11", "heart-rate": "2"}) == "Sa 11 b 2"
    with pytest.raises(TemplateError, match="'dict object' has no attribute 'accel'"):
        user_of(made, signals={"heart-rate": "2"})
    with pytest.raises(TemplateError, match=r"\{\{ soft \}\} is missing"):
        template("{{ signals.accel }}")
