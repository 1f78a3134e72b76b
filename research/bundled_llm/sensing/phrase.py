"""Templates with alternatives, and the conversations made of them.

`[a|b|]` stands for one of its alternatives, nested as deep as one likes; `{name}` for a value.
"""

import functools
import random
from collections.abc import Callable, Sequence

Conversation = list[dict[str, str]]
Maker = Callable[[random.Random], Conversation]
Part = str | tuple["tuple[Part, ...]", ...]


def say(rng: random.Random, template: str, **values: object) -> str:
    """Fill a template: one alternative of each bracket, then the values.

    >>> say(random.Random(0), "[a|an] {thing}", thing="apple")
    'an apple'
    """
    text = _expand(rng, _parse(template))
    return text.format(**values) if values else text


def sentence(text: str) -> str:
    """Start with a capital; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def ask(question: str, answer: str) -> Conversation:
    """Make a conversation of one question and one answer."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def pick(rng: random.Random, weighted: Sequence[tuple[float, Maker]]) -> Maker:
    """Choose a maker by its weight; the weights need not sum to one."""
    return rng.choices([maker for _, maker in weighted], [weight for weight, _ in weighted])[0]


def _expand(rng: random.Random, parts: "tuple[Part, ...]") -> str:
    return "".join(
        part if isinstance(part, str) else _expand(rng, part[int(rng.random() * len(part))])
        for part in parts
    )


@functools.cache
def _parse(template: str) -> "tuple[Part, ...]":
    """Parse a template into strings and choices; an unclosed bracket is our own mistake."""
    stack: list[list[list[Part]]] = [[[]]]
    for piece in _pieces(template):
        if piece == "[":
            stack.append([[]])
        elif piece == "|" and len(stack) > 1:
            stack[-1].append([])
        elif piece == "]":
            choice = stack.pop()
            stack[-1][-1].append(tuple(tuple(option) for option in choice))
        else:
            stack[-1][-1].append(piece)
    assert len(stack) == 1, f"unclosed bracket in template {template!r}"
    return tuple(stack[0][0])


def _pieces(template: str) -> list[str]:
    for mark in "[|]":
        template = template.replace(mark, f"\0{mark}\0")
    return [piece for piece in template.split("\0") if piece]
