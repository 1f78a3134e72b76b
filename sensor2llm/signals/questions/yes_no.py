"""Templates whose answer is yes or no, drawn so that both are true about as often."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from sensor2llm.signals.facts.facts import NEAR
from sensor2llm.signals.questions.answers import Number, Value, Words, write_yes_no
from sensor2llm.signals.questions.forms import read_verdict
from sensor2llm.signals.questions.naming import Facts, missing_sensors, sensors_told
from sensor2llm.signals.questions.readings import FactPhrase
from sensor2llm.signals.questions.template import Question, modalities_with


class ClaimTruth(NamedTuple):
    """Say whether a claim holds; where it is not clear, both answers pass."""

    truth: bool
    clear: bool = True


class Claim(Protocol):
    """Say something of a window that holds or does not."""

    @property
    def tolerance(self) -> str:
        """When both answers pass."""

    @property
    def compares(self) -> bool:
        """Whether a question needs `than`."""

    def side_by_side(
        self, name: str, facts: Facts, rng: np.random.Generator
    ) -> list[tuple[Question, ...]]:
        """Give what the template of this name can ask of a window.

        A true and a false claim of each modality stand together, where there are both.
        """

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the keys of the facts that it rests on."""

    def holds(self, question: Question, facts: Facts) -> ClaimTruth | None:
        """Say whether it holds; None where the window cannot tell."""


@dataclass(frozen=True, kw_only=True)
class YesNo:
    """Ask whether a claim holds."""

    name: str
    claim: Claim
    kind: str = "yes_no"
    grid: str = "yes, no"

    @property
    def tolerance(self) -> str:
        """When both answers pass."""
        return self.claim.tolerance

    @property
    def compares(self) -> bool:
        """Whether a question needs `than`."""
        return self.claim.compares

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Give what can be asked of a window: of claims side by side, one at even odds."""
        units = self.side_by_side(facts, rng)
        return [unit[int(rng.integers(len(unit)))] for unit in units]

    def side_by_side(self, facts: Facts, rng: np.random.Generator) -> list[tuple[Question, ...]]:
        """Give a true and a false claim of each modality together, where there are both."""
        return self.claim.side_by_side(self.name, facts, rng)

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the keys of the facts that the answer rests on."""
        return self.claim.keys(question)

    def truth(self, question: Question, facts: Facts) -> bool | None:
        """Give whether the claim holds."""
        held = self.claim.holds(question, facts)
        return None if held is None else held.truth

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Write yes or no."""
        return write_yes_no(value)

    def parse(self, answer: str, names: tuple[str, ...]) -> bool | None:
        """Read yes or no, alone or behind what decides it."""
        return read_verdict(answer)

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether the answer is true; both are where the claim is not clear."""
        held = self.claim.holds(question, facts)
        return held is not None and (value == held.truth or not held.clear)


@dataclass(frozen=True)
class ThresholdClaim:
    """Claim that a reading's number lies above a limit.

    The limits are the next ones of the reading's table below and above the tolerance; a number
    without a limit on either side is not asked for. So the two answers are equally frequent.
    """

    reading: FactPhrase
    compares: bool = True

    @property
    def number(self) -> Number:
        """Give how the reading's numbers are written and judged."""
        assert isinstance(self.reading.answers, Number)
        return self.reading.answers

    @property
    def tolerance(self) -> str:
        """When both answers pass."""
        return f"both where the limit lies within {self.number.tolerance}"

    def side_by_side(
        self, name: str, facts: Facts, rng: np.random.Generator
    ) -> list[tuple[Question, ...]]:
        """Give the next limit below and above, for each modality that has both."""
        pairs: list[tuple[Question, ...]] = []
        for modality in modalities_with(facts, self.reading.name):
            true = self.number.of(facts[f"{modality}.{self.reading.name}"])
            margin = self.number.margin(true)
            below = [limit for limit in self.number.limits if limit < true - margin]
            above = [limit for limit in self.number.limits if limit > true + margin]
            if below and above:
                pairs.append(tuple(Question(name, modality, x) for x in (below[-1], above[0])))
        return pairs

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the reading's key."""
        return self.reading.keys(question)

    def holds(self, question: Question, facts: Facts) -> ClaimTruth | None:
        """Compare with the limit; no steps at all are not above any."""
        fact = self.reading.fact(question, facts)
        if fact is None:
            return None
        true, limit = self.number.of(fact), float(question.than or 0.0)
        return ClaimTruth(true > limit, abs(true - limit) > self.number.margin(true))


