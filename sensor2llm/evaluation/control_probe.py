"""The controls without an LLM: logistic regression on what the bridge is given, and a forest.

    probe = ControlProbe.fit(train, validation, real, features)
    probe.real                          its answers for the windows as they are
    probe.on(altered)                   {"probe_macro_f1": …, "probe_flip_rate": …}
    forest_answers(windows, train, rows, real)     those of a random forest on hand-made features

It is fitted once, on training people's windows as they are. What it then makes of altered windows
stands beside what the LLM makes of the same features: a flip rate says little without the other.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.evaluation.handcrafted_features import handmade_features
from sensor2llm.evaluation.probe import Classify, FeatureSet, linear_probe
from sensor2llm.pretraining.config import ProbeConfig
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.metrics import Predictions, score_confusion, subject_confusions

Rows = Int[np.ndarray, " window"]
QUARTERS = 4
TREES = 300


@dataclass(frozen=True)
class ControlProbe:
    """Hold a fitted probe, and what it says of the evaluated windows as they are."""

    classify: Classify
    real: Predictions

    @classmethod
    def fit(
        cls,
        train: FeatureSet,
        validation: FeatureSet,
        real: Predictions,
        features: Float[np.ndarray, "window feature"],
    ) -> "ControlProbe":
        """Fit on `train`, choosing on `validation`, and answer for the `features` of `real`."""
        classify, _ = linear_probe(train, validation, len(real.labels), ProbeConfig())
        return cls(classify, _answers(classify, real, features))

    @property
    def macro_f1(self) -> float:
        """Give its macro-F1 on the windows as they are."""
        return macro_f1(self.real)

    def take(self, places: Int[np.ndarray, " window"]) -> "ControlProbe":
        """Give it with its answers for some of the windows."""
        return replace(self, real=self.real.take(places))

    def on(self, features: Float[np.ndarray, "window feature"] | None) -> dict[str, float]:
        """Judge it on altered windows: macro-F1, and the share of its answers that changed."""
        if features is None:
            return {}
        altered = _answers(self.classify, self.real, features)
        changed = altered.predicted != self.real.predicted
        return {"probe_macro_f1": macro_f1(altered), "probe_flip_rate": float(np.mean(changed))}


def probe_features(batch: FeatureBatch) -> Float[np.ndarray, "batch feature"] | None:
    """Average the steps that the bridge gets to four a modality: order in time is kept.

    None where no encoder heard the windows.
    """
    if batch.steps is None:
        return None
    quarters = [
        part.mean(2) for part in batch.steps.float().tensor_split(QUARTERS, dim=2) if part.numel()
    ]
    return torch.stack(quarters, 2).flatten(1).cpu().numpy()


def why_no_probe(
    train: Int[np.ndarray, " window"], validation: Int[np.ndarray, " window"]
) -> str | None:
    """Say why no probe can be fitted with these labels; None where one can."""
    if not len(train) or not len(validation):
        return "the probe control needs labelled training and validation windows"
    if len(np.unique(train)) < 2:
        return "the probe control needs training windows of at least two labels"
    return None


def forest_answers(
    windows: AdapterWindows, train: Rows, rows: Rows, real: Predictions, seed: int = 0
) -> Predictions:
    """Answer the windows of `real` by a random forest on hand-made features, no encoder.

    Args:
        windows: of the evaluated store, as the adapter hears them.
        train: labelled rows of the store to learn from.
        rows: of the store, to answer.
        real: what the adapter says of `rows`.
        seed: of the forest's draws.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(n_estimators=TREES, random_state=seed)
    forest.fit(handmade_features(windows.store, train).values, windows.labels[train])
    probabilities = np.zeros((len(rows), len(real.labels)))
    answers = forest.predict_proba(handmade_features(windows.store, rows).values)
    probabilities[:, forest.classes_] = answers
    return replace(real, predicted=probabilities.argmax(1), probabilities=probabilities)


def macro_f1(predictions: Predictions) -> float:
    """Give macro-F1 over the labels that occur, as `measure` does, without its bootstrap."""
    return float(score_confusion(subject_confusions(predictions).sum(0), "macro_f1"))


def _answers(
    classify: Classify, real: Predictions, features: Float[np.ndarray, "window feature"]
) -> Predictions:
    probabilities = classify(features)
    return replace(real, predicted=probabilities.argmax(1), probabilities=probabilities)
