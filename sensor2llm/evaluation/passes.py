"""Answer for the same windows again and again, each time with another change to what is heard.

    passes = EvaluationRunner(model, AdapterWindows(store, model.adapter), rows)
    real = passes.run_pass("as they are")
    zeroed = passes.run_pass("zeroed", distort=zero)
    zeroed.predictions, zeroed.windows_per_s, zeroed.features

Altered windows are encoded once: the LLM and the probe without one judge the same features.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from sensor2llm.evaluation.control_probe import probe_features
from sensor2llm.evaluation.controls import Distortion
from sensor2llm.evaluation.probe import FeatureSet
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.batch_split import BatchSplitOnOOM
from sensor2llm.tasks.classification import Answered, By, answer_batch, joined
from sensor2llm.tasks.metrics import Predictions
from sensor2llm.training.bar import ProgressBar

Rows = Int[np.ndarray, " window"]
Features = Float[np.ndarray, "window feature"]


@dataclass(frozen=True)
class PassResult:
    """Hold what one pass over the windows gave; its speed counts reading and encoding."""

    predictions: Predictions
    windows_per_s: float
    features: Features | None = None
    """What the probe gets of the same windows; None without an encoder or a probe."""

    def take(self, places: Rows) -> "PassResult":
        """Give what was said of some of the windows."""
        features = None if self.features is None else self.features[places]
        return PassResult(self.predictions.take(places), self.windows_per_s, features)


@dataclass
class EvaluationRunner:
    """Let an adapter hear the same windows in many ways.

    Where memory runs out, all later batches are halved, once for all passes.
    """

    model: SensorLanguageModel
    windows: AdapterWindows
    rows: Rows
    """Labelled windows of the store, by which every pass is judged."""
    by: By = "score"
    batch_size: int = 64
    seed: int = 0
    probed: bool = False
    """Also keep the features that the probe gets."""
    total: int | None = None
    """Windows of all passes together, for the bar; None for one pass."""
    bar: ProgressBar = field(default_factory=lambda: ProgressBar(False))
    halving: BatchSplitOnOOM = field(default_factory=BatchSplitOnOOM)
    done: int = 0

    def run_pass(
        self,
        title: str,
        *,
        heard: Rows | None = None,
        distort: Distortion | None = None,
    ) -> PassResult:
        """Answer for the windows, though what is heard may be another's or distorted.

        `heard` are rows whose signals are heard in place of the windows' own; `title` is what the
        bar says meanwhile.

        Raises:
            DataError: there is no window.
            ConfigError: the device's memory does not suffice for half a batch.
        """
        before = time.perf_counter()
        outputs = [
            part
            for batch in self._batches(self.rows if heard is None else heard, distort, title)
            for part in self.halving(self._attend, batch)
        ]
        answers = joined(self.model, [answered for answered, _ in outputs], by=self.by)
        seconds = time.perf_counter() - before
        features = [part for _, part in outputs if part is not None]
        return PassResult(
            self._predictions(answers),
            len(self.rows) / max(seconds, 1e-9),
            np.concatenate(features) if features else None,
        )

    def encode(self, rows: Rows) -> FeatureSet:
        """Give the probe's features of other windows as they are, with their labels."""
        parts = [
            part
            for batch in self.windows.batches(rows, self.batch_size)
            for part in self.halving(self._features, batch)
        ]
        return FeatureSet(features=np.concatenate(parts), labels=self.windows.labels[rows])

    def facts(self) -> dict[str, Any]:
        """Give what metrics say of the LLM: positions a window, fingerprint."""
        tokens = float(self.model.tokens_per_window)
        return {"tokens_per_window": tokens, "llm_fingerprint": self.model.llm.fingerprint()}

    def on_some(self, most: int | None) -> tuple["EvaluationRunner", Rows]:
        """Give a runner that judges at most so many windows, spread evenly, and their places."""
        count = len(self.rows)
        if most is None or count <= most:
            return self, np.arange(count)
        places = np.linspace(0, count - 1, most).astype(np.int64)
        return replace(self, rows=self.rows[places]), places

    def _attend(self, batch: SignalBatch) -> tuple[Answered, Features | None]:
        with torch.no_grad():
            features = self.model.features(batch)
        answered = answer_batch(self.model, features, by=self.by)
        return answered, probe_features(features) if self.probed else None

    @torch.no_grad()
    def _features(self, batch: SignalBatch) -> Features:
        features = probe_features(self.model.features(batch))
        assert features is not None
        return features

    def _batches(self, rows: Rows, distort: Distortion | None, title: str) -> Iterator[SignalBatch]:
        """Read and distort whole batches, so that halves of one do not draw anew."""
        generator = torch.Generator().manual_seed(self.seed)
        for batch in self.windows.batches(rows, self.batch_size):
            self.bar.update(self.done / (self.total or len(rows)), title)
            yield distort(batch, generator) if distort else batch
            self.done += len(batch)

    def _predictions(self, answers: Answered) -> Predictions:
        store, rows = self.windows.store, self.rows
        return Predictions(
            labels=self.model.adapter.label_names,
            true=self.windows.labels[rows],
            predicted=answers.predicted,
            subjects=store.subjects[rows],
            probabilities=answers.probabilities,
            index=rows,
            starts=np.asarray(store.starts)[rows],
        )
