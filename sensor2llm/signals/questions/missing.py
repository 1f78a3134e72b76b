"""The template that asks which sensors are missing, and how to make some missing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.questions.answers import Value, tidy
from sensor2llm.signals.questions.naming import (
    Facts,
    listed,
    mark_sensors,
    missing_sensors,
    with_articles,
)
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.window import Window

NOTHING = "nothing is missing"
_NOTHING = re.compile(
    r"nothing|none|no (?:sensor|signal)|nothing is missing|nothing was missing|"
    r"no (?:sensor|signal) (?:is|was) missing|all (?:sensors|signals) are there"
)
_MISSING = re.compile(
    r"(<\d+>(?:(?:, and|,| and) <\d+>)*)(?: (?:is|are) missing| (?:was|were) not recorded)?"
)


def hide(window: Window, rng: np.random.Generator, share: float) -> Window:
    """Drop each modality of a window with probability `share`; one that is drawn always stays.

    Raises:
        ConfigError: If `share` is not from 0 to below 1.
        DataError: If the window holds no modality.
    """
    if not 0 <= share < 1:
        raise ConfigError(f"the share of hidden modalities must be 0 to below 1, got {share:g}")
    if not window.signals:
        raise DataError("a window without any modality has nothing to hide; leave it out")
    lost = rng.random(len(window.signals)) < share
    lost[rng.integers(len(lost))] = False
    signals = {
        name: values
        for (name, values), gone in zip(window.signals.items(), lost, strict=True)
        if not gone
    }
    return replace(window, signals=signals)


@dataclass(frozen=True, kw_only=True)
class WhichMissing:
    """Ask for all sensors that are missing."""

    name: str
    kind: str = "missing"
    grid: str = f"the sensors, or {NOTHING!r}"
    tolerance: str = "exact: all of them, in any order"
    compares: bool = False

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Ask once a window."""
        return [Question(self.name)]

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the key of what is missing."""
        return ("missing",)

    def truth(self, question: Question, facts: Facts) -> tuple[str, ...]:
        """Give the missing modalities in the spec's order."""
        return missing_sensors(facts)

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Name the sensors in words."""
        assert isinstance(value, tuple)
        return write_missing(value, spoken)

    def parse(self, answer: str, names: tuple[str, ...]) -> tuple[str, ...] | None:
        """Read the modalities that a text names, with or without `the`."""
        text = tidy(answer)
        missing = parse_missing(text, names)
        return parse_missing(with_articles(text, names), names) if missing is None else missing

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether exactly these are missing."""
        return isinstance(value, tuple) and set(value) == set(missing_sensors(facts))


def write_missing(names: tuple[str, ...], spoken: Mapping[str, str]) -> str:
    """Write that sensors are missing, or that nothing is."""
    if not names:
        return NOTHING
    return f"{listed(names, spoken)} {'is' if len(names) == 1 else 'are'} missing"


def parse_missing(text: str, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Read the modalities that tidy text says are missing; `()` where it says that none is."""
    if _NOTHING.fullmatch(text):
        return ()
    marked, sensors = mark_sensors(text, names)
    return sensors if _MISSING.fullmatch(marked) else None
