"""Two windows side by side: their labels, and their facts as the adapter scores them."""

import re
from dataclasses import replace

from sensor2llm.signals.questions.forms import Which, choice, read_choice, same
from sensor2llm.signals.questions.readings import INTENSITY
from sensor2llm.tasks.classification import Prediction
from sensor2llm.tasks.dialogue import vocabulary as words
from sensor2llm.tasks.dialogue.answer import Answer
from sensor2llm.tasks.dialogue.fact_questions import FactReading
from sensor2llm.tasks.dialogue.intent import Intent

SHOWN = re.compile(r"first: (.+?), second: (.+?), so ", re.IGNORECASE)
FIRST_MEANT = re.compile(
    r"\b(?:(?:is|are|was|does|do|did|has|have|that|say) the (?:first|former)|"
    r"first (?:one |window )?(?:is|has))\b"
)
"""A yes/no comparison is about the second window unless it begins with the first."""


def compare_labels(
    intent: Intent, first: Prediction, second: Prediction, named: set[str]
) -> Answer:
    """Compare two windows' labels: whether they are the same, or which has one of some labels."""
    pair = (first.label, second.label)
    if named:
        places = [name for name, p in zip(("first", "second"), pair, strict=True) if p in named]
        which = {0: "neither", 1: f"the {places[0]}" if places else "", 2: "both"}[len(places)]
        shares = [sum(p.probabilities[name] for name in named) for p in (first, second)]
        chances = [
            share if p.label in named else 1 - share
            for share, p in zip(shares, (first, second), strict=True)
        ]
        text = f"first: {pair[0]}, second: {pair[1]}, so {which}."
        return Answer(text, chances[0] * chances[1], {}, intent.kind, "scores")
    alike = sum(share * second.probabilities[n] for n, share in first.probabilities.items())
    is_same = pair[0] == pair[1]
    yes = is_same != intent.negated
    chance = alike if is_same else 1 - alike
    both = {"yes": chance, "no": 1 - chance} if yes else {"yes": 1 - chance, "no": chance}
    return Answer(same(*pair, yes), chance, both, intent.kind, "scores")


def compare_readings(first: FactReading, second: FactReading) -> str:
    """Say what two windows show and which has more, or only what they show where that is alike.

    Where the same is said of both, the means over all that could have been said decide.
    """
    sizes = [_size(replace(reading, size=None)) for reading in (first, second)]
    if None in sizes or sizes[0] == sizes[1]:
        sizes = [_size(reading) for reading in (first, second)]
    if None in sizes or sizes[0] == sizes[1]:
        return f"first: {first.text.rstrip('.')}, second: {second.text.rstrip('.')}."
    more: Which = "first" if sizes[0] > sizes[1] else "second"  # type: ignore[operator]
    return choice(first.text, second.text, more)


def turned(text: str, intent: Intent) -> str:
    """Turn `first: …, second: …, so the second` as it was asked for: which has less, yes or no."""
    more, pair = read_choice(text), SHOWN.match(text)
    if more is None:
        return text
    less = bool(words.LESS.search(intent.plain)) and not re.search(r"\bmore\b", intent.plain)
    other: Which = "second" if more == "first" else "first"
    wanted = other if less else more
    if not intent.yes_no:
        return choice(pair[1], pair[2], wanted) if pair else f"the {wanted}."
    yes = wanted == ("first" if FIRST_MEANT.search(intent.plain) else "second")
    return same(pair[1], pair[2], yes) if pair else ("yes." if yes else "no.")


def _size(reading: FactReading) -> float | None:
    """Give a reading as a number, a word of intensity by its rank."""
    if reading.size is not None or reading.value is None:
        return reading.size
    if isinstance(reading.value, str):
        return INTENSITY.size(reading.value) if reading.value in INTENSITY.words else None
    return float(reading.value) if isinstance(reading.value, int | float) else None
