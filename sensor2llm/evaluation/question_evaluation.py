"""Measure how true an adapter's answers are, and whether they come from the signal.

    metrics = evaluate_questions(model, store, split)
    metrics["true"], metrics["swapped_true"], metrics["frequent_true"], metrics["follows"]

Three numbers belong together: the share of true statements about people the adapter has not seen;
the share that is still true when the model hears another person's window in place of the asked one;
and what is reached by answering each question with its most frequent training answer. Where the
truth differs between two windows, `follows` is the share of answers that differ as well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int

from sensor2llm.adapter.batches import RequestBatch, hide_signals
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.evaluation.question_figures import figures
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.questions.labels import label_facts
from sensor2llm.signals.questions.pairs import pair_facts
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.windows import Windows
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.confusable_labels import WINDOWS, confusable_labels, pooled_features
from sensor2llm.tasks.conversation_items import make_conversation
from sensor2llm.tasks.question_answering import (
    LONGEST_ANSWER,
    TASK,
    Facts,
    Items,
    differing,
    facts_of_rows,
    frequent_answers,
    make_items,
    without,
)
from sensor2llm.training.bar import ProgressBar

TRAIN_WINDOWS = 4000


def evaluate_questions(
    model: SensorLanguageModel,
    store: Windows,
    split: Split,
    *,
    part: str = "test",
    per_window: int = 2,
    hide: float = 0.0,
    templates: Sequence[str] | None = None,
    conversation: bool = False,
    windows: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    progress_bar: bool = False,
) -> dict[str, Any]:
    """Ask about the windows of one part, with the controls.

    Args:
        model: adapter and LLM.
        store: the windows.
        split: who taught and who judges.
        part: whose windows are asked about.
        per_window: questions a window.
        hide: share of the modalities that are taken away.
        templates: which questions; the adapter's own where None.
        conversation: ask as people do, half in wordings that never train an adapter.
        windows: at most so many windows, spread evenly; all where None.
        batch_size: questions at a time.
        seed: of the questions, of what is hidden and of the other windows.
        progress_bar: show one on stderr.

    Raises:
        ConfigError: the adapter answers no questions.
        DataError: there is no window or no question, or all windows are one person's.
    """
    if TASK not in model.adapter.templates:
        raise ConfigError(
            "the adapter answers no questions; train one with the task question_answering"
        )
    aligned = AdapterWindows(store, model.adapter)
    # What is true is computed of what is heard.
    rows = spread(split[part], windows)
    options: dict[str, Any] = {"per_window": per_window, "hide": hide, "templates": templates}
    make = _maker(model, aligned, split["train"], conversation, options)
    facts, items = make(rows, seed, 0.5)
    _checked(items)
    people = np.asarray(aligned.store.subject_ids)[rows]
    swapped_items = _swapped(items, people, seed)
    answers, swapped = _answer_twice(
        model, aligned, items, rows, swapped_items, batch_size, progress_bar
    )
    elsewhere = _facts_elsewhere(facts, swapped_items, aligned.store)
    _, train = make(spread(split["train"], TRAIN_WINDOWS), seed + 1, 0.0)
    frequent = frequent_answers(train, items)
    return figures(items, answers, swapped, frequent, differing(items, elsewhere)) | {
        "split": part,
        "windows": len(rows),
        "subjects": len(np.unique(people)),
        "hide": hide,
    }


def _maker(
    model: SensorLanguageModel,
    aligned: AdapterWindows,
    train: Int[np.ndarray, " window"],
    conversation: bool,
    options: dict[str, Any],
) -> Callable[[Int[np.ndarray, " window"], int, float], tuple[list[Facts], Items]]:
    """Say how questions about some rows are made: facts of each, and the questions."""
    near = _near_labels(model, aligned, train) if conversation else {}

    def make(
        rows: Int[np.ndarray, " window"], seed: int, held_out: float
    ) -> tuple[list[Facts], Items]:
        store = aligned.store
        facts = facts_of_rows(store, rows)
        if not conversation:
            return facts, make_items(facts, store.spec, seed=seed, **options)
        labels = aligned.labels[rows].tolist()
        facts = label_facts(facts, labels, model.adapter.label_texts, near)
        return facts, make_conversation(facts, store.spec, seed=seed, held_out=held_out, **options)

    return make


def _near_labels(
    model: SensorLanguageModel, aligned: AdapterWindows, train: Int[np.ndarray, " window"]
) -> Mapping[str, tuple[str, ...]]:
    """Say which labels training windows are easily taken for."""
    some = spread(train, WINDOWS)
    with torch.no_grad():
        features = pooled_features(model.adapter, aligned.batch(some).to(model.llm.device))
    return confusable_labels(features, aligned.labels[some], model.adapter.label_texts)


def _swapped(items: Items, people: np.ndarray, seed: int) -> Items:
    """Put another person's windows in the place of those that are asked about."""
    at = items.at[other_people(people[items.at], seed)]
    second = items.second
    if second is not None:
        there = np.where(second < 0, items.at, second)
        second = np.where(second < 0, -1, there[other_people(people[there], seed + 1)])
    return replace(items, at=at, second=second)


