"""Judge an encoder without a language model: probes on its features, and the fine-tuned encoder.

    results = probe(encoder, store, split, normaliser)
    results["linear"].metrics["macro_f1"]

Everything is trained on the training people and chosen on the validation people; only then are the
people of `part` looked at.
"""

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretraining.config import ProbeConfig
from sensor2llm.pretraining.heads import build_head
from sensor2llm.pretraining.run import finetune, labelled, predict, windows
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.transforms import Normaliser
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.loop import StepLoss, Validation, fit
from sensor2llm.training.seeding import seeded

NEIGHBOURS = (1, 5, 15, 45)
RELEASED_BATCH = 8
RELEASED_THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """An encoder's features of some labelled windows, in the windows' order."""

    features: Float[np.ndarray, "window feature"]
    labels: Int[np.ndarray, " window"]


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What one probe reached on the windows it was judged on."""

    metrics: dict[str, float]
    """macro_f1, accuracy, balanced_accuracy and f1_crossl_released."""
    probabilities: Float[np.ndarray, "window label"]
    labels: Int[np.ndarray, " window"]
    rows: Int[np.ndarray, " window"]
    """The windows' rows in the store."""
    chosen: dict[str, Any] = field(default_factory=dict)
    """What the validation people chose, and their macro-F1."""


def probe(
    encoder: SignalEncoder,
    store: Windows,
    split: Split,
    normaliser: Normaliser,
    config: ProbeConfig | None = None,
    part: str = "test",
) -> dict[str, ProbeResult]:
    """Train the probes that the config names and judge them on one part of the split.

    The encoder stays as it is; the finetuned probe works on a copy. `part` is "test" or
    "validation".

    Raises:
        DataError: a part has no labelled window.
    """
    config = config or ProbeConfig()
    rows = {name: labelled(store, split[name]) for name in ("train", "validation", part)}
    parts: dict[str, FeatureSet] = {}
    if set(config.kinds) & set(FIXED_PROBES):
        parts = {
            name: encoder_features(encoder, WindowDataset(store, chosen, normaliser))
            for name, chosen in rows.items()
        }
    labels = np.asarray(store.labels)[rows[part]]
    results: dict[str, ProbeResult] = {}
    for kind in config.kinds:
        if kind in FIXED_PROBES:
            sets = (parts["train"], parts["validation"])
            classify, chosen = FIXED_PROBES[kind](*sets, len(store.label_names), config)
            probabilities = classify(parts[part].features)
        else:
            where = (encoder, store, split, normaliser)
            probabilities, chosen = _finetuned(*where, config, rows[part])
        results[kind] = ProbeResult(
            metrics=probe_metrics(labels, probabilities), probabilities=probabilities,
            labels=labels, rows=rows[part], chosen=chosen,
        )  # fmt: skip
    return results


def probe_metrics(
    labels: Int[np.ndarray, " window"], probabilities: Float[np.ndarray, "window label"]
) -> dict[str, float]:
    """Give macro-F1 first, then accuracies, then the metric of CroSSL's released code."""
    guessed = probabilities.argmax(1)
    return {
        "macro_f1": float(f1_score(labels, guessed, average="macro", zero_division=0.0)),
        "accuracy": float(accuracy_score(labels, guessed)),
        "balanced_accuracy": float(balanced_accuracy_score(labels, guessed)),
        "f1_crossl_released": f1_crossl_released(labels, probabilities),
    }


def f1_crossl_released(
    labels: Int[np.ndarray, " window"], probabilities: Float[np.ndarray, "window label"]
) -> float:
    """Give the "F1" of CroSSL's released code, for comparison with its published numbers only.

    A label counts as predicted where its probability is above 0.5; F1 is micro-averaged within
    batches of 8 in the windows' order, and averaged over batches. It is not macro-F1: on skewed
    data it can be 0.83 where macro-F1 is 0.57.
    """
    predicted = probabilities > RELEASED_THRESHOLD
    true = np.eye(probabilities.shape[1], dtype=bool)[labels]
    starts = np.arange(0, len(labels), RELEASED_BATCH)
    hits = np.add.reduceat((predicted & true).sum(1), starts)
    either = np.add.reduceat(predicted.sum(1) + true.sum(1), starts)
    return float((2 * hits / either).mean())


@torch.no_grad()
def modality_embeddings(
    encoder: SignalEncoder, dataset: WindowDataset
) -> Float[np.ndarray, "window modality width"]:
    """Give every window's modality embeddings; a modality's do not depend on the others."""
    encoder.eval()
    device = next(encoder.parameters()).device
    parts = [
        encoder.pool(encoder.encode_steps(batch)).float().cpu()
        for batch in windows(dataset, device)
    ]
    return torch.cat(parts).numpy()


def encoder_features(encoder: SignalEncoder, dataset: WindowDataset) -> FeatureSet:
    """Give the concatenated modality embeddings of a data set's windows."""
    embeddings = modality_embeddings(encoder, dataset)
    return FeatureSet(features=embeddings.reshape(len(embeddings), -1), labels=dataset.labels)


Classify = Callable[[np.ndarray], np.ndarray]
Fitted = tuple[Classify, dict[str, Any]]


