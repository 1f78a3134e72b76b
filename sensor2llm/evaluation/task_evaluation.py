"""Measure captions and numbers on people that an adapter has not seen; questions stand alone.

metrics = evaluate_captions(model, store, split)      share of true statements, and controls
metrics = evaluate_numbers(model, store, split)       error by text and by the head, in the unit
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sensor2llm.adapter.batches import Request, RequestBatch
from sensor2llm.errors import DataError
from sensor2llm.evaluation.question_evaluation import check_task, other_people, spread, write_rows
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.windows import Windows
from sensor2llm.tasks import captioning, regression
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.question_answering import facts_of_rows

LONGEST_NUMBER = 16


def evaluate_captions(
    model: SensorLanguageModel,
    store: Windows,
    split: Split,
    *,
    part: str = "test",
    windows: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
) -> dict[str, Any]:
    """Let the model describe windows, and check every statement.

    Returns:
        `true`, `unparsed` and `statements` of what it wrote; `swapped_true` where it heard another
        person's window; `training_true`, of captions of training windows put in their place;
        `constant_true`, of the one training caption that is truest of training windows.

    Raises:
        ConfigError: the adapter writes no captions.
        DataError: there is no window, or all are one person's.
    """
    check_task(model, captioning.TASK, "writes no captions")
    aligned = AdapterWindows(store, model.adapter)
    # What is true is computed of what is heard.
    store, rows = aligned.store, spread(split[part], windows)
    facts = facts_of_rows(store, rows)
    items = captioning.make_captions(facts, store.spec, seed=seed)
    others = other_people(np.asarray(store.subject_ids)[rows], seed)
    requests = [Request(captioning.TASK)] * len(rows)
    longest = captioning.LONGEST_CAPTION
    captions = write_rows(model, aligned, rows, requests, longest, batch_size)
    swapped = write_rows(model, aligned, rows[others], requests, longest, batch_size)
    taught = spread(split["train"], len(rows))
    train = captioning.make_captions(facts_of_rows(store, taught), store.spec, seed=seed + 1)
    again = [train.captions[i % len(train)] for i in range(len(items))]
    return {
        **captioning.shares(items, captions),
        "swapped_true": captioning.shares(items, swapped)["true"],
        "training_true": captioning.shares(items, again)["true"],
        "constant_true": captioning.shares(
            items, [captioning.truest_caption(train, store.spec)] * len(items)
        )["true"],
        "examples": captions[:5],
        **_whose(store, rows, part),
    }


def evaluate_numbers(
    model: SensorLanguageModel,
    store: Windows,
    split: Split,
    *,
    part: str = "test",
    windows: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
) -> dict[str, Any]:
    """Estimate the target of windows, by text and by the number head.

    Returns:
        `text` and `head`, each what `regression.errors` gives; `swapped`, the same of what was
        estimated where another person's window was heard, None where all are one person's;
        `target`, `unit`.

    Raises:
        ConfigError: the adapter estimates no number.
        DataError: no window has the target.
    """
    check_task(model, regression.TASK, "estimates no number")
    head = model.adapter.head
    assert head is not None, "an adapter of the task regression has a head"
    target = head.target
    aligned = AdapterWindows(store, model.adapter)
    store, rows = aligned.store, spread(split[part], windows)
    values, _ = regression.target_values(store, rows, target.name)
    rows, true = rows[~np.isnan(values)], values[~np.isnan(values)]
    whose, subjects = _whose(store, rows, part), np.asarray(store.subject_ids)[rows]

    def measured(heard: Int[np.ndarray, " window"]) -> dict[str, Any]:
        estimates = estimate_rows(model, aligned, heard, batch_size)
        return {
            way: regression.errors(true, estimated, subjects, mean=target.mean)
            for way, estimated in estimates.items()
        }

    several = whose["subjects"] > 1
    swapped = measured(rows[other_people(subjects, seed)]) if several else None
    named = {"target": target.name, "unit": target.unit}
    return {**named, **measured(rows), "swapped": swapped, **whose}


def estimate_rows(
    model: SensorLanguageModel,
    aligned: AdapterWindows,
    rows: Int[np.ndarray, " window"],
    batch_size: int = 64,
) -> dict[str, Float[np.ndarray, " window"]]:
    """Estimate the number of each of these rows: read from its `text`, and by the `head`.

    An answer without a number is NaN.
    """
    requests = [Request(regression.TASK)] * len(rows)
    texts = write_rows(model, aligned, rows, requests, LONGEST_NUMBER, batch_size)
    numbers = [
        model.numbers(RequestBatch(aligned.batch(part), tuple(requests[: len(part)]))).cpu().numpy()
        for part in _parts(rows, batch_size)
    ]
    return {"text": regression.read_numbers(texts), "head": np.concatenate(numbers)}


def _parts(rows: Int[np.ndarray, " window"], size: int) -> list[Int[np.ndarray, " part"]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _whose(store: Windows, rows: Int[np.ndarray, " window"], part: str) -> dict[str, Any]:
    if not len(rows):
        raise DataError("no window has the target; choose another --split or store")
    people = len(np.unique(np.asarray(store.subject_ids)[rows]))
    return {"split": part, "windows": len(rows), "subjects": people}