def _facts_elsewhere(facts: Sequence[Facts], swapped: Items, store: Windows) -> list[Facts]:
    """Give what is true of the windows that are heard in place of the right ones."""
    seconds = [-1] * len(swapped) if swapped.second is None else swapped.second.tolist()
    return [
        without(facts[at], store.spec, _names(store, gone))
        if second < 0
        else pair_facts(facts[at], facts[second])
        for at, second, gone in zip(swapped.at.tolist(), seconds, swapped.hidden, strict=True)
    ]


def _checked(items: Items) -> Items:
    if not len(items):
        raise DataError(
            "these windows answer none of the questions; choose others, or more windows"
        )
    return items


def _answer_twice(
    model: SensorLanguageModel,
    aligned: AdapterWindows,
    items: Items,
    rows: Int[np.ndarray, " window"],
    swapped: Items,
    batch_size: int,
    progress_bar: bool,
) -> tuple[list[str], list[str]]:
    """Answer the questions on their own windows, and on another person's."""
    bar = ProgressBar(progress_bar)
    own, other = (
        _answers(model, aligned, heard, rows, batch_size, partial(bar.update, description=title))
        for heard, title in ((items, "questions"), (swapped, "another person's windows"))
    )
    bar.close()
    return own, other


def _answers(
    model: SensorLanguageModel,
    aligned: AdapterWindows,
    items: Items,
    rows: Int[np.ndarray, " window"],
    batch_size: int,
    progress: Callable[[float], None],
) -> list[str]:
    """Let the model answer the items about these rows of the store, one window each or two."""
    requests, answers = items.requests, [""] * len(items)
    seconds = np.full(len(items), -1) if items.second is None else items.second
    done = 0
    for two in (False, True):
        alike = np.flatnonzero((seconds >= 0) == two)
        for start in range(0, len(alike), batch_size):
            part = alike[start : start + batch_size]
            progress(done / len(items))
            signals = hide_signals(
                aligned.batch(rows[items.at[part]]), _gone(model, aligned, items, part)
            )
            second = aligned.batch(rows[seconds[part]]) if two else None
            batch = RequestBatch(signals, tuple(requests[i] for i in part.tolist()), second)
            texts = model.generate(batch, max_new_tokens=LONGEST_ANSWER)
            for i, text in zip(part.tolist(), texts, strict=True):
                answers[i] = text
            done += len(part)
    return answers


def _gone(
    model: SensorLanguageModel, aligned: AdapterWindows, items: Items, part: np.ndarray
) -> Bool[torch.Tensor, "batch modality"]:
    """Put what is taken away into the adapter's order of modalities."""
    names = aligned.store.spec.names
    order = [names.index(n) if n in names else -1 for n in model.adapter.spec.names]
    hidden = np.concatenate([items.hidden[part], np.zeros((len(part), 1), dtype=bool)], axis=1)
    return torch.from_numpy(hidden[:, order])


def other_people(subjects: Int[np.ndarray, " item"], seed: int) -> Int[np.ndarray, " item"]:
    """Choose for each item another one of another person.

    Raises:
        DataError: all are one person's.
    """
    if len(np.unique(subjects)) < 2:
        raise DataError("another person's window needs windows of at least two people")
    rng = np.random.default_rng(seed)
    partners = rng.permutation(len(subjects))
    for i in np.flatnonzero(subjects[partners] == subjects):
        partners[i] = rng.choice(np.flatnonzero(subjects != subjects[i]))
    return partners


def _names(store: Windows, hidden: np.ndarray) -> tuple[str, ...]:
    return tuple(name for name, gone in zip(store.spec.names, hidden, strict=True) if gone)


def spread(rows: Int[np.ndarray, " window"], most: int | None) -> Int[np.ndarray, " window"]:
    """Give at most so many rows, spread evenly over people and recordings.

    Raises:
        DataError: there is none.
    """
    if len(rows) == 0:
        raise DataError("no window to ask about; choose another --split or store")
    if most is None or len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
