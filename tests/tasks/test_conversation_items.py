"""Items of a conversation: every kind, pairs side by side, two windows both ways round."""

from collections import Counter

import numpy as np
import pytest

from sensor2llm.datasets.simulation.simulate import simulated_labels
from sensor2llm.signals.questions.checking import Verdict
from sensor2llm.signals.questions.labels import label_facts, label_of
from sensor2llm.signals.questions.templates import TEMPLATES
from sensor2llm.tasks.conversation_items import SHARES, make_conversation
from sensor2llm.tasks.question_answering import Items, frequent_answers, judge
from tests.tasks.simulated import CONFIG, SPEC, moving_facts, moving_windows

LABELS = simulated_labels(CONFIG)


def known_facts():
    numbers = [LABELS.index(w.label) if w.label else -1 for w in moving_windows()]
    return label_facts(moving_facts(), numbers, LABELS)


@pytest.fixture(scope="module")
def items() -> Items:
    return make_conversation(known_facts(), SPEC, seed=0, per_window=6, hide=0.2)


def test_every_answer_is_true_of_what_is_heard(items):
    answers = [question.answer for question in items.questions]
    assert set(judge(items, answers)) == {Verdict.TRUE}


def test_every_kind_is_asked_about_by_its_share(items):
    first = np.flatnonzero(np.diff(items.unit, prepend=-1))
    kinds = Counter(TEMPLATES[items.questions[i].asked.template].kind for i in first)
    assert set(kinds) == {template.kind for template in TEMPLATES.values()}
    # Some yes/no questions are left out for balance.
    one = {kind: n / SHARES.get(kind, 1) for kind, n in kinds.items() if kind != "comparison"}
    assert max(one.values()) < 2 * min(one.values())
    assert kinds["fact"] > 0.35 * sum(kinds.values())


def test_every_fourth_question_is_in_its_first_wording(items):
    plain = [q.phrasing == 0 and q.question[0].isupper() for q in items.questions]
    assert 0.22 < np.mean(plain) < 0.4


def test_side_by_side_are_both_answers_to_the_same_window(items):
    pairs = [np.flatnonzero(items.unit == unit) for unit in np.unique(items.unit)]
    for pair in (pair for pair in pairs if len(pair) == 2):
        first, second = (items.questions[i] for i in pair)
        assert first.asked.template == second.asked.template
        if items.second[pair[0]] < 0:
            assert items.at[pair[0]] == items.at[pair[1]]
            assert {first.value, second.value} == {True, False}
            assert pair[1] == pair[0] + 1


def test_two_windows_are_asked_about_both_ways_round(items):
    two = np.flatnonzero(items.second >= 0)
    assert 0.1 < len(two) / len(items) < 0.4
    for unit in np.unique(items.unit[two]):
        rows = np.flatnonzero(items.unit == unit)
        one, other = rows[0], rows[-1]
        assert (items.at[one], items.second[one]) == (items.second[other], items.at[other])
        values = [items.questions[i].value for i in rows]
        if items.questions[one].asked.template != "same_label":
            assert {values.count(value) for value in values} == {len(rows) // 2}
    assert not items.hidden[two].any()
    assert all(r.template_values.get("windows") == 2 for r in items.take(two).requests)


def test_half_of_the_compared_windows_have_the_same_label():
    items = make_conversation(known_facts(), SPEC, seed=1, per_window=60, templates=["same_label"])
    assert 0.4 < np.mean([question.value for question in items.questions]) < 0.75


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_so_many_wordings_are_those_that_never_train(share):
    found = make_conversation(known_facts(), SPEC, seed=0, per_window=4, held_out=share)
    new = np.mean([question.held_out for question in found.questions])
    assert abs(new - share) < 0.1


def test_the_same_seed_asks_the_same(items):
    again = make_conversation(known_facts(), SPEC, seed=0, per_window=6, hide=0.2)
    assert again.questions == items.questions
    other = make_conversation(known_facts(), SPEC, seed=1, per_window=6, hide=0.2)
    assert other.questions != items.questions


def test_chosen_templates_alone_are_asked():
    found = make_conversation(known_facts(), SPEC, seed=0, templates=["label", "more_movement"])
    assert {question.asked.template for question in found.questions} == {"label", "more_movement"}


def test_the_frequent_answer_to_a_yes_no_question_is_yes_or_no_alone(items):
    answers = frequent_answers(items, items)
    for answer, question in zip(answers, items.questions, strict=True):
        if isinstance(question.value, bool):
            assert answer in ("yes", "no")
    assert all(label_of(facts) is not None for facts in known_facts())


def test_the_verdict_stands_alone():
    found = make_conversation(known_facts(), SPEC, seed=0, per_window=6)
    plain = [q.answer for q in found.questions if isinstance(q.value, bool)]
    assert set(plain) == {"yes", "no"}
    which = [q.answer for q in found.questions if q.asked.template == "more_movement"]
    assert set(which) == {"the first", "the second"}
    assert set(judge(found, [q.answer for q in found.questions])) == {Verdict.TRUE}
