"""Templates that ask for a fact itself: a number, a word, an axis."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from sensor2llm.signals.facts.fact import Fact, written
from sensor2llm.signals.questions.answers import (
    Axes,
    Number,
    Value,
    WindowAnswers,
    Words,
    first_number,
)
from sensor2llm.signals.questions.naming import Facts
from sensor2llm.signals.questions.template import Question, is_clear, modalities_with

STEPS = Number(
    unit="steps a second",
    steps=((0.0, 0.1),),
    within=0.1,
    within_share=0.1,
    spellings={
        "steps per second": 1.0, "steps/s": 1.0, "hz": 1.0,
        "steps a minute": 1 / 60, "steps per minute": 1 / 60, "steps/min": 1 / 60,
    },
    nothing=("no regular steps", "no steps", "no clear steps"),
    limits=(1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0),
)  # fmt: skip
BEATS = Number(
    unit="bpm",
    steps=((0.0, 2.0),),
    within=5.0,
    spellings={
        "beats a minute": 1.0, "beats per minute": 1.0, "beats/min": 1.0,
        "times a minute": 1.0, "times per minute": 1.0,
    },
    limits=tuple(float(limit) for limit in range(40, 201, 10)),
)  # fmt: skip
FREQUENCY = Number(
    unit="Hz",
    steps=((0.0, 0.1), (5.0, 0.5), (20.0, 1.0)),
    within=0.25,
    within_share=0.1,
    spellings={"hertz": 1.0, "times a second": 1.0, "times per second": 1.0},
    limits=(0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0),
)
RMSSD = Number(
    unit="ms",
    steps=((0.0, 2.0), (20.0, 5.0), (100.0, 10.0)),
    within=5.0,
    within_share=0.2,
    spellings={"milliseconds": 1.0, "millisecond": 1.0},
    limits=(5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0),
)
IRREGULARITY = Number(
    unit="%",
    steps=((0.0, 1.0), (20.0, 5.0)),
    within=2.0,
    within_share=0.2,
    scale=100.0,
    spellings={"percent": 1.0, "per cent": 1.0},
    limits=(2.0, 5.0, 10.0, 20.0, 40.0, 80.0),
)
INTENSITY = Words(
    ordered=True,
    words={
        "still": ("hardly any", "almost no", "very little", "no movement"),
        "light": ("slight", "weak"),
        "moderate": (),
        "vigorous": ("very strong",),
    },
)
TREND = Words(
    words={
        "rising": ("rises", "increasing", "increases", "going up", "goes up"),
        "falling": ("falls", "decreasing", "decreases", "going down", "goes down"),
        "steady": ("stays the same", "stays about the same", "constant", "stable"),
    }
)


@dataclass(frozen=True, kw_only=True)
class FactPhrase:
    """Ask for one fact of one modality."""

    name: str
    answers: WindowAnswers
    compares: bool = False
    kind: str = "fact"

    @property
    def grid(self) -> str:
        """How an answer is rounded, or its words."""
        return self.answers.grid

    @property
    def tolerance(self) -> str:
        """How far a true answer may lie from the fact."""
        return self.answers.tolerance

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Ask every modality that has the fact."""
        return [Question(self.name, modality) for modality in modalities_with(facts, self.name)]

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the fact's key."""
        return (f"{question.modality}.{self.name}",)

    def truth(self, question: Question, facts: Facts) -> Value | None:
        """Give the fact's value, not rounded; None where the modality lacks the fact."""
        fact = self.fact(question, facts)
        return None if fact is None or not is_clear(fact) else self.answers.of(fact)

    def fact(self, question: Question, facts: Facts) -> Fact | None:
        """Give the fact that is asked for."""
        return facts.get(f"{question.modality}.{self.name}")

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Write an answer."""
        return self.answers.write(value)

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read an answer."""
        return self.answers.parse(answer)

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether the modality has the fact and the value agrees with it."""
        fact = self.fact(question, facts)
        return fact is not None and self.answers.agrees(value, fact)


@dataclass(frozen=True, kw_only=True)
class RowValue:
    """Ask for one value of a row of values; `than` is its name in words."""

    name: str = "value"
    kind: str = "fact"
    grid: str = "three digits, with the unit"
    tolerance: str = "± 5 % of it"
    compares: bool = True

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Ask for every value of every row."""
        rows = [fact for fact in facts.values() if fact.name == self.name and fact.channels]
        return [Question(self.name, f.modality, words) for f in rows for words in row_values(f)]

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the row's key."""
        return (f"{question.modality}.{self.name}",)

    def truth(self, question: Question, facts: Facts) -> Value | None:
        """Give the value; None where the row is missing."""
        fact = facts.get(f"{question.modality}.{self.name}")
        return None if fact is None else row_values(fact)[str(question.than)][0]

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Write the number."""
        return written(float(value))  # type: ignore[arg-type]

    def reply(self, question: Question, facts: Facts, spoken: Mapping[str, str]) -> str:
        """Write the number with its unit."""
        number, unit = row_values(facts[f"{question.modality}.{self.name}"])[str(question.than)]
        return f"{written(number)} {unit}".strip()

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read the number that comes first."""
        return first_number(answer)

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether it is the value, within 5 %."""
        true = self.truth(question, facts)
        return true is not None and abs(float(value) - true) <= 0.05 * abs(true) + 1e-9  # type: ignore[arg-type, operator]


def row_values(fact: Fact) -> dict[str, tuple[float, str]]:
    """Give a row's values and units by their names in words."""
    numbers = cast(tuple[float, ...], fact.value)
    return {
        name.replace("_", " "): (float(number), unit)
        for (name, unit), number in zip(fact.channels, numbers, strict=True)
    }


READINGS = (
    FactPhrase(name="intensity", answers=INTENSITY),
    FactPhrase(name="step_rate", answers=STEPS),
    FactPhrase(name="heart_rate", answers=BEATS),
    FactPhrase(name="trend", answers=TREND),
    FactPhrase(name="dominant_frequency", answers=FREQUENCY),
    FactPhrase(name="orientation", answers=Axes()),
    FactPhrase(name="rmssd", answers=RMSSD),
    FactPhrase(name="irregularity", answers=IRREGULARITY),
)
