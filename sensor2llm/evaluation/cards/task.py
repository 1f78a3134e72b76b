"""What a card says of questions, captions and numbers."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sensor2llm.adapter.card import people_text
from sensor2llm.artefacts.card import table

TASKS = {
    "question_answering": "Questions",
    "captioning": "Captions",
    "regression": "Numbers",
}
SHARES = {
    "true": "true statements",
    "kinds_true": "mean over the kinds of questions, without those that any window answers",
    "known_wordings_true": "true where training knew the wording",
    "new_wordings_true": "true in wordings that no training has",
    "swapped_true": "true, though another person's window was heard",
    "frequent_true": "true by the most frequent training answer to each question",
    "training_true": "true of captions of training windows in their place",
    "constant_true": "true of the one training caption that is truest of training windows",
    "follows": "answers that change where the truth differs",
    "unparsed": "no answer to the question",
    "refused": "refused of what the sensors cannot tell",
    "wrong_refusals": "refused of what they can tell",
    "reasons_true": "true reasons",
    "reasons_swapped_true": "true reasons, though another person's window was heard",
    "reasons_change": "reasons that are others for another person's window",
}


def read_tasks(place: Callable[[str], Path]) -> dict[str, Mapping[str, Any]]:
    """Read what `evaluate --task` wrote, by task; `place` says where a file of that name lies."""
    paths = {task: place(f"metrics_{task}.json") for task in TASKS}
    return {
        task: json.loads(path.read_text(encoding="utf-8"))
        for task, path in paths.items()
        if path.is_file()
    }


def task_section(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a section shows: command, figures with their controls, questions one by one."""
    rows = [("windows", f"{metrics['windows']} of {people_text(metrics['subjects'])}")]
    if metrics["task"] == "regression":
        rows += _numbers(metrics)
    else:
        shares = ((text, metrics.get(name)) for name, text in SHARES.items())
        rows += [(text, f"{share:.1%}") for text, share in shares if share is not None]
    return {
        "title": TASKS[metrics["task"]],
        "command": metrics["command"],
        "people": f"{metrics['split']} people",
        "rows": rows,
        "questions": question_table(metrics) if metrics.get("by_template") else "",
    }


def question_table(metrics: Mapping[str, Any]) -> str:
    """Write a line a kind of question, with what is reached without listening."""
    head = (
        "question",
        "true",
        "balanced over yes and no",
        "another person's window",
        "most frequent answer",
        "asked",
    )
    lines = [
        (
            name.replace("_", " "),
            f"{scores['true']:.1%}",
            f"{scores['balanced']:.1%}" if "balanced" in scores else "",
            f"{scores['swapped_true']:.1%}",
            f"{scores['frequent_true']:.1%}",
            f"{scores['questions']:,}",
        )
        for name, scores in metrics["by_template"].items()
    ]
    return table(head, lines)


def _numbers(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    unit, rows = metrics["unit"], []
    for way in ("text", "head"):
        errors = metrics[way]
        text = f"{errors['mae']:.3g} {unit} (root mean square {errors['rmse']:.3g})"
        rows.append((f"mean absolute error by {way}", text))
    for way, errors in (metrics.get("swapped") or {}).items():
        text = f"by {way}, though another person's window was heard"
        rows.append((text, f"{errors['mae']:.3g} {unit}"))
    rows.append(("always the training mean", f"{metrics['text']['mae_of_mean']:.3g} {unit}"))
    rows.append(("target", f"`{metrics['target']}`"))
    return rows
