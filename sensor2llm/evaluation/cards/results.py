"""What was measured, as the header of a card states it for the hub: its `model-index`."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sensor2llm.adapter.card import datasets_of

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

DIGITS = 4
LABELS = {
    "macro_f1": ("f1", "macro-F1"),
    "balanced_accuracy": ("balanced_accuracy", "balanced accuracy"),
    "accuracy": ("accuracy", "accuracy"),
}
TASKS = {
    "question_answering": ("question-answering", "true answers to questions about windows"),
    "captioning": ("text-generation", "true statements in captions of windows"),
}


def label_results(metrics: Mapping[str, Any], by: str = "") -> "Iterator[EvalResult]":
    """Yield the scores of labels.

    Args:
        metrics: what `evaluate` wrote, or a part of it with these scores and `data`, `split`.
        by: how the labels were found, where another way stands beside it.
    """
    for key, (kind, name) in LABELS.items():
        shown = f"{name}, {by}" if by else name
        yield _result(metrics, ("time-series-classification", ""), kind, shown, metrics[key])


def task_results(metrics: Mapping[str, Any]) -> "Iterator[EvalResult]":
    """Yield what `evaluate --task` wrote: shares of true statements, errors of numbers."""
    if metrics["task"] != "regression":
        kind, name = TASKS[metrics["task"]]
        yield _result(metrics, (kind, metrics["task"]), "accuracy", name, metrics["true"])
        return
    for way in ("text", "head"):
        for kind, name in (("mae", "mean absolute error"), ("rmse", "root mean square error")):
            shown = f"{name} by {way}, {metrics['unit']}"
            task = ("time-series-regression", metrics["target"])
            yield _result(metrics, task, kind, shown, metrics[way][kind])


def _result(
    metrics: Mapping[str, Any], task: tuple[str, str], kind: str, name: str, value: float
) -> "EvalResult":
    from huggingface_hub import EvalResult

    data = metrics.get("data") or {}
    source = data.get("source") or "not stated"
    published = datasets_of(source)
    return EvalResult(
        task_type=task[0],
        task_name=task[1] or None,
        dataset_type=published[0] if len(published) == 1 else data.get("store") or "own",
        dataset_name=source,
        dataset_split=metrics.get("split"),
        metric_type=kind,
        metric_name=name,
        metric_value=round(value, DIGITS),
    )
