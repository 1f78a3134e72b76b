"""Wordings whose kind is known, and that the router goes beyond them."""

from pathlib import Path

import numpy as np
import pytest

from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.errors import DataError
from sensor2llm.signals.questions.wordings import for_person, label_words, wordings_of
from sensor2llm.tasks.dialogue.intent import Router
from sensor2llm.tasks.dialogue.known_wordings import KIND_OF, known_wordings

LABELS = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")
FACTS = ("intensity", "step_rate", "orientation", "dominant_frequency", "missing")
ENOUGH = 0.85
TYPED_QUESTIONS = Path(__file__).with_name("typed_questions.yaml")


@pytest.fixture(scope="module")
def router():
    return Router(LABELS, FACTS, {label: label_words(label) for label in LABELS}, ["the age"])


def kinds_of(wordings):
    return {kind.partition(" ")[0] for kind, _ in wordings}


def test_there_are_wordings_of_every_kind():
    kinds = kinds_of(known_wordings(LABELS, FACTS, ["the age"]))
    assert kinds >= {"label", "yes_no", "fact", "fact_yes_no", "comparison", "why", "describe"}
    assert kinds >= {"unanswerable", "beyond"}


def test_nothing_is_left_to_fill():
    assert not [text for _, text in known_wordings(LABELS, FACTS, ["the age"]) if "<" in text]


def test_a_fact_that_the_windows_do_not_have_cannot_be_told():
    known = {text: kind for kind, text in known_wordings(LABELS, FACTS, [])}
    assert known["which has the higher main frequency"] == "comparison dominant_frequency"
    assert known["whose heart is faster"] == "unanswerable"


def held_out_wordings():
    """Give wordings that are in no training, with their kinds."""
    rng = np.random.default_rng(0)
    for template, kind in KIND_OF.items():
        fact = kind.partition(" ")[2]
        if fact not in (*FACTS, ""):
            continue
        asked = wordings_of(template, kind="activity").held_out
        for number, wording in enumerate(asked or wordings_of(template, bare=True).held_out):
            than = {"yes_no": LABELS[number % 6], "comparison": "second"}.get(kind.split()[0], "2")
            than = "light" if template == "intensity_is" else than
            yield kind, for_person(wording.replace("<than>", than), rng)


def test_held_out_wordings_are_told_apart(router):
    asked = list(held_out_wordings())
    assert len(asked) > 200
    assert share_right(router, asked) > ENOUGH


def share_right(router, asked):
    """Give the share of (kind, text) for which the router finds the kind and the fact."""
    right = []
    for kind, text in asked:
        intent = router.route(text, windows=2 if kind.startswith("comparison") else 1)[0]
        wanted, _, fact = kind.partition(" ")
        right.append(intent.kind == wanted and intent.fact == fact)
    return np.mean(right)


def test_questions_typed_before_the_known_wordings_were_written_are_told_apart(router):
    lines = read_yaml(TYPED_QUESTIONS, DataError).items()
    asked = [(kind, text) for kind, texts in lines for text in texts.strip().splitlines()]
    known = {text for _, text in known_wordings(LABELS, FACTS, ["the age"])}
    assert not known & {text for _, text in asked}
    assert share_right(router, asked) > ENOUGH


@pytest.mark.parametrize(
    ("question", "windows", "kind"),
    [
        ("describe it", 1, "describe"),
        ("a summary, please", 1, "describe"),
        ("whats the lady busy with", 1, "label"),
        ("sit or stand", 1, "label"),
        ("what are your clues", 1, "why"),
        ("footfalls each second", 1, "fact"),
        ("at least ninety steps a minute", 1, "fact_yes_no"),
        ("does gravity lie along x", 1, "fact_yes_no"),
        ("is her hair brown", 1, "unanswerable"),
        ("did they switch to another activity", 2, "comparison"),
        ("did the pace pick up", 2, "comparison"),
        ("is she sitting", 2, "yes_no"),
    ],
)
def test_questions_as_people_type_them(router, question, windows, kind):
    assert [intent.kind for intent in router.route(question, windows=windows)] == [kind]
