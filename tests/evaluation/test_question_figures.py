"""Figures of answers: kind by kind, yes and no in balance, refusals, reasons."""

import numpy as np
import pytest

from sensor2llm.datasets.simulation.simulate import simulated_labels
from sensor2llm.evaluation.question_figures import figures
from sensor2llm.signals.questions.forms import refusal
from sensor2llm.signals.questions.labels import label_facts
from sensor2llm.signals.questions.templates import TEMPLATES
from sensor2llm.tasks.conversation_items import make_conversation
from sensor2llm.tasks.question_answering import Items
from tests.tasks.simulated import CONFIG, SPEC, moving_facts, moving_windows

LABELS = simulated_labels(CONFIG)


@pytest.fixture(scope="module")
def items() -> Items:
    numbers = [LABELS.index(w.label) if w.label else -1 for w in moving_windows()]
    facts = label_facts(moving_facts(), numbers, LABELS)
    return make_conversation(facts, SPEC, seed=0, per_window=6, held_out=0.5)


def measured(items, answers, swapped=None, differs=None):
    every = np.array([q.asked.template != "unanswerable" for q in items.questions])
    return figures(
        items, answers, answers if swapped is None else swapped, answers,
        every if differs is None else differs,
    )  # fmt: skip


@pytest.fixture(scope="module")
def right(items):
    return [question.answer for question in items.questions]


def test_who_is_always_right_is_right_in_every_figure(items, right):
    found = measured(items, right)
    for name in ("true", "kinds_true", "known_wordings_true", "new_wordings_true", "refused",
                 "reasons_true"):  # fmt: skip
        assert found[name] == 1.0, name
    assert found["wrong_refusals"] == found["reasons_change"] == 0.0
    assert found["any_window"] == ["unanswerable"]
    shares = found["by_template"]
    assert {name for name in shares if "balanced" in shares[name]} >= {"label_is", "same_label"}
    assert all(row.get("balanced", 1.0) == 1.0 for row in shares.values())


def test_who_always_says_yes_is_right_half_of_the_time_in_balance(items):
    found = measured(items, ["Yes."] * len(items))
    for name, row in found["by_template"].items():
        if "balanced" in row:
            assert row["balanced"] == 0.5, name
    assert found["by_template"]["label"]["true"] == 0.0


def test_the_mean_over_kinds_gives_a_rare_kind_its_weight(items, right):
    rare = [q.answer if q.asked.template == "why" else "???" for q in items.questions]
    found = measured(items, rare)
    kinds = len(found["by_template"]) - 1
    assert found["kinds_true"] == pytest.approx(1 / kinds)


def test_who_refuses_everything_refuses_wrongly(items):
    answers = [refusal("the age")] * len(items)
    found = measured(items, answers)
    assert found["refused"] == found["wrong_refusals"] == 1.0
    beyond = [q.asked.than for q in items.questions if q.asked.template == "unanswerable"]
    share = found["by_template"]["unanswerable"]["true"]
    assert share == np.mean([topic == "the age" for topic in beyond])


def test_reasons_of_another_window_are_judged_by_the_right_one(items, right):
    asked = [i for i, q in enumerate(items.questions) if q.asked.template == "why"]
    swapped = list(right)
    for i, other in zip(asked, [*asked[1:], asked[0]], strict=True):
        swapped[i] = right[other]
    found = measured(items, right, swapped)
    assert found["reasons_true"] == 1.0
    assert 0 < found["reasons_swapped_true"] < 1
    assert found["reasons_change"] == np.mean([right[i] != swapped[i] for i in asked])


def test_every_template_has_its_kind(items):
    kinds = {"fact", "yes_no", "missing", "label", "why", "comparison", "unanswerable"}
    assert {template.kind for template in TEMPLATES.values()} == kinds
