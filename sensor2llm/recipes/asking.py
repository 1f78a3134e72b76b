"""From a recipe's tasks to what is trained and validated: items, and how they are judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.request_table import RequestTable
from sensor2llm.bridge.number_head import NumberHead, Target, fit_target
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.config import (
    CAPTIONING,
    CLASSIFICATION,
    QUESTION_ANSWERING,
    REGRESSION,
    TaskMix,
)
from sensor2llm.recipes.sources import BatchSource, TrainingRows
from sensor2llm.recipes.task import SCORED_AT_ONCE, Judge
from sensor2llm.signals.questions.labels import label_facts
from sensor2llm.signals.store.windows import Windows
from sensor2llm.tasks import captioning, question_answering, regression
from sensor2llm.tasks.confusable_labels import WINDOWS, confusable_labels, pooled_features
from sensor2llm.tasks.conversation_items import make_conversation

JUDGED_ITEMS = 512


@dataclass(frozen=True, eq=False)
class TaskPart:
    """Hold the windows of some people: where they are in the store, and their features."""

    store: Windows
    positions: Int[np.ndarray, " window"]
    rows: TrainingRows
    seed: int
    held_out: float = 0.0
    """Share of a conversation's questions in wordings that never train."""


def make_source(
    task: str, mix: TaskMix, part: TaskPart, adapter: SensorAdapter, target: Target | None = None
) -> tuple[BatchSource, Judge | None]:
    """Make a task's items of some windows, and what judges answers to them."""
    if task == CLASSIFICATION:
        ways = adapter.template_of(task).paraphrases(adapter.form)
        labelled = np.flatnonzero(np.asarray(part.rows.labels) >= 0)
        return BatchSource(part.rows, labelled, weight=mix.weight, paraphrases=ways), None
    source, judge = MAKERS[task](mix, part, adapter, target)
    return source, judge


def _questions(
    mix: TaskMix, part: TaskPart, adapter: SensorAdapter, target: Target | None
) -> tuple[BatchSource, Judge]:
    facts = question_answering.facts_of_rows(part.store, part.positions)
    options: dict[str, Any] = {
        "seed": part.seed,
        "per_window": mix.per_window,
        "hide": mix.hide,
        "templates": mix.questions or None,
    }
    if mix.conversation:
        facts = _labelled(facts, part, adapter)
        items = make_conversation(facts, part.store.spec, held_out=part.held_out, **options)
    else:
        items = question_answering.make_items(facts, part.store.spec, **options)
    source = BatchSource(
        part.rows,
        items.at,
        QUESTION_ANSWERING,
        mix.weight,
        RequestTable.build(items.requests),
        _aligned(items, part, adapter),
        second=items.second,
        unit=items.unit,
    )
    longest = question_answering.LONGEST_ANSWER
    return source, partial(_judge_texts, items, question_answering.shares, longest)


def _labelled(
    facts: list[question_answering.Facts], part: TaskPart, adapter: SensorAdapter
) -> list[question_answering.Facts]:
    """Add the windows' labels, and which of them are easily taken for others."""
    labels, names = np.asarray(part.rows.labels), adapter.label_texts
    some = np.linspace(0, len(labels) - 1, min(WINDOWS, len(labels))).astype(np.int64)
    features = pooled_features(adapter, part.rows.batch(some))
    near = confusable_labels(features, labels[some], names)
    return label_facts(facts, labels.tolist(), names, near)


def _captions(
    mix: TaskMix, part: TaskPart, adapter: SensorAdapter, target: Target | None
) -> tuple[BatchSource, Judge]:
    facts = question_answering.facts_of_rows(part.store, part.positions)
    items = captioning.make_captions(
        facts, part.store.spec, seed=part.seed, per_window=mix.per_window, hide=mix.hide
    )
    ways = adapter.template_of(CAPTIONING).paraphrases("encoded")
    hidden, asked = _aligned(items, part, adapter), RequestTable.build(items.requests)
    source = BatchSource(part.rows, items.at, CAPTIONING, mix.weight, asked, hidden, ways)
    return source, partial(_judge_texts, items, captioning.shares, captioning.LONGEST_CAPTION)


def _numbers(
    mix: TaskMix, part: TaskPart, adapter: SensorAdapter, target: Target | None
) -> tuple[BatchSource, Judge]:
    assert target is not None  # there is a head wherever the task has a weight
    values, _ = regression.target_values(part.store, part.positions, target.name)
    there = np.flatnonzero(~np.isnan(values))
    requests = RequestTable.build(regression.requests(values[there], target))
    source = BatchSource(part.rows, there, REGRESSION, mix.weight, requests)
    return source, partial(_judge_numbers, values[there], target)


MAKERS: Mapping[str, Callable[..., tuple[BatchSource, Judge]]] = {
    QUESTION_ANSWERING: _questions,
    CAPTIONING: _captions,
    REGRESSION: _numbers,
}


def make_head(mix: TaskMix, part: TaskPart, llm: FrozenLLM) -> NumberHead:
    """Build the number head of a regression from its training windows."""
    assert mix.target is not None  # a recipe without one is refused
    values, unit = regression.target_values(part.store, part.positions, mix.target)
    targets = torch.from_numpy(values[~np.isnan(values)])
    return NumberHead(llm.hidden_width, fit_target(mix.target, unit, targets))


def _aligned(
    items: question_answering.Items | captioning.Captions, part: TaskPart, adapter: SensorAdapter
) -> np.ndarray | None:
    """Put what is hidden into the adapter's order of modalities; None where nothing is."""
    if not items.hidden.any():
        return None
    names, never = part.store.spec.names, np.zeros(len(items.hidden), dtype=bool)
    columns = [
        items.hidden[:, names.index(name)] if name in names else never
        for name in adapter.spec.names
    ]
    return np.stack(columns, axis=1)


def _judge_texts(
    items: question_answering.Items | captioning.Captions,
    judge: Callable[[Any, list[str]], dict[str, float]],
    longest: int,
    model: SensorLanguageModel,
    source: BatchSource,
) -> dict[str, float]:
    """Let the model answer some items and give the share of true statements."""
    chosen = np.random.default_rng(0).permutation(len(source))[:JUDGED_ITEMS]
    answers: list[str] = []
    alike = source.alike(chosen)
    for part in alike:
        for start in range(0, len(part), SCORED_AT_ONCE):
            batch = source.batch(part[start : start + SCORED_AT_ONCE]).to(model.llm.device)
            answers += model.generate(batch, max_new_tokens=longest)
    shares = judge(items.take(np.concatenate(alike)), answers)
    return {"score": shares["true"], **{f"{source.task}_{name}": v for name, v in shares.items()}}


def _judge_numbers(
    values: np.ndarray, target: Target, model: SensorLanguageModel, source: BatchSource
) -> dict[str, float]:
    """Give the number head's error, and how much of the mean's error it takes away."""
    chosen = np.random.default_rng(0).permutation(len(source))[:JUDGED_ITEMS]
    parts = [
        model.numbers(source.batch(chosen[i : i + SCORED_AT_ONCE]).to(model.llm.device))
        for i in range(0, len(chosen), SCORED_AT_ONCE)
    ]
    estimates = torch.cat(parts).cpu().numpy()
    nobody = np.zeros(len(chosen), dtype=np.int64)
    measured = regression.errors(values[chosen], estimates, nobody, mean=target.mean)
    score = max(0.0, 1 - measured["mae"] / max(measured["mae_of_mean"], 1e-12))
    return {"score": score, "regression_mae": measured["mae"]}
