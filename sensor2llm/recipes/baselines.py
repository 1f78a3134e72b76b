"""What validation macro-F1 is reached without the LLM, beside what the adapter reaches."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import f1_score

from sensor2llm.evaluation.control_probe import probe_features, why_no_probe
from sensor2llm.evaluation.probe import FeatureSet, linear_probe
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.config import ProbeConfig
from sensor2llm.recipes.asking import TaskPart
from sensor2llm.recipes.sources import BatchSource
from sensor2llm.recipes.task import VALIDATION_ROWS, judge_labels, spread_items

PROBE_ROWS = 4096
"""Training windows that the probe learns from."""
TOLERANCE = 0.03


@dataclass(frozen=True, kw_only=True)
class LabelBaselines:
    """Hold validation macro-F1 on the same windows."""

    adapter: float
    majority: float
    """The most frequent training label, always."""
    probe: float | None
    """Logistic regression on what the bridge is given; None without an encoder."""

    @property
    def is_behind(self) -> bool:
        """Say whether the adapter is more than 3 points below the better of the others."""
        return self.adapter < max(self.majority, self.probe or 0.0) - TOLERANCE

    def line(self) -> str:
        """Give the comparison in one line; where the adapter is behind, with what to do."""
        probe = "" if self.probe is None else f", probe without the LLM {self.probe:.3f}"
        line = (
            f"validation macro-F1: adapter {self.adapter:.3f}, majority {self.majority:.3f}{probe}"
        )
        if not self.is_behind:
            return line
        return (
            f"warning: {line}; the adapter has not learnt what its input says: train longer "
            "(--loop.min_steps 400 --loop.patience 0), at another --loop.learning_rate, or on "
            "more people"
        )


def measure_baselines(
    model: SensorLanguageModel, parts: Mapping[str, TaskPart], adapter: float | None
) -> LabelBaselines | None:
    """Judge majority and probe on the windows that the adapter is validated on.

    Args:
        model: whose input the probe gets.
        parts: windows of `train` and `validation`.
        adapter: its validation macro-F1; measured again where None.

    Returns:
        None where training or validation windows have no label.
    """
    sources = {
        name: BatchSource(part.rows, np.flatnonzero(np.asarray(part.rows.labels) >= 0))
        for name, part in parts.items()
    }
    if not all(map(len, sources.values())):
        return None
    if adapter is None:
        adapter = judge_labels(model, sources["validation"])["macro_f1"]
    train = _features(model, sources["train"], PROBE_ROWS)
    validation = _features(model, sources["validation"], VALIDATION_ROWS)
    always = np.full_like(validation.labels, np.bincount(sources["train"].labels).argmax())
    majority = f1_score(validation.labels, always, average="macro", zero_division=0.0)
    probe = None
    if train.features.size and why_no_probe(train.labels, validation.labels) is None:
        classes = len(model.adapter.label_names)
        _, chosen = linear_probe(train, validation, classes, ProbeConfig())
        probe = float(chosen["validation_macro_f1"])
    return LabelBaselines(adapter=adapter, majority=float(majority), probe=probe)


@torch.no_grad()
def _features(model: SensorLanguageModel, source: BatchSource, most: int) -> FeatureSet:
    """Give what the bridge is given of some windows; no columns where there is no encoder."""
    columns, labels = [], []
    for items in spread_items(source, most):
        batch = model.features(source.batch(items).to(model.llm.device))
        features = probe_features(batch)
        columns.append(np.empty((len(items), 0)) if features is None else features)
        labels.append(source.labels[items])
    return FeatureSet(features=np.concatenate(columns), labels=np.concatenate(labels))
