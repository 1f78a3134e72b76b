"""How good predictions are, and how sure of that one may be: people are resampled, not windows.

Notation: `label` indexes the label names; a predicted -1 is an answer that could not be read. It
counts as wrong and is a column of its own, the last one, in every confusion matrix.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from sensor2llm.errors import DataError

Score = Literal["macro_f1", "balanced_accuracy", "accuracy"]
SCORES: tuple[Score, ...] = ("macro_f1", "balanced_accuracy", "accuracy")
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Hold what was said of each window, and what is true of it.

    Args:
        labels: the label names, in the order of every `label` axis.
        true: label of each window, never -1.
        predicted: label given to each window; -1 where the answer could not be read.
        subjects: who each window is from.
        probabilities: of each label, rows sum to one; None for answers read from free text.
        index: the window's place in its store.
        starts: where the window starts in its recording, in seconds.
    """

    labels: tuple[str, ...]
    true: Int[np.ndarray, " window"]
    predicted: Int[np.ndarray, " window"]
    subjects: Shaped[np.ndarray, " window"]
    probabilities: Float[np.ndarray, "window label"] | None = None
    index: Int[np.ndarray, " window"] | None = None
    starts: Float[np.ndarray, " window"] | None = None

    def __post_init__(self) -> None:
        """Refuse predictions that no metric can be computed of."""
        if len(self.true) == 0:
            raise DataError("no labelled window to evaluate; choose another --split or store")
        if len(self.predicted) != len(self.true) or len(self.subjects) != len(self.true):
            raise DataError(
                f"{len(self.true)} true labels, {len(self.predicted)} predictions and "
                f"{len(self.subjects)} subjects do not match"
            )

    def take(self, places: Int[np.ndarray, " chosen"]) -> "Predictions":
        """Give those of some of the windows."""
        arrays = {
            name: array[places]
            for name in ("true", "predicted", "subjects", "probabilities", "index", "starts")
            if (array := getattr(self, name)) is not None
        }
        return replace(self, **arrays)


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Hold the numbers of one evaluation; `to_dict` is what `metrics.json` and `--json` give.

    Args:
        macro_f1: mean F1 over the labels that occur as truth or as prediction.
        balanced_accuracy: mean recall over the labels that occur as truth.
        accuracy: share of windows that are right.
        interval: 95 % bootstrap interval of macro-F1 over subjects; None for a single subject.
        unparsed_rate: share of windows whose answer could not be read.
        windows: how many windows.
        subjects: how many people.
        windows_per_s: speed; 0 where it was not measured.
        tokens_per_window: positions that one window takes in the LLM; 0 without an LLM.
        llm_fingerprint: hash of the LLM's tensors; empty without an LLM.
        calibration_error: expected calibration error; None without probabilities.
        brier: multi-class Brier score, 0 (best) to 2; None without probabilities.
        f1_by_label: F1 of each label that occurs.
        f1_by_subject: macro-F1 of each subject.
        confusion: counts, a row a true label, a column a predicted one, unparsed last.
        labels: the label names.
    """

    macro_f1: float
    balanced_accuracy: float
    accuracy: float
    interval: Interval | None
    unparsed_rate: float
    windows: int
    subjects: int
    windows_per_s: float = 0.0
    tokens_per_window: float = 0.0
    llm_fingerprint: str = ""
    calibration_error: float | None = None
    brier: float | None = None
    f1_by_label: dict[str, float] = field(default_factory=dict)
    f1_by_subject: dict[str, float] = field(default_factory=dict)
    confusion: list[list[int]] = field(default_factory=list)
    labels: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain = asdict(self)
        plain["interval"] = None if self.interval is None else list(self.interval)
        plain["labels"] = list(self.labels)
        return plain


def measure(predictions: Predictions, *, seed: int = 0, **measured: Any) -> Metrics:
    """Compute every metric of `predictions`.

    Args:
        predictions: what was said and what is true.
        seed: of the bootstrap.
        **measured: `windows_per_s`, `tokens_per_window`, `llm_fingerprint` where they are known.
    """
    from sklearn.metrics import accuracy_score, f1_score, recall_score  # not to label windows

    p, probabilities = predictions, predictions.probabilities
    occurring = np.union1d(p.true, p.predicted[p.predicted >= 0])
    by_label = f1_score(p.true, p.predicted, labels=occurring, average=None)
    names = [p.labels[i] for i in occurring]
    return Metrics(
        macro_f1=float(np.mean(by_label)),
        balanced_accuracy=float(
            recall_score(p.true, p.predicted, labels=np.unique(p.true), average="macro")
        ),
        accuracy=float(accuracy_score(p.true, p.predicted)),
        interval=bootstrap_interval(p, seed=seed),
        unparsed_rate=float(np.mean(p.predicted < 0)),
        windows=len(p.true),
        subjects=len(np.unique(p.subjects)),
        calibration_error=None if probabilities is None else calibration_error(p),
        brier=None if probabilities is None else brier(p),
        f1_by_label=dict(zip(names, map(float, by_label), strict=True)),
        f1_by_subject=f1_by_subject(p),
        confusion=subject_confusions(p).sum(0).tolist(),
        labels=p.labels,
        **measured,
    )


def subject_confusions(predictions: Predictions) -> Int[np.ndarray, "subject label label_or_none"]:
    """Count true against predicted labels, one matrix a subject (in `np.unique` order)."""
    subjects, who = np.unique(predictions.subjects, return_inverse=True)
    n = len(predictions.labels)
    counts = np.zeros((len(subjects), n, n + 1), dtype=np.int64)
    # A predicted -1 counts in the last column.
    np.add.at(counts, (who, predictions.true, predictions.predicted), 1)
    return counts


def score_confusion(
    confusion: Shaped[np.ndarray, "*batch label label_or_none"], score: Score
) -> Float[np.ndarray, "*batch"]:
    """Compute one score of each confusion matrix of a batch, as scikit-learn does of labels."""
    n = confusion.shape[-2]
    right = np.diagonal(confusion[..., :n], axis1=-2, axis2=-1)
    support, predicted = confusion.sum(-1), confusion.sum(-2)[..., :n]
    if score == "accuracy":
        return np.asarray(right.sum(-1) / np.maximum(support.sum(-1), 1))
    counted = support if score == "balanced_accuracy" else support + predicted
    each = (1 if score == "balanced_accuracy" else 2) * right / np.maximum(counted, 1)
    return np.asarray(each.sum(-1) / np.maximum((counted > 0).sum(-1), 1))


def f1_by_subject(predictions: Predictions) -> dict[str, float]:
    """Return the macro-F1 of each subject over the labels that occur with that subject."""
    values = score_confusion(subject_confusions(predictions), "macro_f1")
    return {str(s): float(v) for s, v in zip(np.unique(predictions.subjects), values, strict=True)}


def bootstrap_interval(
    predictions: Predictions,
    score: Score = "macro_f1",
    *,
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Return the percentile interval of a score when subjects are drawn with replacement.

    Returns:
        (low, high), or None where one subject says nothing about others.
    """
    drawn = _resampled(subject_confusions(predictions), score, draws, seed)
    return None if drawn is None else _percentiles(drawn, level)


