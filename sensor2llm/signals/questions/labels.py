"""Questions about a window's label, for its reasons, and about what no window can tell.

    facts = with_label(extract_facts(window, spec), "walking", labels)

The label stands among the facts of a window, under `label`; all labels under `labels`. A wrong
label is drawn half of the time among those that are most easily taken for the true one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sensor2llm.signals.facts.fact import Fact, written
from sensor2llm.signals.questions.answers import Value, tidy
from sensor2llm.signals.questions.captions import READING, SAYINGS, noun_of, read_claim
from sensor2llm.signals.questions.forms import read_reasons, read_refusal, reasons, refusal
from sensor2llm.signals.questions.naming import Facts, mark_sensors, sensors_told
from sensor2llm.signals.questions.readings import RowValue, row_values
from sensor2llm.signals.questions.template import Question, modalities_with
from sensor2llm.signals.questions.wordings import label_kind, topics
from sensor2llm.signals.questions.yes_no import ClaimTruth

REASONS = ("step_rate", "intensity", "orientation", "heart_rate", "irregularity", "rmssd")
"""Readings that a label is explained by, the first three that a window has."""
MOST_REASONS = 3
_ROW = RowValue()
NEAR_SHARE = 0.5


def with_label(
    facts: Facts, label: str | None, labels: Sequence[str], near: Sequence[str] = ()
) -> Facts:
    """Add a window's label, one of `labels`, to its facts; None leaves them as they are.

    `near` are the labels that it is most easily taken for.
    """
    if label is None:
        return facts
    names = tuple(labels)
    return {
        **facts,
        "label": Fact("label", "", label, "", f"label: {label}"),
        "labels": Fact("labels", "", names, "", f"labels: {', '.join(names)}"),
        "near_labels": Fact("near_labels", "", tuple(near), "", f"near: {', '.join(near)}"),
    }


def label_facts(
    facts: Sequence[Facts],
    numbers: Sequence[int],
    labels: Sequence[str],
    near: Mapping[str, Sequence[str]] | None = None,
) -> list[Facts]:
    """Add each window's label by its number among `labels`; -1 is none.

    `near` gives for a label those that it is most easily taken for.
    """
    names = [labels[number] if number >= 0 else None for number in numbers]
    return [
        with_label(one, name, labels, (near or {}).get(name or "", ()))
        for one, name in zip(facts, names, strict=True)
    ]


def label_of(facts: Facts) -> str | None:
    """Give a window's label."""
    return str(facts["label"].value) if "label" in facts else None


def all_labels(facts: Facts) -> tuple[str, ...]:
    """Give the labels that there are; none where the window has none."""
    return _names(facts, "labels")


def _names(facts: Facts, key: str) -> tuple[str, ...]:
    value = facts[key].value if key in facts else ()
    assert isinstance(value, tuple)
    return tuple(str(name) for name in value)


def wrong_label(facts: Facts, rng: np.random.Generator) -> str | None:
    """Draw another label than the window's; None where there is no other."""
    others = [name for name in all_labels(facts) if name != label_of(facts)]
    near = [name for name in _names(facts, "near_labels") if name in others]
    among = near if near and rng.random() < NEAR_SHARE else others
    return among[int(rng.integers(len(among)))] if among else None


@dataclass(frozen=True, kw_only=True)
class LabelQuestion:
    """Ask for the label."""

    name: str = "label"
    kind: str = "label"
    grid: str = "the label"
    tolerance: str = "exact"
    compares: bool = False

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Ask once of a window that has a label."""
        return [Question(self.name)] if label_of(facts) else []

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the label's key."""
        return ("label",)

    def truth(self, question: Question, facts: Facts) -> Value | None:
        """Give the label."""
        return label_of(facts)

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Give the label."""
        return str(value)

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read a label: any short text, of which the facts say whether it is the right one."""
        return tidy(answer).partition(":")[0] or None

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether it is the window's label."""
        return value == str(label_of(facts)).casefold()


@dataclass(frozen=True, kw_only=True)
class Why(LabelQuestion):
    """Ask for the label with what was measured; true where the label and every reason are."""

    name: str = "why"
    kind: str = "why"
    grid: str = "the label, then up to three readings"
    tolerance: str = "the label exact, each reading within its own"

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Ask once of a window that has a label and something to explain it."""
        return [Question(self.name)] if label_of(facts) and _reasons(facts, {}) else []

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the label's key; the reasons rest on whatever the window has."""
        return ("label",)

    def truth(self, question: Question, facts: Facts) -> Value | None:
        """Give the label and its reasons."""
        label = label_of(facts)
        return None if label is None else (label, *_reasons(facts, {}))

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Write the label and its reasons."""
        assert isinstance(value, tuple)
        return reasons(value[0], value[1:])

    def reply(self, question: Question, facts: Facts, spoken: Mapping[str, str]) -> str:
        """Write the label and its reasons."""
        return reasons(str(label_of(facts)), _reasons(facts, spoken))

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read the label and its reasons."""
        parts = read_reasons(answer)
        return None if parts is None else (parts[0], *parts[1])

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether it is the window's label, and every reason is true of it."""
        assert isinstance(value, tuple)
        right = value[0] == str(label_of(facts)).casefold()
        return right and all(is_true(part, facts) for part in value[1:])


