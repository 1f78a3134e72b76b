r"""Write endless short texts about sensing: chat conversations and plain paragraphs.

    for conversation in itertools.islice(conversations(seed=0), 3):
        ...  # [{"role": "user", "content": "Heart rate: 6 2\nHeart rate?"}, ...]

All sentences are our own, all numbers are drawn, and every answer follows from its prompt or from
a fixed table of facts. The same seed gives the same stream.
"""

import random
from collections.abc import Iterator

from research.bundled_llm.sensing import (
    comparing,
    descriptions,
    knowledge,
    labels,
    lists,
    manners,
    numbers,
)
from research.bundled_llm.sensing.phrase import Conversation, say

SYSTEM = (
    "[You are a helpful assistant.|You answer [in few words|briefly].|You are a friendly "
    "assistant.|You read sensor signals.|You answer questions about signals and people.|Answer "
    "the question.|You are a careful assistant who says so when the answer is not known.]"
)
_KINDS = (
    (9, numbers.MAKERS),
    (22, comparing.MAKERS),
    (12, lists.MAKERS),
    (29, labels.MAKERS),
    (11, descriptions.MAKERS),
    (9, knowledge.MAKERS),
    (8, manners.MAKERS),
)
_SYSTEM_SHARE = 0.2
_SPEAKERS = (("Question: ", "Answer: "), ("Q: ", "A: "), ("User: ", "Assistant: "), ("", ""))


def conversations(seed: int) -> Iterator[Conversation]:
    """Yield chat conversations without end: lists of {"role", "content"}.

    Most are 20 to 120 tokens long. A fifth begin with a system message.

    >>> [turn["role"] for turn in next(conversations(2))][-1]
    'assistant'
    """
    rng = random.Random(seed)
    total = sum(weight for weight, _ in _KINDS)
    weighted = [
        (weight / total * share / sum(part for part, _ in makers), maker)
        for weight, makers in _KINDS
        for share, maker in makers
    ]
    makers = [maker for _, maker in weighted]
    shares = [share for share, _ in weighted]
    while True:
        for maker in rng.choices(makers, shares, k=256):
            conversation = maker(rng)
            if conversation[0]["role"] != "system" and rng.random() < _SYSTEM_SHARE:
                system = {"role": "system", "content": say(rng, SYSTEM)}
                conversation = [system, *conversation]
            yield conversation


def paragraphs(seed: int) -> Iterator[str]:
    """Yield plain texts without end: facts, described windows, numbers, questions with answers."""
    rng = random.Random(seed)
    spoken = conversations(rng.randrange(2**32))
    while True:
        kind = rng.random()
        if kind < 0.3:
            yield knowledge.paragraph(rng)
        elif kind < 0.55:
            yield descriptions.paragraph(rng)
        elif kind < 0.8:
            yield number_lines(rng)
        else:
            yield _as_text(rng, next(spoken))


def number_lines(rng: random.Random) -> str:
    """Write several true statements on numbers, in one form: compared, counted on, sorted."""
    spaced = rng.random() < 0.5
    write = numbers.write_number
    form = rng.choices(range(4), (5, 2, 1, 2))[0]
    if form == 0:
        words = rng.choice(("{b} is larger than {a}.", "{a} is smaller than {b}.", "{a} < {b}"))
        pairs = (sorted(numbers.draw_pair(rng), key=float) for _ in range(rng.randint(3, 10)))
        joint = " " if words.endswith(".") else rng.choice((", ", "\n"))
        return joint.join(words.format(a=write(a, spaced), b=write(b, spaced)) for a, b in pairs)
    if form == 1:
        start, step = rng.randrange(90), rng.choice((1, 1, 2, 3, 5, 10))
        row = [start + step * n for n in range(rng.randint(5, 14))]
        return numbers.write_list(rng, row[:: rng.choice((1, 1, -1))], spaced)
    if form == 2:
        values = [numbers.draw_number(rng) for _ in range(rng.randint(3, 8))]
        return "\n".join(f"{write(n, spaced)} {rng.choice(('and again', '='))} {write(n, spaced)}"
                         for n in values)  # fmt: skip
    values = sorted(numbers.draw_numbers(rng, rng.randint(3, 7)), key=float)
    listed = numbers.write_list(rng, values, spaced)
    smallest, largest = write(values[0], spaced), write(values[-1], spaced)
    return f"{listed}. The smallest is {smallest}, the largest is {largest}. The list is rising."


def _as_text(rng: random.Random, conversation: Conversation) -> str:
    """Write a conversation as plain text, with names for the speakers or with none."""
    asker, answerer = rng.choice(_SPEAKERS)
    names = {"user": asker, "assistant": answerer, "system": ""}
    return "\n".join(names[turn["role"]] + turn["content"] for turn in conversation)
