"""Questions that compare two windows, whose facts stand side by side under `second.`.

facts = pair_facts(of_first, of_second)
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sensor2llm.signals.facts.fact import Fact
from sensor2llm.signals.questions.answers import Number, Value
from sensor2llm.signals.questions.forms import Which, read_choice, read_verdict
from sensor2llm.signals.questions.labels import label_of
from sensor2llm.signals.questions.naming import Facts
from sensor2llm.signals.questions.readings import READINGS
from sensor2llm.signals.questions.template import Question, modalities_with
from sensor2llm.signals.questions.yes_no import ClaimTruth

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
    grid: str = "first or second"
    tolerance: str = "both within 10 % of each other"
    compares: bool = False

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Ask where one is clearly larger, at every sensor that both have, and moves at all."""
        sizes = self._sizes(facts)
        larger = {a > b for a, b in sizes}
        clear = all(max(pair) > CLEARLY * min(pair) for pair in sizes)
        still = all(fact.value == "still" for pair in self._shared(facts) for fact in pair)
        return [Question(self.name)] if len(larger) == 1 and clear and not still else []

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

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read which."""
        return read_choice(answer)

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether it is the larger one of some sensor; both are within 10 %."""
        return any(
            value == self._which(pair) or max(pair) <= 1.1 * min(pair)
            for pair in self._sizes(facts)
        )


@dataclass(frozen=True)
class WindowClaim:
    """Claim that one window, the first or the second, has more of a fact than the other."""

    which: WhichWindow
    compares: bool = True

    @property
    def tolerance(self) -> str:
        """When both answers pass."""
        return self.which.tolerance

    def side_by_side(
        self, name: str, facts: Facts, rng: np.random.Generator
    ) -> list[tuple[Question, ...]]:
        """Claim it of both windows, where one clearly has more."""
        both = (Question(name, than="first"), Question(name, than="second"))
        return [both] if self.which.draw(facts, rng) else []

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give none, as `WhichWindow`."""
        return ()

    def holds(self, question: Question, facts: Facts) -> ClaimTruth | None:
        """Compare with the window that has more; where they are about equal, both pass."""
        more = self.which.truth(question, facts)
        if more is None:
            return None
        clear = not all(self.which.accepts(one, question, facts) for one in ("first", "second"))
        return ClaimTruth(question.than == more, clear)


@dataclass(frozen=True, kw_only=True)
class SameLabel:
    """Ask whether two windows have the same label."""

    name: str = "same_label"
    kind: str = "comparison"
    grid: str = "yes, no"
    tolerance: str = "exact"
    compares: bool = False

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Ask of two windows with labels."""
        return [Question(self.name)] if self.truth(Question(self.name), facts) is not None else []

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

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read yes or no."""
        return read_verdict(answer)

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether it is so."""
        return value == self.truth(question, facts)
