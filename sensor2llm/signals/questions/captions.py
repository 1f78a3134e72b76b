"""Captions: sentences of statements computed from a window's signals.

    >>> caption(window, spec, np.random.default_rng(0))
    'Moderate movement at the wrist accelerometer with gravity along +x; there is moderate movement
    at the ankle accelerometer.'

The grammar is fixed: a caption is clauses, joined by `;` or a full stop. A clause is about one
sensor and makes one statement or more, joined by `with` and `and`; or it names missing sensors.
`sensor2llm.signals.questions.claims` reads captions back by the same table, `SAYINGS`.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.questions.answers import Value
from sensor2llm.signals.questions.missing import NOTHING
from sensor2llm.signals.questions.naming import (
    Facts,
    listed,
    missing_sensors,
    sensors_told,
    spoken_names,
)
from sensor2llm.signals.questions.readings import READINGS, FactPhrase
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.questions.wordings import names_fact, wordings_of
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window

FEWEST, MOST = 2, 4
"""Statements in a caption (fewer where a window has fewer; missing sensors named count as one)."""
MISSING_SHARE, COMPLETE_SHARE = 0.5, 0.15
"""How often a caption names what is missing, and that nothing is."""


@dataclass(frozen=True, kw_only=True)
class Saying:
    """Say one reading in a clause: as a noun (`{v}`), and after `is` where that is good English."""

    nouns: tuple[str, ...]
    after_is: str = ""
    place: str = "in"
    plural: bool = False


SAYINGS: dict[str, Saying] = {
    "intensity": Saying(nouns=("{v} movement",), place="at"),
    "step_rate": Saying(nouns=("about {v}", "{v}"), place="at", plural=True),
    "heart_rate": Saying(
        nouns=("a heart rate of about {v}", "a pulse of {v}"), after_is="about {v}"
    ),
    "trend": Saying(nouns=("a {v} trend",), after_is="{v}"),
    "dominant_frequency": Saying(nouns=("a main frequency of {v}", "a rhythm of about {v}")),
    "orientation": Saying(nouns=("gravity along {v}",), place="at"),
    "rmssd": Saying(nouns=("an RMSSD of about {v}", "an RMSSD of {v}")),
    "irregularity": Saying(
        nouns=("beats that differ by about {v}", "beats that differ by {v}"), plural=True
    ),
}
READING: Mapping[str, FactPhrase] = {reading.name: reading for reading in READINGS}
_ADJECTIVES = {"still": "hardly any"}


def caption(window: Window, spec: SignalSpec, rng: np.random.Generator) -> str:
    """Describe a window in one or two sentences; `describe` does the same from its facts.

    Raises:
        SpecError: If the window does not fit the spec.
    """
    return describe(extract_facts(window, spec), rng)


def describe(facts: Facts, rng: np.random.Generator) -> str:
    """Draw two to four statements and say them, sensor by sensor, missing ones last."""
    gone = missing_sensors(facts)
    claims = [question for name in SAYINGS for question in READING[name].draw(facts, rng)]
    tell_missing = not claims or rng.random() < (MISSING_SHARE if gone else COMPLETE_SHARE)
    count = int(rng.integers(FEWEST, MOST + 1)) - tell_missing
    spoken = spoken_names(sensors_told(facts))
    clauses = [
        _clause([claims[i] for i in group], facts, spoken, rng)
        for group in _by_sensor(claims, _drawn(claims, count, rng))
    ]
    if tell_missing:
        clauses.append(_missing(gone, spoken, rng))
    return _joined(clauses, rng)


def _drawn(claims: Sequence[Question], count: int, rng: np.random.Generator) -> list[int]:
    """Draw claims so that every kind is as likely, however many sensors have it."""
    kinds = [claim.template for claim in claims]
    # The smallest of exponential times of these rates: weighted drawing without replacement.
    times = rng.exponential(size=len(claims)) * [kinds.count(kind) for kind in kinds]
    return [int(i) for i in np.argsort(times)[:count]]


def _by_sensor(claims: Sequence[Question], drawn: Sequence[int]) -> list[list[int]]:
    """Group the drawn claims by sensor; a group keeps the order of `SAYINGS`."""
    groups: dict[str, list[int]] = {}
    for i in drawn:
        groups.setdefault(claims[i].modality, []).append(i)
    return [sorted(group) for group in groups.values()]


def _clause(
    claims: Sequence[Question], facts: Facts, spoken: Mapping[str, str], rng: np.random.Generator
) -> str:
    sensor = f"the {spoken[claims[0].modality]}"
    if all(_can_follow_is(claim, sensor) for claim in claims):
        phrases = [_filled(SAYINGS[c.template].after_is, c, facts) for c in claims]
        return f"{sensor} is {' and '.join(phrases)}"
    phrases = [_noun(claim, facts, rng) for claim in claims]
    first = SAYINGS[claims[0].template]
    placed = _placed(phrases, first, sensor)
    forms = (
        placed,
        f"there {'are' if first.plural else 'is'} {placed}",
        f"{sensor} shows {' and '.join(phrases)}",
    )
    return forms[int(rng.integers(len(forms)))]


def _placed(nouns: Sequence[str], first: Saying, sensor: str) -> str:
    """Say nouns of one sensor, of which the first one's saying places it."""
    joints = ("with", *["and"] * len(nouns))
    tail = "".join(f" {joint} {noun}" for joint, noun in zip(joints, nouns[1:], strict=False))
    return f"{nouns[0]} {first.place} {sensor}{tail}"


