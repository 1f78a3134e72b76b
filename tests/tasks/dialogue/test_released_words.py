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
    """Give a router of each set of labels and windows that is released."""
    made = {}
    for path in sorted((REPOSITORY / "adapters").glob("*/sensor2llm.json")):
        stated = json.loads(path.read_text(encoding="utf-8"))
        if stated["kind"] == "adapter":
            spec, labels = SignalSpec.from_dict(stated["spec"]), stated["label_names"]
            router = make_router(spec, labels)
            made.setdefault((*spec.names, *labels), pytest.param(router, id=path.parent.name))
    return list(made.values())


ROUTERS = routers()


@pytest.mark.parametrize("router", ROUTERS)
def test_the_label_is_asked_for_in_its_own_word(router):
    kinds = {question: router.route(question)[0].kind for question in QUESTIONS}
    assert kinds == dict.fromkeys(QUESTIONS, "label")


@pytest.mark.parametrize("router", ROUTERS)
def test_why_it_is_that_label_stays_a_question_for_reasons(router):
    asked = ("why is that its label", "explain that label please", "how do you know that")
    assert {question: router.route(question)[0].kind for question in asked} == dict.fromkeys(
        asked, "why"
    )


def test_labels_of_every_kind_are_released():
    assert len(ROUTERS) >= 6
