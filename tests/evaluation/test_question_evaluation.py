"""How true answers are, and whether they come from the signal: measured on models that are known.

The first model computes every answer from the signals that it is given; the second says yes.
"""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sensor2llm.datasets.simulation.simulate import simulate, simulated_labels
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.evaluation import question_evaluation
from sensor2llm.evaluation.question_evaluation import evaluate_questions, other_people
from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.questions.checking import Verdict, check, true_answer
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.splits.splits import Split, split_by_subject
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.signals.window import Window
from sensor2llm.tasks.question_answering import facts_of_rows, make_items
from tests.tasks.simulated import CONFIG, SPEC, moving_windows

PER_WINDOW, HIDE = 6, 0.2


class FakeModel:
    """Have what the evaluation uses of a model, and answer by `say(request, window)`."""

    def __init__(self, say, tasks=("question_answering",)) -> None:
        self.say = say
        self.heard: list[Window] = []
        self.adapter = SimpleNamespace(
            templates=dict.fromkeys(tasks),
            spec=SPEC,
            normaliser=None,
            label_names=simulated_labels(CONFIG),
            align=lambda batch, spec: batch,
        )

    def generate(self, batch, *, max_new_tokens):
        said = []
        for row, request in enumerate(batch.requests):
            present = batch.signals.present[row].tolist()
            there = {
                name: batch.signals.signals[name][row].numpy()
                for name, here in zip(SPEC.names, present, strict=True)
                if here
            }
            self.heard.append(Window(there))
            said.append(self.say(request, self.heard[-1]))
        return said


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> tuple[WindowStore, Split]:
    folder = tmp_path_factory.mktemp("questions") / "store"
    store = WindowStore.write(folder, SPEC, moving_windows(), label_names=simulated_labels(CONFIG))
    return store, split_by_subject(store, seed=0, validation_share=0.2, test_share=0.4)


@pytest.fixture(scope="module")
def items(data):
    """Give the items that the evaluation makes, and so each question's meaning."""
    store, split = data
    known = facts_of_rows(store, split.test)
    return make_items(known, SPEC, seed=0, per_window=PER_WINDOW, hide=HIDE)


def run(data, model: FakeModel, **options) -> dict[str, Any]:
    store, split = data
    given = {"per_window": PER_WINDOW, "hide": HIDE, "batch_size": 16} | options
    return evaluate_questions(cast(Any, model), store, split, **given)


def truthful(items) -> FakeModel:
    meaning = {question.question: question.asked for question in items.questions}

    def say(request, window):
        facts = extract_facts(window, SPEC)
        return true_answer(meaning[request.template_values["question"]], facts) or ""

    return FakeModel(say)


@pytest.fixture(scope="module")
def hearing(data, items):
    model = truthful(items)
    return model, run(data, model)


def test_who_computes_answers_from_the_signal_is_always_right(hearing, items):
    _, found = hearing
    assert found["true"] == 1.0
    assert found["unparsed"] == 0.0
    assert found["questions"] == len(items)
    assert all(row["true"] == 1.0 for row in found["by_template"].values())
    assert sum(row["questions"] for row in found["by_template"].values()) == len(items)


def test_the_truth_is_that_of_what_is_heard_of_longer_windows(tmp_path):
    longer = SignalSpec(
        modalities=tuple(replace(m, steps=2 * m.steps) for m in SPEC.modalities), window_s=10.0
    )
    recordings = simulate(CONFIG)
    windows = (w for r in recordings for w in segment(r, longer, label_rule="none"))
    store = WindowStore.write(tmp_path / "store", longer, windows)
    split = split_by_subject(store, seed=0, validation_share=0.2, test_share=0.4)
    known = facts_of_rows(convert_store(store, SPEC), split.test)
    items = make_items(known, SPEC, seed=0, per_window=PER_WINDOW, hide=HIDE)
    found = run((store, split), truthful(items))
    assert found["true"] == 1.0
    assert found["questions"] == len(items)


def test_who_hears_the_signal_answers_otherwise_wherever_the_truth_is_another(hearing):
    _, found = hearing
    assert found["differing"] > 0
    assert found["follows"] == 1.0


def test_another_persons_window_leaves_no_more_truth_than_guessing(hearing, items):
    model, found = hearing
    assert found["swapped_true"] < 0.75
    assert abs(found["swapped_true"] - found["frequent_true"]) < 0.2
    swapped = model.heard[len(items) :]
    verdicts = [
        check(question, true_answer(question.asked, extract_facts(window, SPEC)) or "", known)
        for question, known, window in zip(items.questions, items.facts, swapped, strict=True)
    ]
    assert found["swapped_true"] == np.mean([verdict == Verdict.TRUE for verdict in verdicts])


