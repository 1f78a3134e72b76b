"""Numbers from windows: by text and by a number head, with the error in the target's unit.

target = fit_target(…)
estimated = read_numbers(model.generate(batch))            by text
estimated = model.numbers(batch)                        by the head
errors(true, estimated, subjects)["mae"]
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from sensor2llm.adapter.batches import Request
from sensor2llm.bridge.number_head import Target
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.store.windows import Windows

TASK = "regression"
LABEL = "label"
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)")


def target_values(
    store: Windows, rows: Int[np.ndarray, " window"], name: str
) -> tuple[Float[np.ndarray, " window"], str]:
    """Give the number that is to be estimated of each window, and its unit.

    Args:
        store: the windows, in their own units.
        rows: which of them.
        name: a fact's key (`heart_rate.heart_rate`), or `label` where the labels are numbers.

    Returns:
        values, NaN where a window has none; the unit, empty for labels.

    Raises:
        ConfigError: no window has such a fact, or it is no number.
        DataError: the labels are no numbers, or no window has one.
    """
    if name == LABEL:
        return _label_values(store, rows), ""
    values, unit, numeric = np.full(len(rows), np.nan), "", set()
    for place, row in enumerate(rows.tolist()):
        facts = extract_facts(store[row], store.spec)
        numeric |= {k for k, fact in facts.items() if isinstance(fact.value, float)}
        if name in facts and isinstance(facts[name].value, float):
            values[place], unit = facts[name].value, facts[name].unit
    if np.isnan(values).all():
        choices = ", ".join([LABEL, *sorted(numeric)])
        raise ConfigError(f"no window has the number {name!r}; choose from {choices}")
    return values, unit


def _label_values(store: Windows, rows: Int[np.ndarray, " window"]) -> Float[np.ndarray, " window"]:
    try:
        numbers = np.array([float(name) for name in store.label_names] + [np.nan])
    except ValueError as error:
        raise DataError(
            f"target label needs labels that are numbers, got {', '.join(store.label_names)}"
        ) from error
    values = numbers[np.asarray(store.labels)[rows]]
    if np.isnan(values).all():
        raise DataError("target label needs labelled windows, and none of these has a label")
    return values


def requests(values: Float[np.ndarray, " window"], target: Target) -> tuple[Request, ...]:
    """Ask for the number of each window, with the true one as the answer."""
    return tuple(Request(TASK, {}, target.write(v), float(v)) for v in values.tolist())


def read_numbers(texts: Sequence[str]) -> Float[np.ndarray, " window"]:
    """Read the first number of each answer; NaN where there is none."""
    matches = (_NUMBER.search(text) for text in texts)
    return np.array([float(match.group()) if match else np.nan for match in matches])


def errors(
    true: Float[np.ndarray, " window"],
    estimated: Float[np.ndarray, " window"],
    subjects: Shaped[np.ndarray, " window"],
    *,
    mean: float,
) -> dict[str, Any]:
    """Measure estimates in the target's unit.

    Args:
        true: the numbers.
        estimated: NaN where an answer had none; it counts as the training mean.
        subjects: whose windows.
        mean: of the training windows.

    Returns:
        `mae` and `rmse` (mean over windows), `mae_of_mean` (always saying the training mean),
        `mae_by_subject` (mean over people), `unparsed_rate`, `correlation`.
    """
    unparsed = np.isnan(estimated)
    filled = np.where(unparsed, mean, estimated)
    off = np.abs(filled - true)
    by_subject = [float(off[subjects == who].mean()) for who in np.unique(subjects)]
    varies = np.ptp(filled) > 0 and np.ptp(true) > 0
    return {
        "mae": float(off.mean()),
        "rmse": float(np.sqrt(np.mean(off**2))),
        "mae_of_mean": float(np.abs(mean - true).mean()),
        "mae_by_subject": float(np.mean(by_subject)),
        "unparsed_rate": float(unparsed.mean()),
        "correlation": float(np.corrcoef(filled, true)[0, 1]) if varies else 0.0,
    }
