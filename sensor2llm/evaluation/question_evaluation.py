"""Measure how true an adapter's answers are, and whether they come from the signal.

    metrics = evaluate_questions(model, store, split)
    metrics["true"], metrics["swapped_true"], metrics["frequent_true"], metrics["follows"]

Three numbers belong together: the share of true statements about people the adapter has not seen;
the share that is still true when the model hears another person's window in place of the asked one;
and what is reached by answering each question with its most frequent training answer. Where the
truth differs between two windows, `follows` is the share of answers that differ as well.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int

from sensor2llm.adapter.batches import Request, RequestBatch, hide_signals
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.questions.checking import Verdict
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.windows import Windows
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.question_answering import (
    LONGEST_ANSWER,
    TASK,
    Items,
    differing,
    facts_of_rows,
    frequent_answers,
    judge,
    make_items,
    without,
)
from sensor2llm.training.bar import ProgressBar

TRAIN_WINDOWS = 4000
NOTHING = "these windows answer none of the questions; choose others, or more windows"


def evaluate_questions(
    model: SensorLanguageModel,
    store: Windows,
    split: Split,
    *,
    part: str = "test",
    per_window: int = 2,
    hide: float = 0.0,
    templates: Sequence[str] | None = None,
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
        windows: at most so many windows, spread evenly; all where None.
        batch_size: questions at a time.
        seed: of the questions, of what is hidden and of the other windows.
        progress_bar: show one on stderr.

    Raises:
        ConfigError: the adapter answers no questions.
        DataError: there is no window or no question, or all windows are one person's.
    """
    check_task(model, TASK, "answers no questions")
    aligned = AdapterWindows(store, model.adapter)
    # What is true is computed of what is heard.
    store, rows = aligned.store, spread(split[part], windows)
    facts = facts_of_rows(store, rows)
    options: dict[str, Any] = {"per_window": per_window, "hide": hide, "templates": templates}
    if not len(items := make_items(facts, store.spec, seed=seed, **options)):
        raise DataError(NOTHING)
    people = np.asarray(store.subject_ids)[rows]
    others, heard = other_people(people[items.at], seed), rows[items.at]
    answers, swapped = _answer_twice(
        model, aligned, items, (heard, heard[others]), batch_size, progress_bar
    )
    elsewhere = [
        without(facts[items.at[other]], store.spec, _names(store, items.hidden[i]))
        for i, other in enumerate(others.tolist())
    ]
    frequent = frequent_answers(_train_items(store, split, seed, options), items)
    return _figures(items, answers, swapped, frequent, differing(items, elsewhere)) | {
        "split": part,
        "windows": len(rows),
        "subjects": len(np.unique(people)),
        "hide": hide,
    }


def _answer_twice(
    model: SensorLanguageModel, aligned: AdapterWindows, items: Items,
    rows: tuple[np.ndarray, np.ndarray], batch_size: int, progress_bar: bool,
) -> Iterator[list[str]]:  # fmt: skip
    """Answer the questions on their own windows, and on another person's."""
    bar = ProgressBar(progress_bar)
    for chosen, title in zip(rows, ("questions", "another person's windows"), strict=True):
        yield write_rows(
            model, aligned, chosen, items.requests, LONGEST_ANSWER, batch_size,
            hidden=items.hidden, tell=partial(bar.update, description=title),
        )  # fmt: skip
    bar.close()


def _figures(
    items: Items,
    answers: Sequence[str],
    swapped: Sequence[str],
    frequent: Sequence[str],
    differs: np.ndarray,
) -> dict[str, Any]:
    changed = np.array([a != b for a, b in zip(answers, swapped, strict=True)])
    verdicts = judge(items, answers)
    by_template: dict[str, dict[str, float]] = {}
    names = np.array([question.asked.template for question in items.questions])
    columns = {
        "true": _true(verdicts),
        "swapped_true": _true(judge(items, swapped)),
        "frequent_true": _true(judge(items, frequent)),
        "unparsed": np.array([v == Verdict.UNPARSED for v in verdicts]),
    }
    for name in dict.fromkeys(names.tolist()):
        chosen = names == name
        by_template[name] = {k: float(v[chosen].mean()) for k, v in columns.items()}
        by_template[name]["questions"] = int(chosen.sum())
    return {
        **{name: float(values.mean()) for name, values in columns.items()},
        "follows": float(changed[differs].mean()) if differs.any() else None,
        "differing": int(differs.sum()),
        "questions": len(items),
        "by_template": by_template,
    }


def _true(verdicts: Sequence[Verdict]) -> np.ndarray:
    return np.array([verdict == Verdict.TRUE for verdict in verdicts])


def write_rows(
    model: SensorLanguageModel,
    aligned: AdapterWindows,
    rows: Int[np.ndarray, " window"],
    requests: Sequence[Request],
    longest: int,
    batch_size: int = 64,
    *,
    hidden: Bool[np.ndarray, "window modality"] | None = None,
    tell: Callable[[float], None] = lambda share: None,
) -> list[str]:
    """Let the model answer a request about each of these rows of a store.

    `hidden` modalities of the store are taken away; `tell` hears what share is done.
    """
    texts: list[str] = []
    for start in range(0, len(rows), batch_size):
        part = slice(start, start + batch_size)
        tell(start / len(rows))
        heard = aligned.batch(rows[part])
        if hidden is not None:
            heard = hide_signals(heard, _of_adapter(model, aligned, hidden[part]))
        batch = RequestBatch(heard, tuple(requests[part]))
        texts += model.generate(batch, max_new_tokens=longest)
    return texts


def _of_adapter(
    model: SensorLanguageModel, aligned: AdapterWindows, hidden: np.ndarray
) -> torch.Tensor:
    """Put the store's modalities in the adapter's order; one that the store lacks is not hidden."""
    names = aligned.store.spec.names
    order = [names.index(n) if n in names else -1 for n in model.adapter.spec.names]
    return torch.from_numpy(np.pad(hidden, ((0, 0), (0, 1)))[:, order])


def _train_items(store: Windows, split: Split, seed: int, options: dict[str, Any]) -> Items:
    rows = spread(split["train"], TRAIN_WINDOWS)
    return make_items(facts_of_rows(store, rows), store.spec, seed=seed + 1, **options)


def check_task(model: SensorLanguageModel, task: str, refusal: str) -> None:
    """Raise ConfigError where the adapter has not learned a task."""
    if task not in model.adapter.templates:
        raise ConfigError(f"the adapter {refusal}; train one with the task {task}")


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
