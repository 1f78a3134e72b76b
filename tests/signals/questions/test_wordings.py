"""Wordings are data: enough of each, split once and for all, and filled for anybody."""

import re

import numpy as np
import pytest

from sensor2llm.signals.questions.templates import TEMPLATES
from sensor2llm.signals.questions.wordings import (
    KINDS,
    for_person,
    label_kind,
    label_words,
    topics,
    typed,
    wordings_of,
)

LABEL_TEMPLATES = ("label", "label_is", "label_is_not", "same_label")
OF_FACTS = [name for name in TEMPLATES if name not in (*LABEL_TEMPLATES, "unanswerable")]
ACTIVITIES = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")
SLOTS = {"sensor", "than", "he", "he_is", "hes", "is_he", "does_he", "was_he", "his"}


def every_wording():
    for name in OF_FACTS:
        yield name, wordings_of(name)
        if wordings_of(name, bare=True).train:
            yield f"{name} (bare)", wordings_of(name, bare=True)
    for kind in KINDS:
        for name in LABEL_TEMPLATES:
            yield f"{name} of {kind}", wordings_of(name, kind=kind)


EVERY = dict(every_wording())


@pytest.mark.parametrize(("name", "wordings"), list(EVERY.items()), ids=list(EVERY))
def test_a_template_has_thirty_wordings_and_a_sixth_more_that_never_train(name, wordings):
    assert len(wordings.train) >= 30
    assert len(wordings.held_out) >= len(wordings.train) / 6
    assert not set(wordings.train) & set(wordings.held_out)


@pytest.mark.parametrize(("name", "wordings"), list(EVERY.items()), ids=list(EVERY))
def test_wordings_have_the_slots_that_are_filled_and_name_what_they_must(name, wordings):
    for wording in (*wordings.train, *wordings.held_out):
        slots = set(re.findall(r"<(\w+)>", wording))
        assert slots <= SLOTS
        assert "{" not in wording
        assert not wording.endswith("?")
        if "bare" in name:
            assert "sensor" not in slots
        template = TEMPLATES[name.split(" ")[0]]
        if template.compares and template.name != "unanswerable":
            assert "than" in slots


@pytest.mark.parametrize("label", ACTIVITIES)
def test_words_of_a_label_are_split_and_the_label_itself_trains(label):
    train, held_out = label_words(label), label_words(label, held_out=True)
    assert train[0] == label
    assert held_out != (label,)
    assert not set(train) & set(held_out)


def test_no_label_has_a_word_of_another_one_that_is_no_near_miss():
    words = {
        label: {*label_words(label), *label_words(label, held_out=True)} for label in ACTIVITIES
    }
    for label, own in words.items():
        for other, theirs in words.items():
            assert label == other or not own & theirs


def test_a_label_without_words_is_called_by_its_own_text():
    assert label_words("yodelling") == label_words("yodelling", held_out=True) == ("yodelling",)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (ACTIVITIES, "activity"),
        (("normal rhythm", "atrial fibrillation"), "rhythm"),
        (("1", "2", "3", "4", "5"), "level"),
        (("no stress", "stress"), "other"),
        (("walking", "yodelling"), "other"),
    ],
)
def test_the_labels_say_what_is_asked_about(labels, kind):
    assert label_kind(labels) == kind


def test_topics_that_never_train_are_others():
    train, held_out = ({topic.phrase for topic in topics(held_out=h)} for h in (False, True))
    assert len(train) > 20
    assert len(held_out) >= len(train) / 6
    assert not train & held_out
    assert not any(topic.wordings.train for topic in topics(held_out=True))


def test_everybody_has_their_own_forms():
    rng = np.random.default_rng(0)
    found = {for_person("<is_he> moving <his> arm, <he_is>", rng) for _ in range(200)}
    assert "am i moving my arm, i am" in found
    assert "are they moving their arm, they are" in found
    assert "is the patient moving the patient's arm, the patient is" in found
    assert len(found) == 8


def test_a_question_is_typed_neatly_in_lower_case_or_without_its_mark():
    text = "how fast am i walking"
    assert [typed(text, style) for style in range(3)] == [
        "How fast am I walking?",
        "how fast am i walking?",
        "how fast am i walking",
    ]
