"""Measure every control, and every subset of missing modalities, beside a probe without an LLM.

    real = passes.run_pass("windows as they are")
    probe = fit_probe(passes, real, split)
    dict(run_controls(passes, real, probe))["same_class"]["flip_rate"]
    run_missing(passes, real, probe, subsets)["missing_summary"]

What was done to the signal is in `sensor2llm.evaluation.controls`.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.evaluation.control_probe import ControlProbe, forest_answers, why_no_probe
from sensor2llm.evaluation.controls import (
    DISTORTIONS,
    compare,
    hide_modalities,
    majority,
    other_windows,
    same_class_windows,
)
from sensor2llm.evaluation.missing import missing_summary, subset_key
from sensor2llm.evaluation.passes import EvaluationRunner, PassResult, Rows
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.windows import Windows

logger = logging.getLogger(__name__)
SWAPS = ("another_window", "same_class")
CONTROL_PASSES = len(DISTORTIONS) + len(SWAPS)
"""How often the controls let the LLM answer for all windows."""


def fit_probe(
    passes: EvaluationRunner, real: PassResult, split: Split, *, needed: bool = True
) -> ControlProbe | None:
    """Fit the probe once, on the training people's windows as they are.

    None without an encoder, and where it cannot be fitted but is not `needed`.

    Raises:
        DataError: it is needed, and labels are lacking.
    """
    if real.features is None:
        return None
    train, validation = (passes.windows.labelled(split[part]) for part in ("train", "validation"))
    labels = passes.windows.labels
    if why := why_no_probe(labels[train], labels[validation]):
        if needed:
            raise DataError(why)
        logger.info("nothing is measured without an LLM: %s", why)
        return None
    return ControlProbe.fit(
        passes.encode(train), passes.encode(validation), real.predictions, real.features
    )


def run_silent_controls(
    passes: EvaluationRunner, real: PassResult, probe: ControlProbe | None, split: Split
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure the controls that ask no LLM: the majority, the probe, the forest.

    Raises:
        DataError: there is no labelled training window, or but one label.
    """
    predictions, seed, windows = real.predictions, passes.seed, passes.windows
    train = windows.labelled(split["train"])
    yield "majority", compare(predictions, majority(predictions, windows.labels[train]), seed=seed)
    if probe is not None:
        yield "probe", compare(predictions, probe.real, seed=seed)
    forest = forest_answers(windows, train, passes.rows, predictions, seed)
    yield "simple_features", compare(predictions, forest, seed=seed)


def run_controls(
    passes: EvaluationRunner, real: PassResult, probe: ControlProbe | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Let the LLM answer for the same windows with other signals, or none.

    Returns:
        Each control's name and what `compare` says of it, with `probe_macro_f1` and
        `probe_flip_rate` of the same altered windows.
    """
    for name, distort in DISTORTIONS.items():
        control = passes.run_pass(f"control {name}", distort=distort)
        yield name, _compared(passes, real, control, probe)
    for name in SWAPS:
        partners = _partners(name, passes, real.predictions.true)
        control = passes.run_pass(f"control {name}", heard=passes.rows[partners])
        yield name, _compared(passes, real, control, probe) | _swap_facts(passes, partners)


def run_missing(
    passes: EvaluationRunner,
    real: PassResult,
    probe: ControlProbe | None,
    subsets: Sequence[tuple[str, ...]],
) -> dict[str, Any]:
    """Measure with each subset of the modalities taken away.

    Args:
        passes: how windows are heard.
        real: with nothing taken away.
        probe: fitted on windows with nothing taken away; None for none.
        subsets: what to take away, smaller ones first.

    Returns:
        `missing`, by names joined with a plus, and `missing_summary`.
    """
    names, measured = passes.model.adapter.spec.names, {}
    for gone in subsets:
        key = subset_key(gone)
        distort = hide_modalities([(names.index(name), name) for name in gone])
        result = passes.run_pass(f"without {key}", distort=distort)
        measured[key] = _compared(passes, real, result, probe) | {"taken_away": list(gone)}
    count = len({name for gone in subsets for name in gone})
    reached = None if probe is None else probe.macro_f1
    summary = missing_summary(measured, count=count, probe_macro_f1=reached)
    return {"missing": measured, "missing_summary": summary}


def shared_modalities(model: SensorLanguageModel, store: Windows) -> tuple[str, ...]:
    """Name the modalities that adapter and store both have, in the adapter's order."""
    return tuple(name for name in model.adapter.spec.names if name in store.spec)


def _partners(name: str, passes: EvaluationRunner, labels: Rows) -> Rows:
    if name == "another_window":
        return other_windows(labels, passes.seed)
    subjects = np.asarray(passes.windows.store.subject_ids)[passes.rows]
    return same_class_windows(labels, subjects, passes.seed)


def _swap_facts(passes: EvaluationRunner, partners: Rows) -> dict[str, float]:
    """Say how many signals came from another person, and how many windows kept their own."""
    subjects = np.asarray(passes.windows.store.subject_ids)[passes.rows]
    return {
        "from_another_person": float(np.mean(subjects[partners] != subjects)),
        "unswapped": float(np.mean(partners == np.arange(len(partners)))),
    }


def _compared(
    passes: EvaluationRunner,
    real: PassResult,
    control: PassResult,
    probe: ControlProbe | None = None,
) -> dict[str, Any]:
    measured = passes.facts() | {"windows_per_s": control.windows_per_s}
    compared = compare(real.predictions, control.predictions, seed=passes.seed, **measured)
    return compared if probe is None else compared | probe.on(control.features)
