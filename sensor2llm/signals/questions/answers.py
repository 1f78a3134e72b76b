"""What an answer says: written from a fact, read from a text, judged within a tolerance.

`parse` is for the answer to a question: it takes one number or one word from a short sentence.
`read` is for a part of a caption, where only the exact form counts. Both give None for what is not
such an answer.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sensor2llm.signals.facts.facts import Fact

Value = float | str | bool | tuple[str, ...]

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")
_NEGATION = re.compile(r"\b(?:not|never|neither|nor)\b|n't\b")


class WindowAnswers(Protocol):
    """Write, read and judge the answers of one kind."""

    @property
    def grid(self) -> str:
        """How an answer is rounded, or its words."""

    @property
    def tolerance(self) -> str:
        """How far a true answer may lie from the fact."""

    def of(self, fact: Fact) -> Value:
        """Give the value of a fact, not rounded."""

    def write(self, value: Value) -> str:
        """Write the answer in few tokens."""

    def parse(self, answer: str) -> Value | None:
        """Read an answer in its usual wordings."""

    def read(self, answer: str) -> Value | None:
        """Read the exact form alone."""

    def agrees(self, value: Value, fact: Fact) -> bool:
        """Say whether the value is true of the fact."""

    def fits(self, value: Value, true: Value) -> bool:
        """Say whether a value passes where another one is true."""

    def choices(self, channels: Sequence[str]) -> Sequence[Value]:
        """Give what can be answered, of a sensor with these channels."""

    def size(self, value: Value) -> float | None:
        """Give a size to compare two values by; None where there is none."""


def tidy(answer: str) -> str:
    """Give the text in lower case, with single spaces, without brackets or marks at its end."""
    text = re.sub(r"\([^)]*\)", " ", answer.casefold())
    return " ".join(text.split()).rstrip(" .!;,")


@dataclass(frozen=True, kw_only=True)
class Number:
    """Answers that are a number with a unit; `nothing` is what stands for the number 0."""

    unit: str
    steps: tuple[tuple[float, float], ...]
    """(from, step): a number is rounded to the step of the last `from` that it reaches."""
    within: float
    """Tolerance in the unit; the larger of the two tolerances holds."""
    within_share: float = 0.0
    """Tolerance as a share of the true number."""
    scale: float = 1.0
    """Times the fact's value."""
    spellings: Mapping[str, float] = field(default_factory=dict)
    """Other units -> factor to `unit`."""
    nothing: tuple[str, ...] = ()
    limits: tuple[float, ...] = ()
    """Limits that yes/no questions compare with; answers lie from half of the first to a third more
    than the last."""

    @property
    def grid(self) -> str:
        """How an answer is rounded."""
        first, *more = self.steps
        later = "".join(f", {step:g} from {start:g} {self.unit}" for start, step in more)
        words = f", or {self.nothing[0]!r}" if self.nothing else ""
        return f"{first[1]:g} {self.unit}{later}{words}"

    @property
    def tolerance(self) -> str:
        """How far a true answer may lie from the fact."""
        share = f" or {100 * self.within_share:g} % of it" if self.within_share else ""
        return f"± {self.within:g} {self.unit}{share}"

    def margin(self, true: float) -> float:
        """Give the tolerance at a true number, in the unit."""
        return max(self.within, self.within_share * abs(true))

    def of(self, fact: Fact) -> float:
        """Give the fact's number in the unit; 0 where the thing is not there."""
        return 0.0 if fact.value is None else self.scale * float(fact.value)  # type: ignore[arg-type]

    def write(self, value: Value) -> str:
        """Write the number on the grid; what is there is at least one step."""
        number = float(value)  # type: ignore[arg-type]
        if self.nothing and not number:
            return self.nothing[0]
        step = [step for start, step in self.steps if number >= start][-1]
        return f"{max(round(number / step), number > 0) * step:g} {self.unit}"

    def parse(self, answer: str) -> float | None:
        """Read the one number of a text; without a unit it is in ours, in a foreign one it is none.

        >>> beats = Number(
        ...     unit="bpm", steps=((0, 1),), within=3, spellings={"beats per minute": 1}
        ... )
        >>> beats.parse("The heart rate is about 72 beats per minute.")
        72.0
        """
        text = tidy(answer)
        numbers = list(_NUMBER.finditer(text))
        if not numbers:
            return 0.0 if any(words in text for words in self.nothing) else None
        if len(numbers) > 1 or _NEGATION.search(text):
            return None
        rest = text[numbers[0].end() :].strip()
        factor = self._factor(rest) if rest else 1.0
        return None if factor is None else float(numbers[0][0]) * factor

    def _factor(self, rest: str) -> float | None:
        units = {self.unit: 1.0, **self.spellings}
        for unit in sorted(units, key=len, reverse=True):
            if re.match(rf"{re.escape(unit.casefold())}(?![\w/])", rest):
                return units[unit]
        return None

    def read(self, answer: str) -> float | None:
        """Read a number and our unit, and nothing else."""
        answer = answer.casefold()
        if answer in self.nothing:
            return 0.0
        match = re.fullmatch(rf"({_NUMBER.pattern}) {re.escape(self.unit.casefold())}", answer)
        return float(match[1]) if match else None

    def agrees(self, value: Value, fact: Fact) -> bool:
        """Say whether the number lies within the tolerance of the fact's."""
        return self.fits(value, self.of(fact))

    def fits(self, value: Value, true: Value) -> bool:
        """Say whether a number lies within the tolerance; 'nothing' is true of nothing only."""
        if self.nothing and not (true and value):
            return value == true
        number, middle = float(value), float(true)  # type: ignore[arg-type]
        return abs(number - middle) <= self.margin(middle) + 1e-9

    def choices(self, channels: Sequence[str]) -> Sequence[Value]:
        """Give the numbers of the grid, with 0 where that has words."""
        number, numbers = self.limits[0] / 2, [0.0] * bool(self.nothing)
        while number <= self.limits[-1] * 4 / 3:
            step = [step for start, step in self.steps if number >= start][-1]
            number = round(round(number / step) * step, 6)
            numbers.append(number)
            number += step
        return numbers

    def size(self, value: Value) -> float | None:
        """Give the number."""
        return float(value)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Words:
    """Answers that are one of a few words; `words` gives the wordings that stand for each."""

    words: Mapping[str, tuple[str, ...]]
    ordered: bool = False
    """Whether they go from little to much."""

    @property
    def grid(self) -> str:
        """The words."""
        return ", ".join(self.words)

    @property
    def tolerance(self) -> str:
        """When another word is true as well."""
        return "exact; both words within 10 % of a bound"

    def of(self, fact: Fact) -> str:
        """Give the fact's word."""
        return str(fact.value)

    def write(self, value: Value) -> str:
        """Give the word."""
        return str(value)

    def parse(self, answer: str) -> str | None:
        """Find the one word that a text says; None where it says two, or negates."""
        text = tidy(answer)
        if _NEGATION.search(text):
            return None
        matches = [word for word, others in self.words.items() if _says(text, (word, *others))]
        return matches[0] if len(matches) == 1 else None

    def read(self, answer: str) -> str | None:
        """Read a word or one of its wordings, and nothing else."""
        matches = [word for word, others in self.words.items() if answer in (word, *others)]
        return matches[0] if matches else None

    def agrees(self, value: Value, fact: Fact) -> bool:
        """Say whether it is the fact's word, or one that is near (`Fact.near`)."""
        return value in (fact.value, *fact.near)

    def fits(self, value: Value, true: Value) -> bool:
        """Say whether it is the word."""
        return value == true

    def choices(self, channels: Sequence[str]) -> Sequence[Value]:
        """Give the words."""
        return tuple(self.words)

    def size(self, value: Value) -> float | None:
        """Give the word's place among words that go from little to much."""
        return float(list(self.words).index(str(value))) if self.ordered else None