def paired_difference(
    first: Predictions,
    second: Predictions,
    score: Score = "macro_f1",
    *,
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, Interval | None]:
    """Return `first` minus `second` and its interval; both are resampled by the same subjects.

    `first` is level with `second` where the interval reaches zero or above.

    Raises:
        DataError: where the two do not judge the same windows.
    """
    same = len(first.true) == len(second.true) and first.labels == second.labels
    if not same or not (
        np.array_equal(first.true, second.true) and np.array_equal(first.subjects, second.subjects)
    ):
        raise DataError("a paired difference needs predictions of the same windows, in one order")
    counts = [subject_confusions(p) for p in (first, second)]
    difference = float(np.subtract(*(score_confusion(c.sum(0), score) for c in counts)))
    drawn = [_resampled(c, score, draws, seed) for c in counts]
    if drawn[0] is None or drawn[1] is None:
        return difference, None
    return difference, _percentiles(drawn[0] - drawn[1], level)


def calibration_error(predictions: Predictions, bins: int = 15) -> float:
    """Return the expected calibration error of the top label, over bins of equal width."""
    share, confidence, accuracy = reliability(predictions, bins)
    return float(np.sum(share * np.abs(confidence - accuracy)))


def reliability(
    predictions: Predictions, bins: int = 15
) -> tuple[Float[np.ndarray, " bin"], Float[np.ndarray, " bin"], Float[np.ndarray, " bin"]]:
    """Return each confidence bin's share of windows, mean confidence and accuracy (0 if empty)."""
    probabilities = _probabilities(predictions)
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == predictions.true
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    divisor = np.maximum(count, 1)
    mean_confidence = np.bincount(bin_of, confidence, minlength=bins) / divisor
    accuracy = np.bincount(bin_of, right, minlength=bins) / divisor
    return count / len(confidence), mean_confidence, accuracy


def brier(predictions: Predictions) -> float:
    """Return the mean squared distance of the probabilities from the truth, 0 to 2."""
    probabilities = _probabilities(predictions)
    truth = np.eye(probabilities.shape[1])[predictions.true]
    return float(np.mean(np.sum((probabilities - truth) ** 2, axis=1)))


def confusion_text(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """Return a confusion matrix as aligned text; rows are the truth, columns the predictions.

    Labels that are nowhere, neither true nor answered, are left out.
    """
    counts = np.asarray(confusion)
    shown = [i for i in range(len(labels)) if counts[i].any() or counts[:, i].any()]
    columns = shown + [len(labels)] * bool(counts[:, len(labels) :].any())
    left = max((len(labels[i]) for i in shown), default=0)
    keys = [f"[{i}]" for i in range(len(labels))] + ["[?]"]
    width = max(5, len(str(counts.max())) + 1)
    head = " " * (left + 5) + "".join(f"{keys[i]:>{width}}" for i in columns)
    rows = [
        f"{labels[i]:<{left}} {keys[i]:>4}" + "".join(f"{c:>{width}}" for c in counts[i, columns])
        for i in shown
    ]
    legend = "rows: truth, columns: answer, [?]: unparsed"
    if len(shown) < len(labels):
        legend += f"; not here: {len(labels) - len(shown)} of {len(labels)} labels"
    return "\n".join([legend, head, *rows])


def _resampled(
    counts: Int[np.ndarray, "subject label label_or_none"], score: Score, draws: int, seed: int
) -> Float[np.ndarray, " draw"] | None:
    subjects = len(counts)
    if subjects < 2:
        return None
    chosen = np.random.default_rng(seed).multinomial(
        subjects, np.full(subjects, 1 / subjects), size=draws
    )
    pooled = np.tensordot(chosen, counts, axes=1)
    return score_confusion(pooled, score)


def _percentiles(values: Float[np.ndarray, " draw"], level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _probabilities(predictions: Predictions) -> Float[np.ndarray, "window label"]:
    if predictions.probabilities is None:
        raise DataError("these predictions have no probabilities; evaluate with --by score")
    return predictions.probabilities
