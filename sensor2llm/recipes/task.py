"""Adapter training as the one loop wants it."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from sensor2llm.adapter import FeatureBatch
from sensor2llm.model import SensorLanguageModel
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.training.loop import Validation

SCORED_AT_ONCE = 128
VALIDATION_ROWS = 2048


class Rows(Protocol):
    """Windows by position: kept features, or signals that still have to be encoded."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Give every row's label."""

    def batch(self, rows: NDArray[np.int64]) -> FeatureBatch | SignalBatch:
        """Read rows."""

    def __len__(self) -> int: ...


class AdapterTask:
    """Train an adapter on labelled windows and validate it by label scoring.

    Args:
        model: adapter and frozen LLM; what takes gradients is trained.
        train: training windows, all labelled.
        validation: windows of the validation people, all labelled.
        batch_size: rows an optimiser step.
        seed: of the order of rows.
    """

    def __init__(
        self, model: SensorLanguageModel, train: Rows, validation: Rows, batch_size: int, seed: int
    ):
        self.module, self.train, self.validation = model, train, validation
        self.batch_size, self.seed = batch_size, seed

    def batches(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Give an epoch's batches: a permutation; the rest that fills no batch is left out."""
        size = min(self.batch_size, len(self.train))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.train))
        return np.split(order[: len(order) // size * size], len(order) // size)

    def collate(self, rows: NDArray[np.int64]) -> FeatureBatch | SignalBatch:
        """Read training rows."""
        return self.train.batch(rows)

    def validate(self) -> Validation | None:
        """Give macro-F1 and the negative log-likelihood of the right label, by label scoring."""
        if not len(self.validation):
            return None
        # An even spread over people and classes where there are more windows than needed.
        count = min(len(self.validation), VALIDATION_ROWS)
        rows = np.linspace(0, len(self.validation) - 1, count).astype(np.int64)
        labels = np.asarray(self.validation.labels)[rows]
        probabilities = np.concatenate(list(self._scores(rows)))
        macro_f1 = f1_score(labels, probabilities.argmax(1), average="macro", zero_division=0.0)
        right = np.maximum(probabilities[np.arange(count), labels], 1e-12)
        figures = {
            "validation_macro_f1": float(macro_f1),
            "validation_loss": float(-np.log(right).mean()),
        }
        return Validation(float(macro_f1), figures)

    def _scores(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        device = self.module.llm.device
        for start in range(0, len(rows), SCORED_AT_ONCE):
            batch = self.validation.batch(rows[start : start + SCORED_AT_ONCE])
            yield self.module.score(batch.to(device)).float().cpu().numpy()

    def prior_batches(self, windows: int = 256) -> Iterator[FeatureBatch | SignalBatch]:
        """Give some training windows to measure the label prior on."""
        rows = np.linspace(0, len(self.train) - 1, min(windows, len(self.train))).astype(np.int64)
        for part in np.array_split(rows, max(1, len(rows) // SCORED_AT_ONCE)):
            yield self.train.batch(part).to(torch.device(self.module.llm.device))
