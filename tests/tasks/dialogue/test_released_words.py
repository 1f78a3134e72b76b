"""Questions for the label itself, of every released adapter, whatever its labels are."""

import json

import pytest

from sensor2llm.signals.spec import SignalSpec
from sensor2llm.tasks.dialogue.answerer import make_router
from tests.conftest import REPOSITORY

QUESTIONS = (
    "What is the label?",
    "label?",
    "the label, please",
    "what's its label",
    "which class is it",
    "What class?",
    "which of your labels?",
    "which of the labels fits",
    "what category is this",
    "Please tell me the label.",
)


def routers():
    """Give a router of each kind of labels and windows that is released."""
    for path in sorted((REPOSITORY / "adapters").glob("*/sensor2llm.json")):
        stated = json.loads(path.read_text(encoding="utf-8"))
        if stated["kind"] == "adapter":
            router = make_router(SignalSpec.from_dict(stated["spec"]), stated["label_names"])
            yield pytest.param(router, id=path.parent.name)


@pytest.mark.parametrize("router", [*routers()])
def test_the_label_is_asked_for_in_its_own_word(router):
    kinds = {question: router.route(question)[0].kind for question in QUESTIONS}
    assert kinds == dict.fromkeys(QUESTIONS, "label")


@pytest.mark.parametrize("router", [*routers()])
def test_why_it_is_that_label_stays_a_question_for_reasons(router):
    for question in ("why this label", "explain the label", "how do you know that"):
        assert router.route(question)[0].kind == "why", question
