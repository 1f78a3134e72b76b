"""Prompt templates: strict, sandboxed, and short where it matters."""

import pytest

from sensor2llm.errors import TemplateError
from sensor2llm.llm.chat import SIGNAL, SOFT
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.templates import VARIABLES, PromptTemplate, names
from tests.llm.tiny import tiny_folder

VALUES = {
    "soft": SOFT * 8,
    "signal": SIGNAL * 8,
    "signals": {"spirogram": SIGNAL * 6, "body": SIGNAL * 2},
    "values": {"age": "67", "male": "1", "bmi": "28.9"},
    "scale": "rr: rr 812 +- 41.3 ms",
    "labels": ["walking", "sitting"],
    "label": "sitting",
    "numbers": "0.1 0.2 0.3",
    "unit": "m/s2",
    "rate_hz": 50,
    "window_s": 2.56,
    "modalities": ["phone accelerometer"],
    "missing": ["phone gyroscope"],
    "examples": [{"numbers": "9.9 9.8", "label": "walking"}],
    "question": "How long was the rest?",
}
FORMS = [(name, form) for name in names() for form in PromptTemplate.load(name).forms]


def template(user: str, form: str = "zero_shot", **changes) -> PromptTemplate:
    content = {
        "name": "mine",
        "version": 1,
        "task": "classification",
        "description": "A test.",
        "variables": {"numbers": "text", "labels": "a list", "soft": "", "signal": ""},
        "forms": {form: {"user": user}},
    }
    return PromptTemplate.from_dict(content | changes)


def test_the_tasks_of_the_source_documents_are_there():
    asked = {"activity", "atrial_fibrillation", "caption", "estimate", "question", "stress"}
    assert asked <= set(names())
    for name in ("activity", "atrial_fibrillation", "caption", "stress"):
        assert {"zero_shot", "few_shot", "encoded"} <= set(PromptTemplate.load(name).forms)


@pytest.mark.parametrize(
    "name", ["activity", "atrial_fibrillation", "stress", "caption", "estimate"]
)
def test_what_never_changes_stands_before_the_slots(name):
    """So that it is computed once: each position that follows is run for every window."""
    (user,) = PromptTemplate.load(name).messages("encoded", soft="<s>", signal="<x>")
    assert user["content"].endswith("\n<s><x>")


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_every_form_renders_from_the_standard_variables(name, form):
    loaded = PromptTemplate.load(name)
    assert loaded.name == name
    assert loaded.version >= 1
    messages = loaded.messages(form, **VALUES)
    assert messages[-1]["role"] == "user"
    text = "\n".join(message["content"] for message in messages)
    assert "{{" not in text
    assert "\n\n" not in text
    assert loaded.answer(form, **VALUES) == "sitting"
    if form == "encoded":
        assert (text.count(SOFT), text.count(SIGNAL)) == (8, 8)
    else:
        assert "0.1 0.2 0.3" in text
    if form == "few_shot":
        assert text.index("9.9 9.8") < text.index("walking", text.index("9.9")) < text.index("0.1")


# A sentence that holds values as words has no such budget.
@pytest.mark.parametrize("name", [name for name in names() if name != "asthma"])
def test_encoded_prompts_leave_the_budget_to_the_signal(name):
    """The words that are run with each window, the chat template's included, are few.

    What stands before the first slot is computed once.
    """
    llm = FrozenLLM.load(str(tiny_folder("qwen2")))
    messages = PromptTemplate.load(name).messages(
        "encoded", **VALUES | {"question": "?", "scale": ""}
    )
    slots, ids = (llm.soft_id, llm.signal_id), llm.encode(llm.render(messages))
    first = next(place for place, token in enumerate(ids) if token in slots)
    words = [token for token in ids[first:] if token not in slots]
    assert len(words) <= 35  # on a 390-token vocabulary; real ones need a third of it


