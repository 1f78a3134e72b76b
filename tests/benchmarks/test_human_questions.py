"""Questions as people type them: what is in them, what is true, and that none is trained on."""

import re
from difflib import SequenceMatcher

import numpy as np
import pytest

from benchmarks.quality.question_parts.humans import (
    HALVES,
    HumanQuestion,
    all_questions,
    draw_windows,
    holds,
    parts_of,
    read_questions,
)
from benchmarks.quality.question_parts.judging import (
    AskedItem,
    contradicts,
    is_right,
    labels_in,
    read_which,
    read_yes_no,
)
from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.errors import DataError
from sensor2llm.signals.facts.fact import Fact
from sensor2llm.signals.questions import wordings
from sensor2llm.signals.questions.labels import with_label
from sensor2llm.signals.questions.templates import TEMPLATES
from sensor2llm.tasks.dialogue.known_wordings import TYPED

LABELS = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")
NEAR = 0.95
"""Share of letters in common, in order, from which a wording is a near copy."""


def facts_of(label="walking", rate=1.9, word="moderate", number=0.2):
    facts = [
        Fact("step_rate", "accel", rate, "Hz", ""),
        Fact("intensity", "accel", word, "", "", number=number),
        Fact("missing", "", (), "", ""),
    ]
    return with_label({fact.key: fact for fact in facts}, label, LABELS)


def question(kind, **truth):
    return HumanQuestion(kind, "?", truth)


def test_there_are_enough_and_both_halves_have_every_kind():
    assert len(all_questions()) == len(set(all_questions())) >= 240
    kinds = [{q.kind for q in read_questions(LABELS, half)} for half in HALVES]
    assert kinds[0] == kinds[1] >= {"label", "yes_no", "fact", "comparison", "unanswerable"}


def plain(text):
    text = re.sub(r"<\w+>", "it", text)
    return " ".join(re.findall(r"[a-z0-9]+", text.casefold()))


def trained_wordings():
    for name in TEMPLATES:
        for bare in (False, True):
            yield from wordings.wordings_of(name, bare=bare).train
            yield from wordings.wordings_of(name, bare=bare).first
        for kind in wordings.KINDS:
            for wording in wordings.wordings_of(name, kind=kind).train:
                yield from (wording.replace("<than>", label) for label in LABELS)
    for topic in wordings.topics():
        yield from topic.wordings.train


def test_no_wording_is_in_training_nor_nearly():
    trained = {
        plain(wordings.for_person(text, np.random.default_rng(seed)))
        for text in trained_wordings()
        for seed in range(8)
    }
    for ask in all_questions():
        text = plain(ask)
        assert text not in trained, ask
        for other in trained:
            if abs(len(other) - len(text)) <= 2:
                matcher = SequenceMatcher(None, text, other)
                if matcher.quick_ratio() >= NEAR:
                    assert matcher.ratio() < NEAR, (ask, other)


def test_no_question_of_the_test_half_is_among_the_wordings_that_the_router_knows():
    lines = "\n".join(read_yaml(TYPED, DataError).values()).splitlines()
    typed = {plain(line) for line in lines}
    asked = {plain(q.ask) for q in read_questions(LABELS, "test")}
    assert len(typed) > 500
    assert not typed & asked


@pytest.mark.parametrize(
    ("asked", "truth"),
    [
        (question("yes_no", true_of=["walking"]), True),
        (question("yes_no", true_of=["sitting"]), False),
        (question("yes_no", false_of=["sitting"]), True),
        (question("yes_no", true_of=["sitting"], unclear=["walking"]), None),
        (question("fact_yes_no", fact="step_rate", above=1.5), True),
        (question("fact_yes_no", fact="step_rate", below=1.5), False),
        (question("fact_yes_no", fact="step_rate", above=1.8), None),  # too near to judge
        (question("fact_yes_no", fact="step_rate", exists=False), False),
        (question("fact_yes_no", fact="intensity", **{"is": ["still"]}), False),
        (question("fact_yes_no", fact="missing", exists=True), False),
    ],
)
def test_the_truth_about_one_window(asked, truth):
    assert holds(asked, facts_of()) is truth


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        ({"compare": "step_rate", "which": "more"}, "second"),
        ({"compare": "step_rate", "which": "less"}, "first"),
        ({"compare": "step_rate", "second": "more"}, True),
        ({"compare": "intensity", "which": "more"}, None),  # 0.2 and 0.21 g
        ({"compare": "label", "same": True}, False),
        ({"compare": "label", "which": ["sitting"]}, "second"),
        ({"compare": "label", "which": ["lying"]}, None),
    ],
)
def test_the_truth_about_two_windows(truth, expected):
    other = facts_of("sitting", 2.6, number=0.21)
    assert holds(question("comparison", **truth), facts_of(), other) == expected