def linear_probe(
    train: FeatureSet, validation: FeatureSet, classes: int, config: ProbeConfig
) -> Fitted:
    """Fit logistic regressions and keep the C with the best macro-F1 on the validation people."""
    models = {c: LogisticRegression(C=c, max_iter=300) for c in config.inverse_penalties}
    return _best_model("C", models, train, validation, classes)


def knn_probe(
    train: FeatureSet, validation: FeatureSet, classes: int, config: ProbeConfig
) -> Fitted:
    """Let the k nearest training windows vote; validation people choose k by macro-F1.

    A k above the number of training windows is left out.
    """
    models = {k: KNeighborsClassifier(k) for k in NEIGHBOURS if k <= len(train.labels)}
    return _best_model("k", models, train, validation, classes)


def _best_model(
    name: str, models: Mapping[Any, Any], train: FeatureSet, validation: FeatureSet, classes: int
) -> Fitted:
    """Fit each model on standardised features; keep the best by the validation's macro-F1."""
    fitted = []
    for value, model in models.items():
        pipeline = make_pipeline(StandardScaler(), model)
        with warnings.catch_warnings():
            # Not converged is a regularisation like another; the validation people judge it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            pipeline.fit(train.features, train.labels)
        score = _macro_f1(validation.labels, pipeline.predict(validation.features))
        fitted.append((score, value, pipeline))
    score, value, best = max(fitted, key=lambda one: one[0])

    def classify(features: np.ndarray) -> np.ndarray:
        probabilities = np.zeros((len(features), classes))
        probabilities[:, best.classes_] = best.predict_proba(features)
        return probabilities

    return classify, {name: value, "validation_macro_f1": score}


def mlp_probe(
    train: FeatureSet, validation: FeatureSet, classes: int, config: ProbeConfig
) -> Fitted:
    """Train the released head on stored features; the validation people choose the epoch."""
    with seeded(config.loop.seed):
        task = _FeatureTask(train, validation, classes, config)
    result = fit(task, config.loop, progress_bar=False)
    return task.classify, {"step": result.best_step, "validation_macro_f1": result.best_score}


FIXED_PROBES = {"linear": linear_probe, "mlp": mlp_probe, "knn": knn_probe}


@dataclass(frozen=True)
class _FeatureBatch:
    features: Tensor
    labels: Tensor

    def to(self, device: torch.device | str) -> "_FeatureBatch":
        return _FeatureBatch(self.features.to(device), self.labels.to(device))


class _FeatureHead(nn.Module):
    """Standardised features into the released head."""

    mean: Tensor
    scale: Tensor

    def __init__(self, train: FeatureSet, classes: int, config: ProbeConfig) -> None:
        super().__init__()
        scaler = StandardScaler().fit(train.features)
        self.register_buffer("mean", torch.as_tensor(scaler.mean_).float())
        self.register_buffer("scale", torch.as_tensor(scaler.scale_).float())
        self.head = build_head(train.features.shape[1], classes, config.head)

    def forward(self, batch: _FeatureBatch, generator: torch.Generator | None = None) -> StepLoss:
        logits = self.logits(batch.features)
        loss = functional.cross_entropy(logits, batch.labels, reduction="sum")
        return StepLoss(loss, float(len(batch.labels)))

    def logits(self, features: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch label"]:
        return self.head((features - self.mean) / self.scale)


class _FeatureTask:
    """Stored features as the training loop wants them."""

    def __init__(
        self, train: FeatureSet, validation: FeatureSet, classes: int, config: ProbeConfig
    ) -> None:
        self.loop: LoopConfig = config.loop
        self.head = _FeatureHead(train, classes, config)
        self.module: nn.Module = self.head
        self.train, self.validation = train, validation

    def batches(self, epoch: int) -> list[np.ndarray]:
        order = np.random.default_rng([self.loop.seed, epoch]).permutation(len(self.train.labels))
        return np.array_split(order, -(-len(order) // self.loop.batch_size))

    def collate(self, rows: np.ndarray) -> _FeatureBatch:
        features = torch.from_numpy(self.train.features[rows])
        return _FeatureBatch(features, torch.from_numpy(self.train.labels[rows]))

    def validate(self) -> Validation:
        guessed = self.classify(self.validation.features).argmax(1)
        return Validation(_macro_f1(self.validation.labels, guessed))

    @torch.no_grad()
    def classify(self, features: np.ndarray) -> np.ndarray:
        self.head.eval()
        device = next(self.head.parameters()).device
        logits = self.head.logits(torch.from_numpy(features).to(device))
        return logits.softmax(-1).cpu().numpy()


def _finetuned(
    encoder: SignalEncoder,
    store: Windows,
    split: Split,
    normaliser: Normaliser,
    config: ProbeConfig,
    rows: np.ndarray,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Fine-tune a copy of the encoder with a plain head and classify `rows`."""
    tuned = finetune(
        copy.deepcopy(encoder), store, split, config.finetune, config.finetune_loop,
        normaliser=normaliser, progress_bar=False,
    )  # fmt: skip
    chosen = {"step": tuned.result.best_step, "validation_macro_f1": tuned.result.best_score}
    return predict(tuned.classifier, WindowDataset(store, rows, normaliser)), chosen


def _macro_f1(labels: np.ndarray, guessed: np.ndarray) -> float:
    return float(f1_score(labels, guessed, average="macro", zero_division=0.0))