def test_optional_facts_may_be_left_out():
    given = {key: VALUES[key] for key in ("labels", "numbers")}
    (_, user) = PromptTemplate.load("activity").messages("zero_shot", **given)
    assert user["content"] == (
        "Values:\n0.1 0.2 0.3\nWhich of these activities is it: walking, sitting?"
    )


def test_stress_takes_the_five_values_by_name():
    day = {"steps": 8123, "resting_heart_rate": 61, "sleep_minutes": 412}
    day |= {"nrem_heart_rate": 55, "mood": 4, "labels": [1, 2, 3, 4, 5]}
    user = PromptTemplate.load("stress").messages("zero_shot", **day)[-1]["content"]
    assert all(text in user for text in ("8123", "61", "412", "55", "4 of 5", "1, 2, 3, 4, 5"))


def test_a_template_survives_as_data():
    loaded = PromptTemplate.load("activity")
    assert PromptTemplate.from_dict(loaded.to_dict()) == loaded


def test_a_file_is_read_by_its_path(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: own\nversion: 3\ntask: t\ndescription: d\nvariables: {numbers: n}\n"
        "forms: {zero_shot: {user: 'See {{ numbers }}', answer: 'It is so.'}}\n"
    )
    own = PromptTemplate.load(path)
    assert own.messages("zero_shot", numbers="1") == [{"role": "user", "content": "See 1"}]
    assert own.answer("zero_shot") == "It is so."


def test_an_unknown_variable_in_a_template_is_named_with_those_there_are():
    with pytest.raises(TemplateError, match=r"unknown variable 'nombers'.*are numbers, labels"):
        template("See {{ nombers }}")


def test_a_variable_given_that_nobody_knows_is_named():
    with pytest.raises(TemplateError, match=r"unknown variable 'heart'.*variables are numbers"):
        template("x").messages("zero_shot", heart=1)
    assert template("x").messages("zero_shot", **dict.fromkeys(VARIABLES, ""))


def test_a_missing_variable_is_named():
    with pytest.raises(TemplateError, match=r"form zero_shot, user .*'numbers' is undefined"):
        template("See {{ numbers }}").messages("zero_shot")


def test_an_unknown_form_or_name_lists_what_there_is(tmp_path):
    with pytest.raises(TemplateError, match="no form 'encoded'; choose from zero_shot"):
        template("x").messages("encoded")
    with pytest.raises(TemplateError, match="unknown prompt 'activty'; choose from activity"):
        PromptTemplate.load("activty")
    with pytest.raises(TemplateError, match="no prompt file"):
        PromptTemplate.load(tmp_path / "none.yaml")


@pytest.mark.parametrize("user", ["{{ soft }} Activity?", "{{ signal }} Activity?", "Activity?"])
def test_an_encoded_form_says_where_the_vectors_go(user):
    with pytest.raises(TemplateError, match="must say where the vectors go"):
        template(user, form="encoded")


@pytest.mark.parametrize(
    "user",
    ["{{ labels.__class__.__mro__ }}", "{{ labels.append(1) }}", "{{ ''.__class__.__base__ }}"],
)
def test_a_template_cannot_reach_out_of_its_sandbox(user):
    labels = ["walking"]
    with pytest.raises(TemplateError, match="mine"):
        template(user).messages("zero_shot", labels=labels)
    assert labels == ["walking"]


def test_broken_templates_are_said(tmp_path):
    with pytest.raises(TemplateError, match="is no jinja template"):
        template("{{ numbers")
    with pytest.raises(TemplateError, match="needs a user part"):
        template("x", forms={"zero_shot": {"system": "x"}})
    with pytest.raises(TemplateError, match="has no forms"):
        template("x", forms={})
    with pytest.raises(TemplateError, match="expected exactly"):
        template("x", colour="red")
    with pytest.raises(TemplateError, match="no prompt template"):
        PromptTemplate.from_dict(["a"])
    path = tmp_path / "bad.yaml"
    path.write_text("forms: [")
    with pytest.raises(TemplateError, match="is no YAML"):
        PromptTemplate.load(path)
