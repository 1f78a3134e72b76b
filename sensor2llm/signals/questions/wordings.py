"""How people ask: wordings of every template and words of labels, from the YAML files beside.

    wordings_of("step_rate").train       ('how many steps a second does the <sensor> show', …)
    label_words("walking")               ('walking', 'going on foot', …)
    typed("is she walking", 0)           'Is she walking?'

Which wordings train and which are held out stands in the files; nothing is split by chance.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.artefacts.yaml_file import read_yaml
from sensor2llm.errors import DataError

FOLDER = Path(__file__).with_name("wordings")
PARTS = ("train", "held_out")
KINDS = ("activity", "rhythm", "level", "other")
"""Kinds of labels: what people do, rhythms of the heart, levels of stress, anything else."""
_PHRASES = {
    "nouns": ("noun", "np"),
    "questions": ("question", "q"),
    "statements": ("statement", "s"),
}
"""Keys of phrases in the files -> their frames, and the slot of those."""
_SLOT = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Wordings:
    """Hold a template's wordings: of the earliest adapters, of training, and held out of it."""

    first: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()

    def with_more(self, others: "Wordings") -> "Wordings":
        """Give these and others."""
        return Wordings(
            (*self.first, *others.first),
            (*self.train, *others.train),
            (*self.held_out, *others.held_out),
        )


@dataclass(frozen=True)
class Topic:
    """Hold something that sensors cannot tell: its noun phrase, ways to ask, what could tell it."""

    phrase: str
    wordings: Wordings
    unless: tuple[str, ...] = ()


@functools.cache
def _read(name: str) -> Any:
    return read_yaml(FOLDER / f"{name}.yaml", DataError, truth_words=False)


@functools.cache
def wordings_of(template: str, *, bare: bool = False, kind: str = "") -> Wordings:
    """Give a template's wordings; none where there are none.

    Args:
        template: its name.
        bare: those that do not name the sensor.
        kind: of the labels, for a template that asks about labels.
    """
    if kind:
        entry = _read("labels")[kind].get(template, {})
    else:
        files = ("facts", "claims", "reasons", "comparisons")
        entry = next((_read(name)[template] for name in files if template in _read(name)), {})
    if bare:
        entry = entry.get("bare", {})
    parts = {part: tuple(dict.fromkeys(_expanded(entry, part))) for part in PARTS}
    return Wordings(first=tuple(entry.get("first", ())), **parts)


def names_fact(name: str, sensor: str) -> bool:
    """Say whether a sensor's words name the fact of a template: the heart rate's heart rate."""
    return name.removesuffix("_above").replace("_", " ") in sensor.casefold()


def first_wordings(template: str, sensor: str) -> tuple[str, ...]:
    """Give the wordings of the earliest adapters, without a sensor that is named after the fact."""
    bare = wordings_of(template, bare=True).first
    return bare if bare and names_fact(template, sensor) else wordings_of(template).first


def _expanded(entry: Mapping[str, Any], part: str) -> Iterable[str]:
    """Give a part's own wordings and its phrases in frames; a held-out phrase goes in all."""
    yield from entry.get("own", {}).get(part, ())
    frames = _read("frames")
    for phrases, (frame, slot) in _PHRASES.items():
        train, held_out = (entry.get(phrases, {}).get(p, ()) for p in PARTS)
        around = {p: frames[frame][p] for p in PARTS}
        if part == "train":
            yield from _in_frames(around["train"], train, slot)
        else:
            yield from _in_frames(around["held_out"], (*train, *held_out), slot)
            yield from _in_frames(around["train"], held_out, slot)


def _in_frames(frames: Sequence[str], phrases: Sequence[str], slot: str) -> Iterable[str]:
    return (frame.replace(f"<{slot}>", phrase) for phrase in phrases for frame in frames)


def label_words(label: str, *, held_out: bool = False) -> tuple[str, ...]:
    """Give the words for a label that training uses, or those held out; its own text where none."""
    kinds = _read("label_words")
    none: Mapping[str, Any] = {}
    words = next((kinds[kind][label] for kind in KINDS if label in kinds[kind]), none)
    return tuple(words.get("held_out" if held_out else "train", ())) or (label,)


def label_kind(labels: Sequence[str]) -> str:
    """Give the kind of a data set's labels: the one that knows them all, else `other`."""
    words = _read("label_words")
    fitting = (kind for kind in KINDS if labels and all(label in words[kind] for label in labels))
    return next(fitting, "other")


@functools.cache
def topics(*, held_out: bool = False) -> tuple[Topic, ...]:
    """Give what sensors cannot tell, of training or held out."""
    entries, found = _read("unanswerable")["held_out" if held_out else "train"], []
    for phrase, entry in entries.items():
        whole = {"own": {"train": entry["ways"]}, "nouns": {"train": [phrase]}}
        train, new = (tuple(dict.fromkeys(_expanded(whole, part))) for part in PARTS)
        ways = Wordings(held_out=(*train, *new)) if held_out else Wordings((), train, new)
        found.append(Topic(phrase, ways, tuple(entry.get("unless", ()))))
    return tuple(found)


def for_person(text: str, rng: np.random.Generator) -> str:
    """Fill `<he>`, `<is_he>` and the like with one person's forms: he, the wearer, I."""
    people = _read("frames")["people"]
    person = people[int(rng.integers(len(people)))]
    return _SLOT.sub(lambda slot: person.get(slot[1], slot[0]), text)


STYLES = 3


def typed(text: str, style: int) -> str:
    """Write a question as people type it: neatly (0), in lower case (1), without its mark (2)."""
    if style == 2:
        return text
    text = f"{text}?"
    return re.sub(r"\bi\b", "I", text[:1].upper() + text[1:]) if style == 0 else text