def _says(text: str, wordings: tuple[str, ...]) -> bool:
    return any(re.search(rf"\b{re.escape(words)}\b", text) for words in wordings)


@dataclass(frozen=True)
class Axes:
    """Answers that are a channel with its sign: `+x`. The sensor's own name is left out."""

    grid: str = "sign and axis, `+x`"
    tolerance: str = "exact; both axes within 10 % of each other"

    def of(self, fact: Fact) -> str:
        """Give sign and axis: `-watch_accel_y` of `watch_accel` is `-y`."""
        return _axis(str(fact.value), fact.modality)

    def write(self, value: Value) -> str:
        """Give the axis."""
        return str(value)

    def parse(self, answer: str) -> str | None:
        """Find the one axis with a sign (`+x`, `minus y`) in a text."""
        text = re.sub(r"\b(plus|minus) ", lambda m: "+" if m[1] == "plus" else "-", tidy(answer))
        matches = re.findall(r"(?<![\w-])[+-] ?(\w[\w-]*)", text)
        if len(matches) != 1 or _NEGATION.search(text):
            return None
        return ("-" if re.search(r"(?<![\w-])- ?\w", text) else "+") + str(matches[0])

    def read(self, answer: str) -> str | None:
        """Read sign and axis, and nothing else."""
        return answer if re.fullmatch(r"[+-]\w[\w-]*", answer) else None

    def agrees(self, value: Value, fact: Fact) -> bool:
        """Say whether it is the axis of gravity, or one that is near (`Fact.near`)."""
        axes = (str(fact.value), *fact.near)
        return value in [_axis(axis, fact.modality) for axis in axes]

    def fits(self, value: Value, true: Value) -> bool:
        """Say whether it is the axis."""
        return value == true

    def choices(self, channels: Sequence[str]) -> Sequence[Value]:
        """Give both signs of each channel."""
        return tuple(_axis(sign + name, "") for name in channels for sign in "+-")

    def size(self, value: Value) -> float | None:
        """Give none: axes have no order."""
        return None


def _axis(signed: str, modality: str) -> str:
    name = signed[1:].removeprefix(f"{modality}_")
    return signed[0] + "-".join(re.findall(r"\w+", name.replace("_", " "))).casefold()


def first_number(answer: str) -> float | None:
    """Read the number that comes first in a text; its thousands may have commas."""
    match = _NUMBER.search(re.sub(r"(?<=\d),(?=\d{3})", "", answer))
    return float(match[0]) if match else None


def parse_yes_no(answer: str) -> bool | None:
    """Read an answer that starts with yes or no, and does not go on with the other."""
    text = tidy(answer)
    match = re.match(r"(yes|no)\b", text)
    if match is None or re.search(r"\bno\b" if match[1] == "yes" else r"\byes\b", text[3:]):
        return None
    return match[1] == "yes"


def write_yes_no(value: Value) -> str:
    """Write yes or no."""
    return "yes" if value else "no"