def describe_values(values: Mapping[tuple[str, str], Value], spoken: Mapping[str, str]) -> str:
    """Say values of readings, by reading and modality, in a sentence: sensor by sensor."""
    clauses = []
    for modality in dict.fromkeys(modality for _, modality in values):
        names = [name for name, of in values if of == modality]
        nouns = [noun_with(name, values[name, modality]) for name in names]
        clauses.append(_placed(nouns, SAYINGS[names[0]], f"the {spoken[modality]}"))
    return _sentence("; ".join(clauses))


def _can_follow_is(claim: Question, sensor: str) -> bool:
    """A heart rate is 72 bpm; a beat series is not."""
    saying, reading = SAYINGS[claim.template], READING[claim.template]
    return bool(saying.after_is) and (
        not wordings_of(reading.name, bare=True).first or names_fact(reading.name, sensor)
    )


def _noun(claim: Question, facts: Facts, rng: np.random.Generator) -> str:
    nouns = SAYINGS[claim.template].nouns
    return _filled(nouns[int(rng.integers(len(nouns)))], claim, facts)


def noun_of(claim: Question, facts: Facts) -> str:
    """Say a reading as a noun, without its sensor: `vigorous movement`."""
    value = READING[claim.template].truth(claim, facts)
    assert value is not None
    return noun_with(claim.template, value)


def noun_with(name: str, value: Value) -> str:
    """Say a value of a reading as a noun."""
    text = READING[name].write(value, {})
    return SAYINGS[name].nouns[-1].format(v=_ADJECTIVES.get(text, text))


def _filled(form: str, claim: Question, facts: Facts) -> str:
    reading = READING[claim.template]
    value = reading.truth(claim, facts)
    assert value is not None
    text = reading.write(value, {})
    if not value:
        form = form.removeprefix("about ")  # No steps are not "about no steps".
    return form.format(v=_ADJECTIVES.get(text, text))


def _missing(gone: tuple[str, ...], spoken: Mapping[str, str], rng: np.random.Generator) -> str:
    if not gone:
        return NOTHING
    one = len(gone) == 1
    verb = ("is missing", "was not recorded") if one else ("are missing", "were not recorded")
    return f"{listed(gone, spoken)} {verb[int(rng.integers(2))]}"


def _joined(clauses: Sequence[str], rng: np.random.Generator) -> str:
    """Join to one sentence, or to two before the last clause."""
    *first, last = clauses
    if not first:
        return _sentence(last)
    if rng.random() < 0.3:
        return f"{_sentence('; '.join(first))} {_sentence(last)}"
    return _sentence("; ".join(clauses))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def read_claim(phrase: str) -> tuple[str, Value] | None:
    """Find the reading of which a part without its sensor tells, and the value."""
    for name, pattern in _patterns():
        match = pattern.fullmatch(phrase)
        value = READING[name].answers.read(match["v"]) if match else None
        if value is not None:
            return name, value
    return None


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    forms = [
        (name, form.casefold())
        for name, saying in SAYINGS.items()
        for form in (*saying.nouns, saying.after_is)
        if form
    ]
    return tuple((name, re.compile(form.replace("{v}", "(?P<v>.+)"))) for name, form in forms)