def test_what_is_hidden_is_hidden_from_both_windows(hearing, items):
    model, _ = hearing
    own, swapped = model.heard[: len(items)], model.heard[len(items) :]
    assert items.hidden.any()
    for windows in (own, swapped):
        for window, hidden in zip(windows, items.hidden, strict=True):
            gone = {name for name, away in zip(SPEC.names, hidden, strict=True) if away}
            assert not gone & set(window.signals)
    for mine, other in zip(own, swapped, strict=True):
        for name in set(mine.signals) & set(other.signals):
            assert not np.array_equal(mine.signals[name], other.signals[name])


def test_who_says_the_same_to_every_window_follows_none(data, items):
    found = run(data, FakeModel(lambda request, window: "yes"))
    assert found["follows"] == 0.0
    assert found["true"] == found["swapped_true"]
    asked = zip(items.questions, items.facts, strict=True)
    expected = [check(question, "yes", known) for question, known in asked]
    assert found["true"] == np.mean([verdict == Verdict.TRUE for verdict in expected])
    assert found["unparsed"] == np.mean([verdict == Verdict.UNPARSED for verdict in expected])


def test_the_question_alone_reaches_what_its_frequent_answer_does(data, items, hearing):
    store, split = data
    train = make_items(
        facts_of_rows(store, split.train), SPEC, seed=1, per_window=PER_WINDOW, hide=HIDE
    )
    meaning = {question.question: question.asked for question in items.questions}
    counts: dict[str, dict[str, int]] = {}
    for question in train.questions:
        for key in {question.asked.key, question.asked.template}:
            known = counts.setdefault(key, {})
            known[question.answer] = known.get(question.answer, 0) + 1

    def say(request, window):
        asked = meaning[request.template_values["question"]]
        known = counts.get(asked.key) or counts.get(asked.template) or {"": 1}
        return max(known, key=known.__getitem__)

    found = run(data, FakeModel(say))
    assert found["true"] == found["frequent_true"] == hearing[1]["frequent_true"]
    assert found["follows"] == 0.0


def test_the_result_says_who_was_asked(data, hearing):
    store, split = data
    found = hearing[1]
    assert (found["split"], found["windows"], found["hide"]) == ("test", len(split.test), HIDE)
    assert found["subjects"] == len(set(np.asarray(store.subject_ids)[split.test].tolist())) == 2
    few = run(data, FakeModel(lambda request, window: "yes"), windows=5)
    assert few["windows"] == 5
    assert few["questions"] <= 5 * PER_WINDOW


def test_the_other_one_is_another_person():
    subjects = np.array([0] * 8 + [1] * 3 + [2])
    found = other_people(subjects, seed=0)
    assert (subjects[found] != subjects).all()
    assert found.tolist() == other_people(subjects, seed=0).tolist()
    assert found.tolist() != other_people(subjects, seed=1).tolist()
    with pytest.raises(DataError, match="needs windows of at least two people"):
        other_people(np.zeros(4), seed=0)


def test_what_cannot_be_evaluated_is_said(data):
    store, split = data

    def silent(request, window):
        return ""

    with pytest.raises(ConfigError, match="answers no questions; train one with the task quest"):
        run(data, FakeModel(silent, tasks=("captioning",)))
    empty = Split(train=split.train, validation=split.validation, test=np.array([], np.int64))
    with pytest.raises(DataError, match="no window to ask about; choose another --split"):
        run((store, empty), FakeModel(silent))
    with pytest.raises(DataError, match="answer none of the questions; choose others, or more"):
        run(data, FakeModel(silent), templates=["rmssd"])
    one = split.test[np.asarray(store.subject_ids)[split.test] == store.subject_ids[split.test[0]]]
    with pytest.raises(DataError, match="at least two people"):
        run((store, Split(train=split.train, validation=split.validation, test=one)),
            FakeModel(silent))  # fmt: skip


def test_training_questions_are_drawn_from_windows_spread_over_all(data, monkeypatch):
    seen = []
    monkeypatch.setattr(question_evaluation, "TRAIN_WINDOWS", 7)
    counted = question_evaluation.facts_of_rows
    monkeypatch.setattr(
        question_evaluation, "facts_of_rows", lambda s, rows: seen.append(rows) or counted(s, rows)
    )
    run(data, FakeModel(lambda request, window: "yes"), windows=4)
    asked, train = seen
    split = data[1]
    assert (len(asked), len(train)) == (4, 7)
    assert (train[0], train[-1]) == (split.train[0], split.train[-1])
    assert (asked[0], asked[-1]) == (split.test[0], split.test[-1])
