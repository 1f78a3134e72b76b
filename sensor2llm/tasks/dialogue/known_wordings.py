"""Wordings whose kind is known: some of each template that trains adapters, and typed ones.

A kind is what `Intent` has, with the fact that is asked for: `label`, `fact step_rate`.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.errors import DataError
from sensor2llm.signals.questions.readings import INTENSITY, READINGS, TREND
from sensor2llm.signals.questions.wordings import (
    for_person,
    label_kind,
    topics,
    wordings_of,
)

TYPED = Path(__file__).with_name("typed.yaml")
KIND_OF = {
    **{reading.name: f"fact {reading.name}" for reading in READINGS},
    **{f"{reading.name}_above": f"fact_yes_no {reading.name}" for reading in READINGS},
    "intensity_is": "fact_yes_no intensity",
    "trend_is": "fact_yes_no trend",
    "has_steps": "fact_yes_no step_rate",
    "which_missing": "fact missing",
    "is_missing": "fact_yes_no missing",
    "label": "label",
    "label_is": "yes_no",
    "label_is_not": "yes_no",
    "why": "why",
    "same_label": "comparison",
    "more_movement": "comparison intensity",
    "moves_more": "comparison intensity",
    "faster_steps": "comparison step_rate",
    "higher_heart_rate": "comparison heart_rate",
    "more_irregular": "comparison irregularity",
}
"""Templates, and the kinds of questions that they ask."""
MOST = 30
"""Wordings of one template; the rest differs from them by its frame only."""
_WORDS = {
    "intensity_is": tuple(INTENSITY.words),
    "trend_is": tuple(TREND.words),
    "moves_more": ("first", "second"),
}


def known_wordings(
    labels: Sequence[str], facts: Collection[str], unknowable: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Give kinds and wordings for an adapter; of facts that it has not: `unanswerable`.

    Args:
        labels: the adapter's.
        facts: names of the facts that its windows have.
        unknowable: phrases of the topics that they cannot tell.
    """
    rng, names = np.random.default_rng(0), cycle(labels or ("this",))
    for kind, wording in (*_of_templates(labels, unknowable, rng), *_of_people()):
        while "<label>" in wording:
            wording = wording.replace("<label>", next(names), 1)
        fact = kind.partition(" ")[2]
        yield ("unanswerable" if fact and fact not in facts else kind), for_person(wording, rng)


def _of_templates(
    labels: Sequence[str], unknowable: Collection[str], rng: np.random.Generator
) -> Iterator[tuple[str, str]]:
    of_labels = label_kind(labels)
    for template, kind in KIND_OF.items():
        asked = wordings_of(template, kind=of_labels).train or (
            *wordings_of(template).train,
            *wordings_of(template, bare=True).train,
        )
        than = cycle(_WORDS.get(template, ("<label>",) if kind == "yes_no" else ("2", "90")))
        for wording in _some(asked, rng):
            yield kind, wording.replace("<sensor>", "sensor").replace("<than>", next(than))
    away = [way for t in topics() if t.phrase in unknowable for way in t.wordings.train]
    yield from (("unanswerable", way) for way in _some(away, rng, 2 * MOST))


def _some(wordings: Sequence[str], rng: np.random.Generator, most: int = MOST) -> Sequence[str]:
    return [wordings[i] for i in rng.permutation(len(wordings))[:most]]


def _of_people() -> Iterator[tuple[str, str]]:
    for kind, lines in read_yaml(TYPED, DataError).items():
        yield from ((kind, line) for line in lines.strip().splitlines())