@pytest.mark.parametrize(
    ("asked", "answer", "right"),
    [
        (question("label"), "walking (0.93).", True),
        (question("label"), "The person is strolling.", True),
        (question("label"), "walking or sitting", False),
        (question("label"), "walking 62 %, or sitting 31 %.", True),
        (question("label"), "sitting 52 %, or walking 25 %, or standing 18 %.", False),
        (question("yes_no", true_of=["sitting"]), "No: walking (0.93).", True),
        (question("yes_no", true_of=["sitting"]), "walking, so no.", True),
        (question("yes_no", true_of=["sitting"]), "I would say it might be.", False),
        (question("fact", fact="step_rate"), "1.9 steps a second", True),
        (question("fact", fact="step_rate"), "120 steps a minute", True),
        (question("fact", fact="step_rate"), "1.4 steps a second", False),
        (question("fact", fact="missing"), "nothing is missing", True),
        (question("why"), "walking: 1.9 steps a second, moderate movement.", True),
        (question("why"), "walking: 3.0 steps a second.", False),
        (question("unanswerable"), "These sensors cannot tell that.", True),
        (question("unanswerable"), "42", False),
    ],
)
def test_answers_are_judged(asked, answer, right):
    assert is_right(AskedItem(asked, (0,), (facts_of(),)), answer, LABELS) is right


def test_verdicts_are_read():
    assert read_yes_no("Yes: walking (0.9).") is True
    assert read_yes_no("maybe") is None
    assert read_which("first: 1 Hz, second: 2 Hz, so the second.") == "second"
    assert read_which("first or second") is None
    assert labels_in("up the stairs", LABELS) == {"walking upstairs"}


def test_a_contradiction_is_another_label_than_the_one_shown():
    assert contradicts("Yes: sitting (0.9).", "walking", LABELS)
    assert not contradicts("No: walking upstairs (0.9).", "walking upstairs", LABELS)
    assert contradicts("walking upstairs", "walking", LABELS)
    assert not contradicts("1.9 Hz", "walking", LABELS)


def test_as_many_windows_of_each_truth_are_drawn():
    facts = [facts_of(label) for label in LABELS for _ in range(4)]
    asked = question("yes_no", true_of=["sitting"])
    drawn = list(draw_windows(asked, facts, 10, np.random.default_rng(0)))
    truths = [holds(asked, facts[place]) for (place,) in drawn]
    assert truths.count(True) == truths.count(False) == 5


def test_two_windows_a_question_show_every_label_in_the_long_run():
    facts = [facts_of(label) for label in LABELS]
    draws = [
        tuple(draw_windows(question("label"), facts, 2, np.random.default_rng(seed)))
        for seed in range(30)
    ]
    assert {place for drawn in draws for (place,) in drawn} == set(range(len(LABELS)))
    assert all(len(set(drawn)) == 2 for drawn in draws)


def test_two_parts_are_asked_where_both_can_be_judged():
    parts = [{"true_of": ["sitting"], "unclear": ["walking"]}, {"fact": "step_rate"}]
    facts = [facts_of(label) for label in LABELS]
    asked = question("two_part", parts=parts)
    places = {p for (p,) in draw_windows(asked, facts, 30, np.random.default_rng(0))}
    assert places == set(range(1, len(LABELS)))


def test_the_parts_of_a_question_have_their_own_kinds():
    asked = question("two_part", parts=[{"kind": "label"}, {"fact": "step_rate", "above": 2.0}])
    assert [part.kind for part in parts_of(asked)] == ["label", "fact_yes_no"]
