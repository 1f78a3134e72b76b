"""Rows without a prompt of numbers: the adapter with its controls, and forests on the numbers."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sensor2llm.evaluation.evaluation import evaluate_adapter
from tokenization_study.comparison.config import FACTS
from tokenization_study.comparison.forest import predict_by_forest
from tokenization_study.comparison.rows import (
    ADAPTER,
    ENCODED,
    FOREST,
    RAW,
    ComparisonRow,
    digest,
    encoded_row,
    with_metrics,
)
from tokenization_study.comparison.setup import Comparison
from tokenization_study.comparison.texts import WindowTexts

CONTROLS = {
    "majority": ("nothing", "the most frequent training label"),
    "text_only": (ENCODED, "signal taken away (text only)"),
    "probe": ("encoder features", "logistic regression, no LLM"),
}


def encoded_rows(comparison: Comparison) -> Iterator[ComparisonRow]:
    """Measure the adapter and its controls."""
    stored = [comparison.folder / name for name in ("bridge.safetensors", "sensor2llm.json")]
    state = [hashlib.sha256(p.read_bytes()).hexdigest() for p in stored if p.is_file()]
    inputs = digest(comparison.same, state)
    results: dict[str, Any] = {}

    def measured() -> dict[str, Any]:
        if not results:
            judge = partial(
                evaluate_adapter, comparison.model, comparison.store, comparison.sample.split,
                rows=comparison.sample.test, seed=comparison.config.seed,
            )  # fmt: skip
            score, text = judge(controls=True), judge(by="text")
            predicted = tuple(score.predictions.predicted.tolist())
            results.update(score=score.metrics, text=text.metrics, predicted=predicted)
        return results

    labels, seen = len(comparison.sample.all_train), comparison.seen(comparison.heard)
    blank = replace(seen, input=ENCODED, prompt=ADAPTER, labels=labels)
    yield comparison.row_store.get(blank, inputs, lambda: encoded_row(blank, measured()))
    for name, (source, prompt) in CONTROLS.items():
        blank = seen if name == "probe" else ComparisonRow(input="", prompt="")
        blank = replace(blank, input=source, prompt=prompt, labels=labels)

        def make(blank: ComparisonRow = blank, control: str = name) -> ComparisonRow:
            metrics = measured()["score"]["controls"][control]
            positions = metrics["tokens_per_window"] if control == "text_only" else 0
            return with_metrics(blank, metrics, positions=positions or 0.0)

        yield comparison.row_store.get(blank, inputs, make)


def forest_rows(comparison: Comparison) -> Iterator[ComparisonRow]:
    """Judge a random forest on the numbers that prompts hold, with few and with all labels."""
    sample, reduced = comparison.sample, comparison.reduced
    kinds = [(RAW, reduced), (FACTS, reduced)]
    if reduced.reduces:
        kinds.insert(1, (RAW, comparison.whole))
    for form, texts in kinds:
        amounts = {"as many labels as the LLM's rows": sample.train, "all labels": sample.all_train}
        for amount, train in amounts.items():
            blank = comparison.blank(form, texts, f"{FOREST}, {amount}")
            blank = replace(blank, labels=len(train))
            settings = (texts.sensors, texts.rates, comparison.config.decimals, train.tolist())
            make = partial(_forest_row, comparison, blank, form, texts, train)
            yield comparison.row_store.get(blank, digest(comparison.same, *settings), make)


def _forest_row(
    comparison: Comparison, blank: ComparisonRow, form: str, texts: WindowTexts, train: np.ndarray
) -> ComparisonRow:
    sample = comparison.sample
    # Written together: which facts a window has decides the columns.
    numbers = texts.numbers(form, np.concatenate([train, sample.test]))
    train_numbers, test_numbers = np.split(numbers, [len(train)])
    labels = sample.windows.labels[train]
    predicted = predict_by_forest(train_numbers, labels, test_numbers, comparison.config.seed)
    return comparison.judged(blank, predicted)
