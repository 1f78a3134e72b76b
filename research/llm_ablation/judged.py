"""Figures of one run, kept so that an interrupted benchmark goes on, and their differences."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from research.llm_ablation.training import Bench
from sensor2llm.tasks.metrics import Predictions, measure, score_confusion, subject_confusions
from sensor2llm.training.record import write_json

DRAWS = 2000
PROBE_PENALTY = 0.1
"""The inverse penalty of logistic regression, fixed as nothing else is chosen on labels either."""


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read a run's figures, or make and keep them."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, make())
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return known


def judge(
    bench: Bench, predicted: Int[np.ndarray, " window"], labels: Sequence[str]
) -> dict[str, Any]:
    """Measure what was said of the judged windows, and keep it for paired differences."""
    found = measure(said_of(bench, predicted, labels))
    return {
        "macro_f1": found.macro_f1,
        "interval": found.interval,
        "windows": found.windows,
        "subjects": found.subjects,
        "predicted": np.asarray(predicted).tolist(),
    }


def said_of(
    bench: Bench, predicted: Int[np.ndarray, " window"] | Sequence[int], labels: Sequence[str]
) -> Predictions:
    """Put what was said beside the truth."""
    return Predictions(
        labels=tuple(labels),
        true=bench.labels(bench.judges),
        predicted=np.asarray(predicted, dtype=np.int64),
        subjects=bench.subjects(bench.judges),
    )


def difference(
    bench: Bench, first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Give the mean difference of macro-F1 of runs that belong in pairs, and its 95 % interval.

    People are drawn again, the same ones in every run, and so are the pairs (word sets, seeds),
    where there are several: what is said holds for other people and other words.
    """
    names = bench.store.label_names
    counts = [
        [subject_confusions(said_of(bench, run["predicted"], names)) for run in pair]
        for pair in zip(first, second, strict=True)
    ]
    each = [_gain(one.sum(0), other.sum(0)) for one, other in counts]
    generator = np.random.default_rng(0)
    people, pairs = len(counts[0][0]), len(counts)
    heads = _drawn(generator, people)
    gains = [
        _gain(np.tensordot(heads, one, axes=1), np.tensordot(heads, other, axes=1))
        for one, other in counts
    ]
    drawn = (_drawn(generator, pairs) / pairs * np.stack(gains, axis=1)).sum(1)
    return {
        "macro_f1": float(np.mean(each)),
        "each": [float(value) for value in each],
        "interval": np.quantile(drawn, (0.025, 0.975)).tolist(),
    }


def _gain(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return score_confusion(first, "macro_f1") - score_confusion(second, "macro_f1")


def _drawn(generator: np.random.Generator, count: int) -> Int[np.ndarray, "draw item"]:
    """Say how often each of so many items is drawn, with replacement, in each draw."""
    return generator.multinomial(count, np.full(count, 1 / count), size=DRAWS)


def without_predictions(result: Any) -> Any:
    """Leave out what only differences need; it would fill the results' file."""
    if isinstance(result, dict):
        return {k: without_predictions(v) for k, v in result.items() if k != "predicted"}
    return [without_predictions(v) for v in result] if isinstance(result, list) else result


def fit_probe(
    features: np.ndarray, labels: Int[np.ndarray, " window"], penalty: float = PROBE_PENALTY
) -> Pipeline:
    """Fit logistic regression to standardised features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=2000))
    return model.fit(features, labels)


def probabilities(probe: Pipeline, features: np.ndarray, count: int) -> np.ndarray:
    """Give the probability of every label; zero for those that the probe never met."""
    found = np.zeros((len(features), count))
    found[:, probe[-1].classes_] = probe.predict_proba(features)
    return found
