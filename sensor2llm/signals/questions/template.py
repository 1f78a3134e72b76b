"""What a template of questions is, and what is asked with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sensor2llm.signals.facts.facts import Fact
from sensor2llm.signals.questions.answers import Value
from sensor2llm.signals.questions.naming import Facts


@dataclass(frozen=True)
class Question:
    """Say what is asked, without its wording.

    `than` is what is compared with: a limit, a word, or another modality's name.
    """

    template: str
    modality: str = ""
    than: str | float | None = None

    @property
    def key(self) -> str:
        """Name all that the wording tells of the window: `heart_rate_above.heart_rate.100`."""
        than = f"{self.than:g}" if isinstance(self.than, float) else self.than
        return ".".join(part for part in (self.template, self.modality, than) if part)


class Template(Protocol):
    """Ask one thing, and know its answer from the facts of a window; wordings lie elsewhere."""

    @property
    def name(self) -> str:
        """Stable name: it stands in files."""

    @property
    def kind(self) -> str:
        """What it asks for: fact, yes_no, missing, label, why, comparison or unanswerable."""

    @property
    def grid(self) -> str:
        """How an answer is rounded, or its words."""

    @property
    def tolerance(self) -> str:
        """How far a true answer may lie from the fact."""

    @property
    def compares(self) -> bool:
        """Whether a question needs `than`."""

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Give what can be asked of a window: once a modality, or once."""

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the keys of the facts that the answer rests on."""

    def truth(self, question: Question, facts: Facts) -> Value | None:
        """Give the value of the true answer; None where the window has none."""

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Write an answer."""

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read an answer; None where it is no such answer."""

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether an answer is true of a window, within the tolerance."""


CLEAR_SHARE = 0.4
"""Share of a signal's power that its strongest frequency holds where it is asked for: in walking
half of it lies there, in what somebody sitting still shows a quarter."""


def modalities_with(facts: Facts, name: str) -> list[str]:
    """Give the modalities that have a fact of this name, clearly."""
    return [fact.modality for fact in facts.values() if fact.name == name and is_clear(fact)]


def is_clear(fact: Fact) -> bool:
    """Say whether a fact can be asked for: noise has a strongest frequency too, which is none."""
    if fact.name != "dominant_frequency" or fact.number is None:
        return True
    return fact.number >= CLEAR_SHARE
