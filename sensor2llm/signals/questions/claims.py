"""Captions read back into statements that can be checked, whoever wrote them.

>>> text = "The wrist gyroscope hums; the heart rate is about 72 bpm."
>>> [(s.text, s.asked and s.asked.key) for s in statements_of(text, spec)]
[('the wrist gyroscope hums', None), ('the heart rate is about 72 bpm', 'heart_rate.heart_rate')]
>>> from sensor2llm.signals.facts.facts import extract_facts
>>> text = "Moderate movement at the wrist accelerometer; no sensor is missing."
>>> judge(text, extract_facts(window, spec)).true_share
1.0
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sensor2llm.signals.questions.answers import Value
from sensor2llm.signals.questions.captions import read_claim
from sensor2llm.signals.questions.checking import Verdict
from sensor2llm.signals.questions.missing import parse_missing
from sensor2llm.signals.questions.naming import (
    Facts,
    mark_sensors,
    sensors_told,
    spoken_names,
)
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.questions.templates import TEMPLATES
from sensor2llm.signals.spec import SignalSpec

_CLAUSE_END = re.compile(r"[.;!?](?=\s|$)")
_JOINT = re.compile(r",? (?:with|and) |, ")
_MARK = re.compile(r"<(\d+)>")
_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?:there (?:is|are) )?(?P<said>.+) (?:at|in) <\d+>",
        r"<\d+> (?:shows|is) (?P<said>.+)",
        r"(?P<said>[^<>]+)",
    )
)


@dataclass(frozen=True)
class Statement:
    """Hold one part of a caption and what it claims; `asked` is None where it cannot be read."""

    text: str
    asked: Question | None = None
    value: Value | None = None

    def verdict(self, facts: Facts) -> Verdict:
        """Judge the claim by the tolerance of its template."""
        if self.asked is None or self.value is None:
            return Verdict.UNPARSED
        accepted = TEMPLATES[self.asked.template].accepts(self.value, self.asked, facts)
        return Verdict.TRUE if accepted else Verdict.FALSE


@dataclass(frozen=True)
class ClaimTally:
    """Count the statements of captions by verdict."""

    true: int = 0
    false: int = 0
    unparsed: int = 0

    def __add__(self, other: "ClaimTally") -> "ClaimTally":
        return ClaimTally(
            self.true + other.true, self.false + other.false, self.unparsed + other.unparsed
        )

    @property
    def total(self) -> int:
        """Give the number of statements, unparsed ones included."""
        return self.true + self.false + self.unparsed

    @property
    def true_share(self) -> float:
        """Give the share of all statements that are true: unparsed ones are not; 0 of none."""
        return self.true / self.total if self.total else 0.0


def statements_of(text: str, spec: SignalSpec) -> list[Statement]:
    """Read a caption's statements in order; a claim that is repeated counts once.

    A clause that is not in the grammar becomes statements without a claim, one a part. Each sensor
    that is said to be missing is a statement of its own, so naming one of two is true.
    """
    return _statements(text, spec.names)


def judge(text: str, facts: Facts) -> ClaimTally:
    """Count a caption's statements by whether they are true of a window."""
    return judged(_statements(text, sensors_told(facts)), facts)


def judged(statements: Iterable[Statement], facts: Facts) -> ClaimTally:
    """Count statements by whether they are true of a window."""
    verdicts = [statement.verdict(facts) for statement in statements]
    return ClaimTally(*(verdicts.count(v) for v in (Verdict.TRUE, Verdict.FALSE, Verdict.UNPARSED)))


def _statements(text: str, names: tuple[str, ...]) -> list[Statement]:
    lower = " ".join(text.casefold().split())
    clauses = (clause.strip(" ,") for clause in _CLAUSE_END.split(lower))
    statements = [s for clause in clauses if clause for s in _clause(clause, names)]
    claims = {(s.asked, s.value) if s.asked else (i, None): s for i, s in enumerate(statements)}
    return list(claims.values())


def _clause(clause: str, names: tuple[str, ...]) -> Iterator[Statement]:
    gone = parse_missing(clause, names)
    if gone is not None:
        yield from (Statement(clause, Question("is_missing", name), True) for name in gone)
        if not gone:
            yield Statement(clause, Question("which_missing"), ())
        return
    marked, sensors = mark_sensors(clause, names)
    sensor = ""
    for piece in _JOINT.split(marked):
        sensor = next((sensors[int(mark)] for mark in _MARK.findall(piece)), sensor)
        yield _statement(piece, _in_words(piece, sensors, names), sensor)


def _in_words(piece: str, sensors: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Put the sensors' words back."""
    spoken = spoken_names(names)
    return _MARK.sub(lambda mark: f"the {spoken[sensors[int(mark[1])]]}", piece)


def _statement(piece: str, text: str, sensor: str) -> Statement:
    if sensor:
        for form in _FORMS:
            match = form.fullmatch(piece)
            claim = match and read_claim(match["said"])
            if claim:
                template, value = claim
                return Statement(text, Question(template, sensor), value)
    return Statement(text)
