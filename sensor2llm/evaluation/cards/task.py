"""What a card says of questions, captions and numbers."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
OVER_KINDS = ("true", "swapped_true", "frequent_true")
ANY_WINDOW = 0.85
"""A kind of question says nothing of listening where another person's window gives so large a share
of true answers. A kind that is merely answered badly stays."""


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
    """Write a line a kind of question, with what is reached without listening.

    The last lines are means over questions and over kinds. Kinds that any window answers are named
    below and enter neither.
    """
    kinds = metrics["by_template"]
    any_window = {name: scores for name, scores in kinds.items() if _is_any_windows(scores)}
    listened = {name: scores for name, scores in kinds.items() if name not in any_window}
    by_answer = any("balanced" in scores for scores in listened.values())
    head = ["question", "true", "another person's window", "most frequent answer", "asked"]
    rows = [(_spoken(name), scores, scores["questions"]) for name, scores in listened.items()]
    if listened:
        counts = [scores["questions"] for scores in listened.values()]
        for title, weights in (("questions", counts), ("kinds", None)):
            means = {
                key: np.average([one[key] for one in listened.values()], weights=weights)
                for key in OVER_KINDS
            }
            rows.append((f"mean over {title}", means, sum(counts)))
    lines = [[name, *_shares(scores), f"{count:,}"] for name, scores, count in rows]
    if by_answer:
        head.insert(2, "balanced over yes and no")
        for line, (_, scores, _) in zip(lines, rows, strict=True):
            line.insert(2, f"{scores['balanced']:.1%}" if "balanced" in scores else "")
    return "\n\n".join([table(head, lines), *_left_out(any_window)])


def _is_any_windows(scores: Mapping[str, Any]) -> bool:
    return bool(scores["swapped_true"] >= ANY_WINDOW)


def _shares(scores: Mapping[str, Any]) -> list[str]:
    return [f"{scores[key]:.1%}" for key in OVER_KINDS]


def _left_out(kinds: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Name the kinds that any window answers; nothing where there is none."""
    if not kinds:
        return []
    named = ", ".join(
        f"{_spoken(name)} ({scores['true']:.1%} and {scores['swapped_true']:.1%} of "
        f"{scores['questions']:,})"
        for name, scores in kinds.items()
    )
    return [
        f"Left out, as any window answers them (true, and with another person's window): {named}."
    ]


def _spoken(name: str) -> str:
    return name.replace("_", " ")


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
