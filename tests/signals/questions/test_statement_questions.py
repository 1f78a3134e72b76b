"""Questions about a window: seeded, true of it, and balanced where they are yes or no."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.questions.checking import Verdict, check, differs, true_answer
from sensor2llm.signals.questions.missing import hide
from sensor2llm.signals.questions.questions import (
    ask,
    balanced,
    frequent_answer,
    most_frequent_answers,
)
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.questions.templates import CLASSIC
from sensor2llm.signals.window import Window


@pytest.fixture(scope="module")
def pairs(every_fact):
    rng = np.random.default_rng(0)
    return [(told, pair) for _, told in every_fact for pair in ask(told, rng)]


def test_every_template_asks_of_some_simulated_window(pairs):
    assert {pair.asked.template for _, pair in pairs} == set(CLASSIC)


def test_every_answer_is_true_of_its_window(pairs):
    assert {check(pair, pair.answer, told) for told, pair in pairs} == {Verdict.TRUE}


def test_questions_are_filled_and_say_nothing_beyond_their_key(pairs):
    assert not any("{" in pair.question or "_" in pair.question for _, pair in pairs)
    wordings = {}
    for _, pair in pairs:
        wordings.setdefault((pair.asked.key, pair.phrasing), set()).add(pair.question)
    assert all(len(questions) == 1 for questions in wordings.values())


def test_the_value_is_the_fact_itself_not_rounded(told):
    [pair] = ask(told(), np.random.default_rng(0), ["rmssd"])
    assert (pair.value, pair.answer, pair.facts) == (46.3, "45 ms", ("ibi.rmssd",))


def test_the_same_seed_asks_the_same_and_another_one_differently(simulations):
    spec, windows, _ = simulations["activity"]
    first, same, other = (
        ask(extract_facts(windows[0], spec), np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert first == same
    assert first != other


def test_only_the_wanted_templates_ask(simulations):
    spec, windows, _ = simulations["activity"]
    asked = ask(
        extract_facts(windows[0], spec), np.random.default_rng(0), ["which_missing", "intensity"]
    )
    assert asked[0].asked.template == "which_missing"
    assert {pair.asked.template for pair in asked} == {"which_missing", "intensity"}
    with pytest.raises(ConfigError, match="unknown question template 'mood'"):
        ask(extract_facts(windows[0], spec), np.random.default_rng(0), ["mood"])


def test_balanced_keeps_as_many_yes_as_no_at_each_key_and_all_others(pairs):
    given = [pair for _, pair in pairs]
    kept = balanced(given, np.random.default_rng(0))
    counts = Counter((p.asked.key, p.value) for p in kept if isinstance(p.value, bool))
    before = Counter((p.asked.key, p.value) for p in given if isinstance(p.value, bool))
    for key, value in before:
        least = min(before[key, value], before.get((key, not value), 0))
        assert counts.get((key, value), 0) == least
    others = [p for p in given if not isinstance(p.value, bool)]
    assert [p for p in kept if not isinstance(p.value, bool)] == others
    assert any(isinstance(p.value, bool) for p in kept)


def test_the_most_frequent_answer_is_taken_at_each_key_and_for_each_template(told):
    [pair] = ask(told(), np.random.default_rng(0), ["trend"])

    def said(modality, answer):
        return replace(pair, asked=Question("trend", modality), answer=answer)

    given = "a rising, a rising, a steady, b steady, b steady, c falling, c rising"
    answers = most_frequent_answers(said(*words.split()) for words in given.split(", "))
    assert answers == {
        "trend": "rising",
        "trend.a": "rising",
        "trend.b": "steady",
        "trend.c": "falling",
    }
    assert frequent_answer(answers, Question("trend", "b")) == "steady"
    assert frequent_answer(answers, Question("trend", "new")) == "rising"
    assert frequent_answer(answers, Question("intensity", "new")) == ""
    assert check(Question("intensity", "wrist_acc"), "", told()) is Verdict.UNPARSED


def test_hiding_drops_about_the_share_and_never_all(simulations):
    _, windows, _ = simulations["activity"]
    full = max(windows, key=lambda window: len(window.signals))
    rng = np.random.default_rng(0)
    hidden = [hide(full, rng, 0.5) for _ in range(400)]
    left = [len(window.signals) for window in hidden]
    assert min(left) == 1
    # One of four always stays; of the other three, half.
    assert np.mean(left) == pytest.approx(2.5, abs=0.15)
    assert {name for window in hidden for name in window.signals} == set(full.signals)
    assert (hidden[0].label, hidden[0].subject) == (full.label, full.subject)
    assert hide(full, rng, 0.0).signals.keys() == full.signals.keys()


def test_all_cannot_be_hidden():
    window = Window(signals={"acc": np.zeros((3, 4))})
    with pytest.raises(ConfigError, match="hidden modalities must be 0 to below 1, got 1"):
        hide(window, np.random.default_rng(0), 1.0)
    with pytest.raises(DataError, match="without any modality has nothing to hide"):
        hide(Window(signals={}), np.random.default_rng(0), 0.5)


def test_answers_of_real_windows_are_true_and_false_of_another_where_it_differs(real):
    _, told = real
    rng = np.random.default_rng(0)
    seen, different = set(), Counter()
    swapped = rng.permutation(len(told))
    for own, other in zip(told, (told[i] for i in swapped), strict=True):
        for pair in ask(own, rng):
            seen.add(pair.asked.template)
            assert check(pair, pair.answer, own) is Verdict.TRUE
            theirs = true_answer(pair, other)
            if theirs is not None and differs(pair, own, other):
                different[pair.asked.template] += 1
                assert check(pair, theirs, own) is Verdict.FALSE
                assert check(pair, pair.answer, other) is Verdict.FALSE
    # One accelerometer with gravity, no heart: the templates that UCI HAR can answer.
    assert seen == {
        *("intensity", "step_rate", "dominant_frequency", "orientation", "intensity_is"),
        *("has_steps", "step_rate_above", "dominant_frequency_above", "which_missing"),
        "is_missing",
    }
    assert set(different) == seen
