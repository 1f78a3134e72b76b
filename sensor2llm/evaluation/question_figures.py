"""Figures of answers to questions: how true, whether they hear the signal, kind by kind.

    measured = figures(items, answers, swapped, frequent, differs)
    measured["true"], measured["kinds_true"], measured["by_template"]["label_is"]["balanced"]

`kinds_true` is the mean over templates; those that any window answers (nowhere does the truth
differ between two people's windows) are left out of it and named under `any_window`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from sensor2llm.signals.questions.checking import Verdict
from sensor2llm.signals.questions.forms import read_reasons, read_refusal
from sensor2llm.signals.questions.labels import is_true
from sensor2llm.signals.questions.templates import TEMPLATES
from sensor2llm.tasks.question_answering import Items, judge

Truths = Bool[np.ndarray, " item"]


def figures(
    items: Items,
    answers: Sequence[str],
    swapped: Sequence[str],
    frequent: Sequence[str],
    differs: Truths,
) -> dict[str, Any]:
    """Judge the answers to questions.

    Args:
        items: what was asked.
        answers: with the right windows heard.
        swapped: with another person's heard.
        frequent: the most frequent training answers.
        differs: where the other person's window has clearly another true answer.
    """
    verdicts = judge(items, answers)
    columns = {
        "true": _true(verdicts),
        "swapped_true": _true(judge(items, swapped)),
        "frequent_true": _true(judge(items, frequent)),
        "unparsed": np.array([v == Verdict.UNPARSED for v in verdicts]),
    }
    changed = np.array([a != b for a, b in zip(answers, swapped, strict=True)])
    names = np.array([question.asked.template for question in items.questions])
    by_template = {
        name: _of_template(items, columns, names == name) for name in dict.fromkeys(names.tolist())
    }
    deaf = [name for name in by_template if not differs[names == name].any()]
    return {
        **{name: float(values.mean()) for name, values in columns.items()},
        "follows": float(changed[differs].mean()) if differs.any() else None,
        "differing": int(differs.sum()),
        "questions": len(items),
        "kinds_true": _mean([v["true"] for n, v in by_template.items() if n not in deaf]),
        "any_window": deaf,
        "by_template": by_template,
        **_by_wording(items, columns["true"]),
        **_refusals(items, answers),
        **_reasons(items, answers, swapped),
    }


def _true(verdicts: Sequence[Verdict]) -> Truths:
    return np.array([verdict == Verdict.TRUE for verdict in verdicts])


def _mean(shares: Sequence[float]) -> float | None:
    return float(np.mean(shares)) if len(shares) else None


def _of_template(items: Items, columns: dict[str, Truths], chosen: Truths) -> dict[str, float]:
    """Give one template's shares; of yes/no, the mean of what is right of each."""
    shares: dict[str, float] = {k: float(v[chosen].mean()) for k, v in columns.items()}
    values = [question.value for question in items.questions]
    sides = [np.array([value is side for value in values]) & chosen for side in (True, False)]
    if all(side.any() for side in sides):
        shares["balanced"] = float(np.mean([columns["true"][side].mean() for side in sides]))
    return shares | {"questions": int(chosen.sum())}


def _by_wording(items: Items, true: Truths) -> dict[str, float]:
    """Give the truth in wordings of training and in those held out, where there are both."""
    new = np.array([question.held_out for question in items.questions])
    if not new.any() or new.all():
        return {}
    parts = {"known_wordings_true": ~new, "new_wordings_true": new}
    return {name: float(true[chosen].mean()) for name, chosen in parts.items()}


def _refusals(items: Items, answers: Sequence[str]) -> dict[str, float]:
    """Give how often what cannot be told is refused, and what can be told."""
    beyond = np.array(
        [TEMPLATES[q.asked.template].kind == "unanswerable" for q in items.questions], dtype=bool
    )
    if not beyond.any():
        return {}
    refused = np.array([read_refusal(answer) is not None for answer in answers])
    rest = {"wrong_refusals": float(refused[~beyond].mean())} if not beyond.all() else {}
    return {"refused": float(refused[beyond].mean()), **rest}


def _reasons(items: Items, answers: Sequence[str], swapped: Sequence[str]) -> dict[str, Any]:
    """Give how many reasons are true of the window, and change where another is heard."""
    asked = [i for i, q in enumerate(items.questions) if q.asked.template == "why"]
    if not asked:
        return {}
    own, other = ([_parts(texts[i]) for i in asked] for texts in (answers, swapped))
    return {
        "reasons_true": _share_true(items, asked, own),
        "reasons_swapped_true": _share_true(items, asked, other),
        "reasons_change": float(np.mean([a != b for a, b in zip(own, other, strict=True)])),
    }


def _parts(answer: str) -> tuple[str, ...]:
    read = read_reasons(answer)
    return read[1] if read else ()


def _share_true(
    items: Items, asked: Sequence[int], parts: Sequence[tuple[str, ...]]
) -> float | None:
    return _mean([
        float(is_true(reason, items.facts[i]))
        for i, reasons in zip(asked, parts, strict=True)
        for reason in reasons
    ])  # fmt: skip
