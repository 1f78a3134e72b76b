"""Questions about windows: drawn, hidden, answered and judged."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.questions.checking import Verdict, true_answer
from sensor2llm.signals.questions.questions import QuestionAnswer
from sensor2llm.signals.questions.template import Question
from sensor2llm.tasks.question_answering import (
    Items,
    differing,
    facts_of_rows,
    frequent_answers,
    judge,
    make_items,
    shares,
    take_away,
    without,
)
from tests.tasks.simulated import SPEC, moving_facts, moving_windows


@pytest.fixture(scope="module")
def items() -> Items:
    return make_items(moving_facts(), SPEC, seed=0, per_window=3, hide=0.3)


def kept_windows(hidden):
    """Give every window without the modalities that `hidden` names."""
    for window, gone in zip(moving_windows(), hidden, strict=True):
        left = {name: values for name, values in window.signals.items() if name not in gone}
        yield replace(window, signals=left)


def test_facts_of_rows_are_those_of_the_windows_in_that_order():
    class Store(list):
        spec = SPEC

    store = Store(moving_windows()[:6])
    found = facts_of_rows(store, np.array([4, 0]))
    assert found == [extract_facts(store[4], SPEC), extract_facts(store[0], SPEC)]


def test_what_is_left_is_what_is_true_of_the_window_that_is_left():
    rng = np.random.default_rng(0)
    hidden = [
        tuple(name for name in SPEC.names if rng.random() < 0.4) for _ in range(len(moving_facts()))
    ]
    for known, gone, window in zip(moving_facts(), hidden, kept_windows(hidden), strict=True):
        found, expected = without(known, SPEC, gone), extract_facts(window, SPEC)
        assert {key: fact.value for key, fact in found.items()} == {
            key: fact.value for key, fact in expected.items()
        }
        if gone:
            assert found["missing"].text == expected["missing"].text
    assert without(moving_facts()[0], SPEC, ()) is moving_facts()[0]


@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_one_modality_always_stays_and_missing_ones_are_not_taken(share):
    counts = Counter()
    for number, known in enumerate(moving_facts()):
        found, gone = take_away(known, SPEC, share, np.random.default_rng(number))
        again, same = take_away(known, SPEC, share, np.random.default_rng(number))
        assert (again, same) == (found, gone)
        before = set(known["missing"].value)
        assert not before & set(gone)
        assert set(found["missing"].value) == before | set(gone)
        assert len(found["missing"].value) < len(SPEC.names)
        assert found == without(known, SPEC, gone)
        counts.update(gone)
    assert bool(counts) == (share > 0)
    assert not counts or set(counts) == set(SPEC.names)


def test_a_question_is_answered_by_what_its_window_still_has(items):
    for number, question, known, hidden in zip(
        items.at.tolist(), items.questions, items.facts, items.hidden, strict=True
    ):
        gone = tuple(name for name, away in zip(SPEC.names, hidden, strict=True) if away)
        assert known == without(moving_facts()[number], SPEC, gone)
        assert question.answer == true_answer(question.asked, known)
    assert items.hidden.any()


def test_items_repeat_by_their_seed_and_are_so_many_a_window(items):
    again = make_items(moving_facts(), SPEC, seed=0, per_window=3, hide=0.3)
    assert again.questions == items.questions
    assert np.array_equal(again.hidden, items.hidden)
    assert np.array_equal(again.at, items.at)
    other = make_items(moving_facts(), SPEC, seed=1, per_window=3, hide=0.3)
    assert other.questions != items.questions
    assert set(np.bincount(items.at).tolist()) <= {0, 1, 2, 3}
    assert np.bincount(items.at).max() == 3


def test_a_windows_questions_do_not_depend_on_the_windows_after_it():
    few = make_items(moving_facts()[:1], SPEC, seed=0, per_window=50, templates=["intensity"])
    many = make_items(moving_facts(), SPEC, seed=0, per_window=50, templates=["intensity"])
    first = [q.question for q, n in zip(many.questions, many.at, strict=True) if n == 0]
    assert sorted(first) == sorted(q.question for q in few.questions)


def test_all_questions_hold_as_many_yes_as_no_at_each_key():
    whole = make_items(moving_facts(), SPEC, seed=0, per_window=1000)
    counts = Counter((q.asked.key, q.value) for q in whole.questions if isinstance(q.value, bool))
    assert counts
    for (key, value), count in counts.items():
        assert counts[key, not value] == count


def test_only_the_named_questions_are_asked():
    found = make_items(moving_facts(), SPEC, seed=0, templates=["which_missing", "intensity"])
    assert {q.asked.template for q in found.questions} == {"which_missing", "intensity"}
    nothing = make_items([], SPEC, seed=0)
    assert len(nothing) == 0
    assert nothing.hidden.shape == (0, len(SPEC.names))


def test_taken_items_keep_what_is_theirs(items):
    found = items.take(np.array([4, 1]))
    assert len(found) == 2
    assert found.at.tolist() == [items.at[4], items.at[1]]
    assert found.questions == (items.questions[4], items.questions[1])
    assert found.facts == (items.facts[4], items.facts[1])
    assert np.array_equal(found.hidden, items.hidden[[4, 1]])


def test_a_request_says_question_and_true_answer(items):
    for request, question in zip(items.requests, items.questions, strict=True):
        assert request.task == "question_answering"
        assert request.template_values == {"question": question.question}
        assert request.answer == question.answer


def test_shares_of_true_false_and_unreadable_answers(items):
    true = [question.answer for question in items.questions]
    assert shares(items, true) == {"true": 1.0, "false": 0.0, "unparsed": 0.0}
    noise = ["bananas"] * len(items)
    assert shares(items, noise) == {"true": 0.0, "false": 0.0, "unparsed": 1.0}
    half = [*true[: len(items) // 2], *noise[len(items) // 2 :]]
    assert shares(items, half)["true"] == pytest.approx((len(items) // 2) / len(items))
    rows = np.flatnonzero([isinstance(q.value, bool) for q in items.questions])
    decided = items.take(rows)
    wrong = ["no" if q.value else "yes" for q in decided.questions]
    assert shares(decided, wrong) == {"true": 0.0, "false": 1.0, "unparsed": 0.0}
    assert set(judge(decided, wrong)) == {Verdict.FALSE}


def test_the_frequent_answer_is_the_training_questions_most_frequent_one(items):
    train = make_items(moving_facts(), SPEC, seed=7, per_window=6)
    by_key: dict[str, Counter] = {}
    for question in train.questions:
        for key in (question.asked.key, question.asked.template):
            by_key.setdefault(key, Counter())[question.answer] += 1
    for question, said in zip(items.questions, frequent_answers(train, items), strict=True):
        known = by_key.get(question.asked.key) or by_key.get(question.asked.template)
        if known is None:
            assert said == ""
        else:
            assert known[said] == max(known.values())


def one_item(asked: Question, known) -> Items:
    question = QuestionAnswer(asked, "?", true_answer(asked, known) or "", None, 0, ())
    return Items(np.array([0]), (question,), (known,), np.zeros((1, len(SPEC.names)), dtype=bool))


def test_windows_differ_where_each_ones_answer_is_false_of_the_other():
    known = moving_facts()[0]
    key = "heart_rate.heart_rate"
    base = dict(known) | {key: replace(_some(key), value=70.0)}
    others = [dict(base) | {key: replace(base[key], value=value)} for value in (70.0, 71.0, 130.0)]
    found = [
        differing(one_item(Question("heart_rate", "heart_rate"), base), [other]) for other in others
    ]
    assert [bool(one[0]) for one in found] == [False, False, True]
    gone = without(others[2], SPEC, ("heart_rate",))
    assert not differing(one_item(Question("heart_rate", "heart_rate"), base), [gone])[0]


def _some(key):
    return next(known[key] for known in moving_facts() if key in known)


def test_no_window_differs_from_itself(items):
    assert not differing(items, items.facts).any()
    others = items.facts[::-1]
    found = differing(items, others)
    assert found.any()
    for differs, question, other in zip(found, items.questions, others, strict=True):
        if differs:
            assert true_answer(question.asked, other) not in (None, question.answer)
