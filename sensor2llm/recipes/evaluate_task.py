"""Measure an adapter on another task than labels, and keep what was found beside it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sensor2llm.adapter.files import find_adapter
from sensor2llm.errors import ConfigError
from sensor2llm.evaluation.cards.adapter import write_card
from sensor2llm.evaluation.evaluation import checked_split, data_facts
from sensor2llm.evaluation.question_evaluation import evaluate_questions
from sensor2llm.evaluation.task_evaluation import evaluate_captions, evaluate_numbers
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.results_folder import results_folder
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.views.conversion import convert_store
from sensor2llm.tasks.config import EvaluationConfig
from sensor2llm.tasks.loading import load_model
from sensor2llm.training.record import write_json


def evaluate_task(config: EvaluationConfig, command: str) -> dict[str, Any]:
    """Measure, write `metrics_TASK.json`, and return the metrics as plain JSON.

    Results of the test people are kept, see `results_folder`; a card there is written again.

    Raises:
        UserError: the adapter, the LLM or the store cannot be used, or the adapter lacks the task.
    """
    if config.controls or config.missing or config.by == "text":
        raise ConfigError(
            f"--task {config.task} has controls of its own; leave out --by, --controls and "
            "--missing"
        )
    folder = find_adapter(config.adapter)
    opened = WindowStore.open(config.data)
    model = load_model(config.adapter, config.llm, llm_accept=config.llm_accept)
    store = convert_store(opened, model.adapter.spec)
    adapter = model.adapter
    split = checked_split(adapter.recipe, store, adapter.taught, f"'{config.adapter}'")
    out = results_folder(config, folder)
    measure = partial(MEASURES[config.task], part=config.split, batch_size=config.batch_size)
    metrics = {
        **measure(model, store, split, seed=config.seed),
        "task": config.task,
        "llm_fingerprint": model.llm.fingerprint(),
        "data": data_facts(store, split),
        "command": command,
        **({"llm_accepted": model.accepted} if model.accepted else {}),
    }
    if out is not None:
        with out.update() as part:
            write_json(part / f"metrics_{config.task}.json", metrics)
            if out.own:
                write_card(out.path, part=part)
    return metrics


TEXTS = {
    "true": "true statements",
    "kinds_true": "mean over the kinds of questions, without those that any window answers",
    "known_wordings_true": "true where training knew the wording",
    "new_wordings_true": "true in wordings that no training has",
    "swapped_true": "true though another person's window was heard",
    "frequent_true": "true by the most frequent training answer",
    "training_true": "true of captions of training windows",
    "constant_true": "true of the one training caption that is truest of training windows",
    "unparsed": "no answer to the question",
    "follows": "answers that change where the truth differs",
    "refused": "refused of what the sensors cannot tell",
    "wrong_refusals": "refused of what they can tell",
    "reasons_true": "true reasons",
    "reasons_swapped_true": "true reasons though another person's window was heard",
    "reasons_change": "reasons that are others for another person's window",
}


def task_text(metrics: Mapping[str, Any]) -> str:
    """Return a task's metrics as text for people."""
    lines = [f"{metrics['windows']} windows of {metrics['subjects']} people ({metrics['split']})"]
    if metrics["task"] == "regression":
        for way in ("text", "head"):
            errors = metrics[way]
            lines.append(
                f"by {way:<6} mean absolute error {errors['mae']:.3g} {metrics['unit']} "
                f"(always the mean: {errors['mae_of_mean']:.3g}), unparsed "
                f"{errors['unparsed_rate']:.1%}"
            )
        for way, errors in (metrics["swapped"] or {}).items():
            off = f"mean absolute error {errors['mae']:.3g} {metrics['unit']}"
            lines.append(f"by {way:<6} {off}, though another person's window was heard")
        return "\n".join(lines)
    lines += [
        f"{metrics[k]:>7.1%}  {text}" for k, text in TEXTS.items() if metrics.get(k) is not None
    ]
    for name, shares in metrics.get("by_template", {}).items():
        balanced = f"balanced {shares['balanced']:.1%}, " if "balanced" in shares else ""
        lines.append(
            f"  {name:<26} {shares['true']:.1%} true of {shares['questions']} ({balanced}"
            f"swapped {shares['swapped_true']:.1%}, most frequent {shares['frequent_true']:.1%})"
        )
    return "\n".join(lines)


def _questions(
    model: SensorLanguageModel, store: Windows, split: Split, **options: Any
) -> dict[str, Any]:
    tasks = model.adapter.recipe.get("tasks") or {}
    mix = tasks.get("question_answering") or {}
    options |= {"templates": mix.get("questions") or None, "hide": float(mix.get("hide", 0.0))}
    conversation = bool(mix.get("conversation", False))
    return evaluate_questions(
        model, store, split, **options, conversation=conversation, progress_bar=True
    )


MEASURES: Mapping[str, Callable[..., dict[str, Any]]] = {
    "question_answering": _questions,
    "captioning": evaluate_captions,
    "regression": evaluate_numbers,
}
