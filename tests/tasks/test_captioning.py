"""Captions of windows: true of what is left of them, and judged statement by statement."""

import numpy as np
import pytest

from sensor2llm.signals.questions.claims import statements_of
from sensor2llm.tasks.captioning import Captions, make_captions, shares
from sensor2llm.tasks.question_answering import without
from tests.tasks.simulated import SPEC, moving_facts


@pytest.fixture(scope="module")
def items() -> Captions:
    return make_captions(moving_facts(), SPEC, seed=0, per_window=2, hide=0.3)


def test_a_window_is_described_so_many_times(items):
    assert items.at.tolist() == [n for n in range(len(moving_facts())) for _ in range(2)]
    assert len(items) == len(items.captions) == 2 * len(moving_facts())


def test_captions_repeat_by_their_seed(items):
    again = make_captions(moving_facts(), SPEC, seed=0, per_window=2, hide=0.3)
    assert again.captions == items.captions
    assert np.array_equal(again.hidden, items.hidden)
    assert make_captions(moving_facts(), SPEC, seed=1, per_window=2).captions != items.captions


def test_a_caption_is_true_of_what_its_window_still_has(items):
    for number, known, hidden in zip(items.at.tolist(), items.facts, items.hidden, strict=True):
        gone = tuple(name for name, away in zip(SPEC.names, hidden, strict=True) if away)
        assert known == without(moving_facts()[number], SPEC, gone)
    assert items.hidden.any()
    found = shares(items, items.captions)
    assert (found["true"], found["unparsed"]) == (1.0, 0.0)
    count = sum(len(statements_of(text, SPEC)) for text in items.captions)
    assert found["statements"] == count / len(items)


def test_another_windows_captions_are_less_true(items):
    swapped = [*items.captions[20:], *items.captions[:20]]
    assert shares(items, swapped)["true"] < 0.7


def test_statements_that_cannot_be_read_are_not_true(items):
    one = items.take(np.array([0]))
    found = shares(one, ["Bananas are yellow."])
    assert found == {"true": 0.0, "unparsed": 1.0, "statements": 1.0}
    half = shares(one, [f"{one.captions[0]} Bananas are yellow."])
    said = len(statements_of(one.captions[0], SPEC))
    assert half["true"] == pytest.approx(said / (said + 1))
    assert half["unparsed"] == pytest.approx(1 / (said + 1))
    assert shares(one, [""]) == {"true": 0.0, "unparsed": 0.0, "statements": 0.0}


def test_taken_captions_keep_what_is_theirs(items):
    found = items.take(np.array([4, 1]))
    assert found.at.tolist() == [items.at[4], items.at[1]]
    assert found.captions == (items.captions[4], items.captions[1])
    assert found.facts == (items.facts[4], items.facts[1])
    assert np.array_equal(found.hidden, items.hidden[[4, 1]])


def test_a_request_holds_the_true_caption(items):
    assert {(r.task, tuple(r.template_values)) for r in items.requests} == {("captioning", ())}
    assert tuple(r.answer for r in items.requests) == items.captions


def test_no_window_has_no_caption():
    nothing = make_captions([], SPEC, seed=0)
    assert len(nothing) == 0
    assert nothing.hidden.shape == (0, len(SPEC.names))
    assert shares(nothing, []) == {"true": 0.0, "unparsed": 0.0, "statements": 0.0}
