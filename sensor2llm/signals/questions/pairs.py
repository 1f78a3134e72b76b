"""Questions that compare two windows, whose facts stand side by side under `second.`.

facts = pair_facts(of_first, of_second)
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sensor2llm.signals.facts.fact import Fact
from sensor2llm.signals.questions.answers import Number, Value
from sensor2llm.signals.questions.forms import (
    Which,
    choice,
    movement,
    read_choice,
    read_verdict,
    same,
)
from sensor2llm.signals.questions.labels import label_of
from sensor2llm.signals.questions.naming import Facts
from sensor2llm.signals.questions.readings import READINGS
from sensor2llm.signals.questions.template import Question, modalities_with

SECOND = "second."
CLEARLY = 1.25
"""How many times larger a number must be for the question to be asked."""
_NUMBERS = {r.name: r.answers for r in READINGS if isinstance(r.answers, Number)}


def pair_facts(first: Facts, second: Facts) -> Facts:
    """Put the facts of two windows side by side."""
    return {**first, **{f"{SECOND}{key}": fact for key, fact in second.items()}}


def split_pair(facts: Facts) -> tuple[Facts, Facts]:
    """Give the facts of the first and of the second window; the second's are empty where alone."""
    first = {key: fact for key, fact in facts.items() if not key.startswith(SECOND)}
    second = {k.removeprefix(SECOND): f for k, f in facts.items() if k.startswith(SECOND)}
    return first, second


def size_of(fact: Fact) -> float:
    """Give the number by which two windows are compared; no steps at all are 0."""
    return float(fact.number or 0.0) if fact.name == "intensity" else _NUMBERS[fact.name].of(fact)


@dataclass(frozen=True, kw_only=True)
class WhichWindow:
    """Ask which of two windows has more of a fact, at the sensors that both have."""

    name: str
    fact: str
    kind: str = "comparison"
    grid: str = "what both show, and first or second"
    tolerance: str = "both within 10 % of each other"
    compares: bool = False

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Ask where one is clearly larger, at every sensor that both have."""
        sizes = self._sizes(facts)
        larger = {a > b for a, b in sizes}
        clear = all(max(pair) > CLEARLY * min(pair) for pair in sizes)
        return [Question(self.name)] if len(larger) == 1 and clear else []

    def side_by_side(self, facts: Facts, rng: np.random.Generator) -> list[tuple[Question, ...]]:
        """Give what `draw` does."""
        return [(question,) for question in self.draw(facts, rng)]

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give none: it rests on the fact of whichever sensors both have."""
        return ()

    def _shared(self, facts: Facts) -> list[tuple[Fact, Fact]]:
        first, second = split_pair(facts)
        names = [f"{modality}.{self.fact}" for modality in modalities_with(first, self.fact)]
        return [(first[name], second[name]) for name in names if name in second]

    def _sizes(self, facts: Facts) -> list[tuple[float, float]]:
        return [(size_of(a), size_of(b)) for a, b in self._shared(facts)]

    def truth(self, question: Question, facts: Facts) -> Value | None:
        """Give `first` or `second`, by the first sensor that both have."""
        sizes = self._sizes(facts)
        return None if not sizes else self._which(sizes[0])

    def _which(self, sizes: tuple[float, float]) -> Which:
        return "first" if sizes[0] > sizes[1] else "second"

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Write which."""
        return f"the {value}"

    def reply(self, question: Question, facts: Facts, spoken: Mapping[str, str]) -> str:
        """Write both numbers, and which is larger."""
        pair = self._shared(facts)[0]
        texts = [
            movement(fact)
            if self.fact == "intensity"
            else _NUMBERS[self.fact].write(_NUMBERS[self.fact].of(fact))
            for fact in pair
        ]
        return choice(texts[0], texts[1], self._which((size_of(pair[0]), size_of(pair[1]))))

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read which."""
        return read_choice(answer)

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether it is the larger one of some sensor; both are within 10 %."""
        return any(
            value == self._which(pair) or max(pair) <= 1.1 * min(pair)
            for pair in self._sizes(facts)
        )


@dataclass(frozen=True, kw_only=True)
class SameLabel:
    """Ask whether two windows have the same label."""

    name: str = "same_label"
    kind: str = "comparison"
    grid: str = "both labels, and yes or no"
    tolerance: str = "exact"
    compares: bool = False

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Ask of two windows with labels."""
        return [Question(self.name)] if self.truth(Question(self.name), facts) is not None else []

    def side_by_side(self, facts: Facts, rng: np.random.Generator) -> list[tuple[Question, ...]]:
        """Give what `draw` does."""
        return [(question,) for question in self.draw(facts, rng)]

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the label's key."""
        return ("label", f"{SECOND}label")

    def truth(self, question: Question, facts: Facts) -> Value | None:
        """Compare the labels."""
        first, second = map(label_of, split_pair(facts))
        return None if first is None or second is None else first == second

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Write yes or no."""
        return "yes" if value else "no"

    def reply(self, question: Question, facts: Facts, spoken: Mapping[str, str]) -> str:
        """Write both labels, and yes or no."""
        first, second = map(label_of, split_pair(facts))
        return same(str(first), str(second), first == second)

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read yes or no."""
        return read_verdict(answer)

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether it is so."""
        return value == self.truth(question, facts)
