"""The questions of `benchmarks/data/human_questions.yaml`, and windows that they are asked of."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.errors import DataError
from sensor2llm.signals.facts.fact import Fact
from sensor2llm.signals.questions.labels import label_of
from sensor2llm.signals.questions.naming import Facts
from sensor2llm.signals.questions.pairs import CLEARLY, size_of
from sensor2llm.signals.questions.template import is_clear

FILE = Path(__file__).resolve().parents[2] / "data" / "human_questions.yaml"
HALVES = ("validation", "test")
FIELDS = {
    "activity": ("walking", "sitting", "standing"),
    "watch": ("typing", "jogging"),
    "rhythm": ("atrial fibrillation",),
    "stress": ("stress", "stressed"),
}
"""Domains of questions, and labels of which one says that a data set is of it."""
NEAR_LIMIT = 1.1


@dataclass(frozen=True)
class HumanQuestion:
    """Hold a question, its kind, and how its truth is computed (`truth` as in the file)."""

    kind: str
    ask: str
    truth: Mapping[str, Any]

    @property
    def half(self) -> str:
        """Give the half it is in, by a hash of its text: nobody has chosen it."""
        return HALVES[hashlib.sha256(self.ask.encode()).digest()[0] % 2]

    @property
    def is_pair(self) -> bool:
        """Say whether it is about two windows."""
        return "compare" in self.truth


def read_questions(labels: Sequence[str], half: str = "") -> list[HumanQuestion]:
    """Read the questions for a data set with these labels, of one half or of both."""
    domains = read_yaml(FILE, DataError)
    fit = [name for name, marks in FIELDS.items() if set(marks) & set(labels)]
    questions = [
        _question(kind, entry)
        for name in fit
        for kind, entries in domains[name].items()
        for entry in entries
    ]
    return [question for question in questions if half in ("", question.half)]


def all_questions() -> list[str]:
    """Give the wording of every question."""
    domains = read_yaml(FILE, DataError)
    return [
        _question(kind, entry).ask
        for kinds in domains.values()
        for kind, entries in kinds.items()
        for entry in entries
    ]


def _question(kind: str, entry: Any) -> HumanQuestion:
    if isinstance(entry, str):
        return HumanQuestion(kind, entry, {})
    return HumanQuestion(kind, entry["ask"], {k: v for k, v in entry.items() if k != "ask"})


def parts_of(question: HumanQuestion) -> list[HumanQuestion]:
    """Give a question's parts, each with its own kind; a question of one part as it is."""
    parts = question.truth.get("parts")
    if not parts:
        return [question]
    return [HumanQuestion(_kind(part), question.ask, part) for part in parts]


def _kind(part: Mapping[str, Any]) -> str:
    if "kind" in part:
        return str(part["kind"])
    if "fact" in part:
        return "fact_yes_no" if {"above", "below", "is", "exists"} & set(part) else "fact"
    return "yes_no"


def holds(question: HumanQuestion, facts: Facts, second: Facts | None = None) -> bool | str | None:
    """Give the truth of a question with two or few answers; None where it cannot be asked.

    Yes or no as a truth value; of a choice between two windows `first` or `second`.
    """
    truth = question.truth
    if question.kind == "yes_no":
        return _label_holds(truth, label_of(facts))
    if question.kind == "fact_yes_no":
        return _fact_holds(truth, _facts_named(str(truth["fact"]), facts))
    if question.kind == "comparison":
        assert second is not None
        return _pair_holds(truth, facts, second)
    return None


def _label_holds(truth: Mapping[str, Any], label: str | None) -> bool | None:
    if label is None or label in truth.get("unclear", ()):
        return None
    if "true_of" in truth:
        return label in truth["true_of"]
    return label not in truth["false_of"]


def _facts_named(name: str, facts: Facts) -> list[Fact]:
    return [fact for fact in facts.values() if fact.name == name and is_clear(fact)]


def _fact_holds(truth: Mapping[str, Any], facts: Sequence[Fact]) -> bool | None:
    answers = {_one_holds(truth, fact) for fact in facts}
    return answers.pop() if len(answers) == 1 else None


def _one_holds(truth: Mapping[str, Any], fact: Fact) -> bool | None:
    if "exists" in truth:
        return bool(fact.value) == truth["exists"]
    if "is" in truth:
        words = [str(fact.value), *fact.near]
        if fact.name == "orientation":
            words = [word[0] + word.rsplit("_", 1)[-1].lstrip("+-") for word in words]
        fits = {word in truth["is"] for word in words}
        return fits.pop() if len(fits) == 1 else None
    number = 0.0 if fact.value is None else float(fact.value)  # type: ignore[arg-type]
    limit = float(truth.get("above", truth.get("below", 0.0)))
    if limit / NEAR_LIMIT <= number <= limit * NEAR_LIMIT:
        return None
    return (number > limit) == ("above" in truth)


def _pair_holds(truth: Mapping[str, Any], first: Facts, second: Facts) -> bool | str | None:
    if truth["compare"] == "label":
        labels = (label_of(first), label_of(second))
        if "same" in truth:
            return (labels[0] == labels[1]) == truth["same"]
        fits = [label in truth["which"] for label in labels]
        return None if fits[0] == fits[1] else ("first" if fits[0] else "second")
    facts = [_facts_named(truth["compare"], one) for one in (first, second)]
    pairs = [(size_of(a), size_of(b)) for a, b in zip(*facts, strict=False)]
    if not pairs or any(max(pair) <= CLEARLY * min(pair) for pair in pairs):
        return None
    more = {"first" if a > b else "second" for a, b in pairs}
    if len(more) != 1 or len(pairs) != len(facts[0]):
        return None
    larger = more.pop()
    which = truth.get("which", truth.get("second"))
    chosen = larger if which == "more" else {"first": "second", "second": "first"}[larger]
    return chosen if "which" in truth else chosen == "second"


def draw_windows(
    question: HumanQuestion, facts: Sequence[Facts], number: int, rng: np.random.Generator
) -> Iterator[tuple[int, ...]]:
    """Draw windows, or pairs of them, that a question can be asked of: as many of each truth.

    Labels are drawn alike often where the label is what is asked for.
    """
    groups: dict[Any, list[tuple[int, ...]]] = {}
    for place in _candidates(question, facts, rng):
        group = _group(question, *(facts[one] for one in place))
        if group is not None:
            groups.setdefault(group, []).append(place)
    # As they came, which is at random: in their names' order two windows of six labels would
    # always be of the first two.
    order = list(groups.values())
    for turn in range(number if order else 0):
        group = order[turn % len(order)]
        yield group[int(rng.integers(len(group)))]


def _group(question: HumanQuestion, one: Facts, second: Facts | None = None) -> Any:
    """Give what is drawn alike often: truths, or labels; None where it cannot be asked."""
    if question.kind in ("yes_no", "fact_yes_no", "comparison"):
        return holds(question, one, second)
    if question.kind == "fact":
        return 0 if _facts_named(str(question.truth["fact"]), one) else None
    parts = parts_of(question) if question.kind == "two_part" else ()
    if any(_group(part, one, second) is None for part in parts):
        return None
    return label_of(one)


def _candidates(
    question: HumanQuestion, facts: Sequence[Facts], rng: np.random.Generator
) -> list[tuple[int, ...]]:
    places = rng.permutation(len(facts))[:200].tolist()
    if not question.is_pair:
        return [(place,) for place in places]
    pairs = rng.integers(len(facts), size=(400, 2)).tolist()
    return [(a, b) for a, b in pairs if a != b]
