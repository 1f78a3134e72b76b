"""How true captions and numbers are, measured on models that are known: they hear, or do not."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from sensor2llm.bridge.number_head import Target
from sensor2llm.datasets.simulation.simulate import simulated_labels
from sensor2llm.evaluation.question_evaluation import spread
from sensor2llm.evaluation.task_evaluation import evaluate_captions, evaluate_numbers
from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.questions.captions import describe
from sensor2llm.signals.splits.splits import Split, split_by_subject
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.tasks.captioning import make_captions, shares, truest_caption
from sensor2llm.tasks.question_answering import facts_of_rows
from tests.tasks.simulated import CONFIG, SPEC, moving_windows

TARGET = "wrist_acc.dominant_frequency"


class Listener:
    """Have what the evaluations use of a model; captions and numbers are those of the signal."""

    def __init__(self) -> None:
        target = Target(name=TARGET, unit="Hz", mean=1.0, scale=1.0, decimals=2)
        self.adapter = SimpleNamespace(
            templates=dict.fromkeys(("captioning", "regression")),
            head=SimpleNamespace(target=target),
            spec=SPEC,
            normaliser=None,
            label_names=simulated_labels(CONFIG),
            align=lambda batch, spec: batch,
        )

    def windows(self, batch) -> list[Window]:
        signals, present = batch.signals.signals, batch.signals.present.tolist()
        return [
            Window(
                {n: signals[n][i].numpy() for n, here in zip(SPEC.names, row, strict=True) if here}
            )
            for i, row in enumerate(present)
        ]

    def generate(self, batch, *, max_new_tokens):
        known = [extract_facts(window, SPEC) for window in self.windows(batch)]
        if batch.requests[0].task == "captioning":
            return [describe(one, np.random.default_rng(0)) for one in known]
        # Of a window without the sensor there is nothing to say.
        return [f"{one[TARGET].value:.2f} Hz" if TARGET in one else "unknown" for one in known]

    def numbers(self, batch):
        known = [extract_facts(window, SPEC) for window in self.windows(batch)]
        return torch.tensor([one[TARGET].value if TARGET in one else 1.0 for one in known])


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> tuple[WindowStore, Split]:
    folder = tmp_path_factory.mktemp("tasks") / "store"
    store = WindowStore.write(folder, SPEC, moving_windows(), label_names=simulated_labels(CONFIG))
    return store, split_by_subject(store, seed=0, validation_share=0.2, test_share=0.4)


def test_who_hears_the_number_errs_only_where_another_window_is_heard(data):
    found = evaluate_numbers(cast(Any, Listener()), *data)
    assert found["text"]["mae"] <= 0.005
    assert found["head"]["mae"] == pytest.approx(0, abs=1e-6)
    for way in ("text", "head"):
        assert found["swapped"][way]["mae"] > 0.1
        assert found["swapped"][way]["mae_of_mean"] == found[way]["mae_of_mean"]
    assert (found["target"], found["unit"]) == (TARGET, "Hz")


def test_one_person_has_no_other_to_swap_with(data):
    store, split = data
    who = np.asarray(store.subject_ids)[split.test]
    alone = replace(split, test=split.test[who == who[0]])
    found = evaluate_numbers(cast(Any, Listener()), store, alone)
    assert found["subjects"] == 1
    assert found["swapped"] is None


def test_who_hears_says_truer_captions_than_any_one_caption_is(data):
    store, split = data
    found: dict[str, Any] = evaluate_captions(cast(Any, Listener()), store, split)
    assert found["true"] == 1.0
    assert max(found["swapped_true"], found["training_true"], found["constant_true"]) < 1
    known = facts_of_rows(store, split.test)
    items = make_captions(known, SPEC, seed=0)
    taught = facts_of_rows(store, spread(split.train, len(known)))
    train = make_captions(taught, SPEC, seed=1)
    constant = truest_caption(train, SPEC)
    assert found["constant_true"] == shares(items, [constant] * len(items))["true"]


def test_the_truest_caption_is_the_best_of_all_said_of_every_window(data):
    store, split = data
    train = make_captions(facts_of_rows(store, split.train[:30]), SPEC, seed=0)
    by_text = {text: shares(train, [text] * len(train))["true"] for text in train.captions}
    assert by_text[truest_caption(train, SPEC)] == max(by_text.values())