def _measured(facts: Facts) -> list[tuple[str, str, bool]]:
    """Give the readings that explain a label: name, modality, whether others have it too."""
    have = [(name, modalities_with(facts, name)) for name in REASONS]
    return [(name, where[0], len(where) > 1) for name, where in have if where][:MOST_REASONS]


def _reasons(facts: Facts, spoken: Mapping[str, str]) -> tuple[str, ...]:
    parts = []
    for name, modality, several in _measured(facts):
        noun = noun_of(Question(name, modality), facts)
        place = f" {SAYINGS[name].place} the {spoken.get(modality, modality)}" if several else ""
        parts.append(noun + place)
    rows = (fact for fact in facts.values() if fact.name == "value")
    parts += [f"{n} {written(v)} {u}".strip() for f in rows for n, (v, u) in row_values(f).items()]
    return tuple(parts[:MOST_REASONS])


def is_true(reason: str, facts: Facts) -> bool:
    """Say whether a reason is true: of the sensor that it names, or of any that has the reading."""
    for question in _ROW.draw(facts, np.random.default_rng(0)):
        if reason.startswith(f"{question.than} "):
            value = _ROW.parse(reason.removeprefix(str(question.than)), ())
            return value is not None and _ROW.accepts(value, question, facts)
    marked, sensors = mark_sensors(reason, sensors_told(facts))
    claim = read_claim(marked.removesuffix(" at <0>").removesuffix(" in <0>"))
    if claim is None or len(sensors) > 1:
        return False
    name, value = claim
    return any(
        READING[name].accepts(value, Question(name, modality), facts)
        for modality in sensors or modalities_with(facts, name)
    )


@dataclass(frozen=True, kw_only=True)
class LabelClaim:
    """Claim that a window has a certain label, or that it has not."""

    negated: bool = False
    tolerance: str = "exact"
    compares: bool = True

    def side_by_side(
        self, name: str, facts: Facts, rng: np.random.Generator
    ) -> list[tuple[Question, ...]]:
        """Give the true label and another one."""
        label, wrong = label_of(facts), wrong_label(facts, rng)
        if label is None or wrong is None:
            return []
        return [(Question(name, than=label), Question(name, than=wrong))]

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give the label's key."""
        return ("label",)

    def holds(self, question: Question, facts: Facts) -> ClaimTruth | None:
        """Compare with the label."""
        label = label_of(facts)
        return None if label is None else ClaimTruth((question.than == label) != self.negated)


@dataclass(frozen=True, kw_only=True)
class Unanswerable(LabelQuestion):
    """Ask for what these sensors cannot tell; the answer says so, and what it is."""

    name: str = "unanswerable"
    kind: str = "unanswerable"
    grid: str = "that it cannot be told"
    compares: bool = True

    def draw(self, facts: Facts, rng: np.random.Generator) -> list[Question]:
        """Draw a topic of training that nothing of the window can tell."""
        among = unknowable(facts)
        return [Question(self.name, than=among[int(rng.integers(len(among)))])]

    def keys(self, question: Question) -> tuple[str, ...]:
        """Give none: it rests on nothing of the window."""
        return ()

    def truth(self, question: Question, facts: Facts) -> Value | None:
        """Give the topic."""
        return question.than

    def write(self, value: Value, spoken: Mapping[str, str]) -> str:
        """Write that it cannot be told."""
        return refusal(str(value))

    def parse(self, answer: str, names: tuple[str, ...]) -> Value | None:
        """Read what is refused."""
        return read_refusal(answer)

    def accepts(self, value: Value, question: Question, facts: Facts) -> bool:
        """Say whether it refuses what was asked for."""
        return value == question.than


def unknowable(facts: Facts, *, held_out: bool = False) -> list[str]:
    """Give the topics that neither a fact, nor the labels, nor a sensor's name speaks of."""
    names = {word for sensor in sensors_told(facts) for word in sensor.casefold().split("_")}
    names |= {fact.name for fact in facts.values()} | {label_kind(all_labels(facts))}
    names |= {label.casefold() for label in all_labels(facts)}
    names |= {name for fact in facts.values() for name, _ in fact.channels}
    return [t.phrase for t in topics(held_out=held_out) if not names & set(t.unless)]
