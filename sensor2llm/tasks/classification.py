"""Which label a window has, by scoring every label or by reading what the LLM writes.

for prediction in classify(model, windows):
prediction.label, prediction.probabilities[prediction.label], prediction.start_s
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.conversion import convert_windows
from sensor2llm.signals.window import Window
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.batch_split import BatchSplitOnOOM
from sensor2llm.tasks.metrics import Predictions

By = Literal["score", "text"]


@dataclass(frozen=True)
class Prediction:
    """Hold what the model says of one window.

    Args:
        label: the likeliest label's name.
        probabilities: of every label; they sum to one.
        start_s: where the window starts in its recording, in seconds.
        subject: who it is from, where that is known.
    """

    label: str
    probabilities: dict[str, float]
    start_s: float
    subject: str | None = None


@dataclass(frozen=True)
class Answered:
    """Hold labels of many windows as arrays.

    Args:
        predicted: label indexes; -1 where a free answer was no label.
        probabilities: of each label; None for free answers.
        texts: the free answers; None for scores.
    """

    predicted: Int[np.ndarray, " window"]
    probabilities: Float[np.ndarray, "window label"] | None = None
    texts: tuple[str, ...] | None = None

    @property
    def unparsed_rate(self) -> float:
        """Give the share of answers that were no label."""
        return float(np.mean(self.predicted < 0)) if len(self.predicted) else 0.0


def classify(
    model: SensorLanguageModel,
    windows: Sequence[Window],
    *,
    spec: SignalSpec | None = None,
    batch_size: int = 64,
    halving: BatchSplitOnOOM | None = None,
) -> list[Prediction]:
    """Label windows, with the probability of every label.

    Args:
        model: the model.
        windows: their own labels are not looked at.
        spec: what the windows were measured in (a store's `spec`); the adapter's where None. Units
            and rates are converted, of longer windows the centre is heard.
        batch_size: windows a forward.
        halving: of the run that these windows belong to; a new one where None.

    Raises:
        SpecError: a window does not fit its spec, or cannot be brought to the adapter's.
        ConfigError: the device's memory does not suffice for half a batch.
    """
    _check_batch_size(batch_size)
    halving = halving or BatchSplitOnOOM()
    if spec is not None:
        windows = list(convert_windows(windows, spec, model.adapter.spec))
    names, results = model.adapter.label_names, []
    for start in range(0, len(windows), batch_size):
        part = windows[start : start + batch_size]
        unlabelled = [Window(w.signals, w.subject, None, w.start_s) for w in part]
        rows = [row for scores in halving(model.score, unlabelled) for row in scores.tolist()]
        for window, row in zip(part, rows, strict=True):
            best = max(range(len(names)), key=row.__getitem__)
            shares = dict(zip(names, row, strict=True))
            results.append(Prediction(names[best], shares, window.start_s, window.subject))
    return results


def classify_store(
    model: SensorLanguageModel,
    store: Windows,
    indices: Sequence[int] | np.ndarray,
    *,
    by: By = "score",
    batch_size: int = 64,
) -> Answered:
    """Label a store's windows; modalities that the store lacks are missing sensors.

    Args:
        model: the model.
        store: holds the windows; they are brought to the adapter's spec where they are not of it.
        indices: which of its windows.
        by: `score` compares all labels, `text` reads the LLM's own answer.
        batch_size: windows a forward.

    Raises:
        SpecError: the store's windows cannot be brought to the adapter's spec.
        ConfigError: the device's memory does not suffice for half a batch.
    """
    return answer(model, _read(model, store, indices, batch_size), by=by)


def answer(
    model: SensorLanguageModel,
    batches: Iterable[FeatureBatch | SignalBatch],
    *,
    by: By = "score",
    halving: BatchSplitOnOOM | None = None,
) -> Answered:
    """Label batches of windows or of their cached features; see `classify_store`.

    Args:
        model: the model.
        batches: of signals, or of features.
        by: `score` or `text`.
        halving: of the run that these batches belong to; a new one where None.
    """
    work, halving = partial(answer_batch, model, by=by), halving or BatchSplitOnOOM()
    return joined(model, [part for batch in batches for part in halving(work, batch)], by=by)


def answer_batch(
    model: SensorLanguageModel, batch: FeatureBatch | SignalBatch, *, by: By = "score"
) -> Answered:
    """Label one batch in one go."""
    return ANSWERERS[_check_by(by)](model, batch)


def joined(model: SensorLanguageModel, parts: Sequence[Answered], *, by: By = "score") -> Answered:
    """Put the answers of batches one after the other."""
    predicted = np.concatenate([np.zeros(0, np.int64), *(part.predicted for part in parts)])
    if _check_by(by) == "text":
        return Answered(predicted, texts=tuple(text for part in parts for text in part.texts or ()))
    none = np.zeros((0, len(model.adapter.label_names)), np.float32)
    probabilities = (part.probabilities for part in parts if part.probabilities is not None)
    return Answered(predicted, np.concatenate([none, *probabilities]))


def store_batches(
    model: SensorLanguageModel,
    store: Windows,
    indices: Sequence[int] | np.ndarray,
    batch_size: int = 64,
) -> Iterator[FeatureBatch]:
    """Encode a store's windows in order, for scoring or to be cached; labels are the adapter's.

    Raises:
        SpecError: the store's windows cannot be brought to the adapter's spec.
        ConfigError: the device's memory does not suffice for half a batch.
    """
    halving = BatchSplitOnOOM()
    for batch in _read(model, store, indices, batch_size):
        with torch.no_grad():
            encoded = halving(model.features, batch)
        yield from encoded


def predictions(
    model: SensorLanguageModel,
    store: Windows,
    indices: Sequence[int] | np.ndarray,
    *,
    by: By = "score",
    batch_size: int = 64,
) -> Predictions:
    """Label a store's labelled windows and put the truth beside, for the metrics.

    Raises:
        DataError: a window has no label, or one that the adapter does not know.
    """
    rows = np.asarray(indices, dtype=np.int64)
    aligned = AdapterWindows(store, model.adapter)
    store, true = aligned.store, aligned.labels[rows]
    if (true < 0).any():
        raise DataError(
            f"{int((true < 0).sum())} of {len(rows)} windows have no label; leave them out"
        )
    answers = classify_store(model, store, rows, by=by, batch_size=batch_size)
    return Predictions(
        labels=model.adapter.label_names,
        true=true,
        predicted=answers.predicted,
        subjects=np.asarray(store.subjects)[rows],
        probabilities=answers.probabilities,
        index=rows,
        starts=np.asarray(store.starts)[rows],
    )


def parse_label(text: str, answers: Sequence[str]) -> int:
    """Find the label that a free answer is, case and outer punctuation aside; -1 for none."""
    plain = _plain(text)
    return next((i for i, label in enumerate(answers) if _plain(label) == plain), -1)


def _read(
    model: SensorLanguageModel,
    store: Windows,
    indices: Sequence[int] | np.ndarray,
    batch_size: int,
) -> Iterator[SignalBatch]:
    _check_batch_size(batch_size)
    rows = np.asarray(indices, dtype=np.int64)
    return AdapterWindows(store, model.adapter).batches(rows, batch_size)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .,:;!?\"'`*")


def _by_score(model: SensorLanguageModel, batch: FeatureBatch | SignalBatch) -> Answered:
    probabilities = model.score(batch).float().cpu().numpy()
    return Answered(probabilities.argmax(1), probabilities)


def _by_text(model: SensorLanguageModel, batch: FeatureBatch | SignalBatch) -> Answered:
    answers = model.prompting.answer_texts
    # One token more than the longest label, so that an answer that goes on is not taken for one.
    most = int(model.prompting.answers.lengths.max()) + 1
    texts = model.generate(batch, max_new_tokens=most)
    predicted = np.array([parse_label(t, answers) for t in texts], dtype=np.int64)
    return Answered(predicted, texts=tuple(texts))


ANSWERERS: dict[str, Callable[[SensorLanguageModel, FeatureBatch | SignalBatch], Answered]] = {
    "score": _by_score,
    "text": _by_text,
}


def _check_by(by: str) -> str:
    if by not in ANSWERERS:
        raise ConfigError(f"unknown way {by!r} to classify; choose from {', '.join(ANSWERERS)}")
    return by


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, got {batch_size}")
