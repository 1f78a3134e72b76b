"""The forms of answers in a conversation, those that an adapter learns and those of the chat.

    verdict("1.9 steps a second", True)       '1.9 steps a second, so yes.'
    choice("310 mg", "42 mg", "first")        'first: 310 mg, second: 42 mg, so the first.'
    same("walking", "sitting", False)         'first: walking, second: sitting, so no.'
    reasons("walking", ["light movement"])    'walking: light movement.'
    refusal("the age")                        'These sensors cannot tell the age.'

An adapter learns the bare verdict (yes, the first). The chat writes what decides a verdict before
it, since it reads the verdict off.
Each form has a reader, which gives None for anything else.
"""

import re
from collections.abc import Sequence
from typing import Literal

from sensor2llm.signals.questions.answers import parse_yes_no, tidy, write_yes_no

Which = Literal["first", "second"]
_PAIR = re.compile(r"first: (.+?), second: (.+?), so (?:the )?(first|second|yes|no)")
_VERDICT = re.compile(r".+, so (yes|no)")
_REFUSAL = re.compile(r"these sensors cannot tell (.+)")


def verdict(evidence: str, holds: bool) -> str:
    """Write what decides a yes/no question, and yes or no."""
    return f"{evidence}, so {write_yes_no(holds)}."


def read_verdict(answer: str) -> bool | None:
    """Read yes or no behind its evidence, or alone."""
    text = tidy(answer)
    match = _PAIR.fullmatch(text)
    if match:
        return {"yes": True, "no": False}.get(match[3])
    match = _VERDICT.fullmatch(text)
    return match[1] == "yes" if match else parse_yes_no(answer)


def choice(first: str, second: str, which: Which) -> str:
    """Write what two windows show, and which of them it is."""
    return f"first: {first}, second: {second}, so the {which}."


def read_choice(answer: str) -> Which | None:
    """Read which window an answer names: behind what both show, or alone."""
    text = tidy(answer)
    match = _PAIR.fullmatch(text) or re.fullmatch(r"()()(?:the )?(first|second)(?: one)?", text)
    return match[3] if match and match[3] in ("first", "second") else None  # type: ignore[return-value]


def same(first: str, second: str, holds: bool) -> str:
    """Write what two windows show, and whether it is the same."""
    return f"first: {first}, second: {second}, so {write_yes_no(holds)}."


def reasons(label: str, parts: Sequence[str]) -> str:
    """Write a label and what was measured."""
    return f"{label}: {', '.join(parts)}."


def read_reasons(answer: str) -> tuple[str, tuple[str, ...]] | None:
    """Read the label and its reasons."""
    label, colon, rest = tidy(answer).partition(": ")
    return (label, tuple(rest.split(", "))) if colon and rest else None


def refusal(topic: str) -> str:
    """Write what cannot be told."""
    return f"These sensors cannot tell {topic}."


def read_refusal(answer: str) -> str | None:
    """Read what an answer says that cannot be told."""
    match = _REFUSAL.fullmatch(tidy(answer))
    return match[1] if match else None