@dataclass(frozen=True)
class CategoryClaim:
    """Claim that a reading is a certain word: the true one half of the time."""

    reading: FactPhrase
    tolerance: str = "both where the word is one of two within 10 % of a bound"
    compares: bool = True

    def side_by_side(
        self, name: str, facts: Facts, rng: np.random.Generator
    ) -> list[tuple[Question, ...]]:
        """Give the true word and another one, for each modality."""
        assert isinstance(self.reading.answers, Words)
        pairs: list[tuple[Question, ...]] = []
        for modality in modalities_with(facts, self.reading.name):
            fact = facts[f"{modality}.{self.reading.name}"]
            others = [w for w in self.reading.answers.words if w not in (fact.value, *fact.near)]
            words = (str(fact.value), others[int(rng.integers(len(others)))])
            pairs.append(tuple(Question(name, modality, word) for word in words))
        return pairs

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the reading's key."""
        return self.reading.keys(question)

    def holds(self, question: Question, facts: Facts) -> ClaimTruth | None:
        """Compare with the word."""
        fact = self.reading.fact(question, facts)
        if fact is None:
            return None
        unclear = bool(fact.near) and question.than in (fact.value, *fact.near)
        return ClaimTruth(question.than == fact.value, not unclear)


@dataclass(frozen=True)
class StepsClaim:
    """Claim that there are regular steps."""

    tolerance: str = "exact"
    compares: bool = False

    def side_by_side(
        self, name: str, facts: Facts, rng: np.random.Generator
    ) -> list[tuple[Question, ...]]:
        """Ask every modality that could show steps: a window answers this one way only."""
        return [(Question(name, modality),) for modality in modalities_with(facts, "step_rate")]

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the step rate's key."""
        return (f"{question.modality}.step_rate",)

    def holds(self, question: Question, facts: Facts) -> ClaimTruth | None:
        """Say whether there is a step rate."""
        fact = facts.get(f"{question.modality}.step_rate")
        return None if fact is None else ClaimTruth(fact.value is not None)


@dataclass(frozen=True)
class StrongerMovement:
    """Claim that one accelerometer moves more than another (mean amplitude deviation)."""

    tolerance: str = "both within 10 % of each other"
    compares: bool = True

    def side_by_side(
        self, name: str, facts: Facts, rng: np.random.Generator
    ) -> list[tuple[Question, ...]]:
        """Give two accelerometers in both orders; none where they are about equal."""
        moving = modalities_with(facts, "intensity")
        if len(moving) < 2:
            return []
        first, second = (moving[i] for i in rng.permutation(len(moving))[:2])
        pair = (Question(name, first, second), Question(name, second, first))
        held = self.holds(pair[0], facts)
        return [pair] if held is not None and held.clear else []

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the keys of both intensities."""
        return (f"{question.modality}.intensity", f"{question.than}.intensity")

    def holds(self, question: Question, facts: Facts) -> ClaimTruth | None:
        """Compare the numbers that the intensities were read from."""
        numbers = [facts[key].number for key in self.keys(question) if key in facts]
        if len(numbers) < 2 or numbers[0] is None or numbers[1] is None:
            return None
        first, second = numbers[0], numbers[1]
        return ClaimTruth(first > second, max(first, second) > NEAR * min(first, second))


@dataclass(frozen=True)
class Missing:
    """Claim that a sensor is missing: half of the time of one that is, where one is."""

    tolerance: str = "exact"
    compares: bool = False

    def side_by_side(
        self, name: str, facts: Facts, rng: np.random.Generator
    ) -> list[tuple[Question, ...]]:
        """Give one that is missing and one that is not, where there are both."""
        gone = missing_sensors(facts)
        there = tuple(sensor for sensor in sensors_told(facts) if sensor not in gone)
        chosen = [among[int(rng.integers(len(among)))] for among in (gone, there) if among]
        return [tuple(Question(name, modality) for modality in chosen)]

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the key of what is missing."""
        return ("missing",)

    def holds(self, question: Question, facts: Facts) -> ClaimTruth | None:
        """Look the modality up among the missing ones."""
        return ClaimTruth(question.modality in missing_sensors(facts))
