"""Labels that have files of their own: from when to when which label holds, by person."""

import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.tables.columns import column_names, numbers, read_columns, texts, times_s
from sensor2llm.signals.tables.description import Table, TableAnnotations
from sensor2llm.signals.tables.file_facts import of_path
from sensor2llm.signals.tables.formats.text import WORDS
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.join.files import find_files
from sensor2llm.signals.tables.rows.texts import label_texts, subject_texts
from sensor2llm.signals.tables.times import TIME_UNITS, Place
from sensor2llm.signals.window import Annotation

logger = logging.getLogger(__name__)
ANYONE = ""
"""The person of labels whose file names none."""


@dataclass(frozen=True, eq=False)
class LabelIntervals:
    """Hold the labels of every person, and which of them a recording met."""

    by_person: dict[str, list[Annotation]]
    met: dict[str, set[int]]
    relative: bool
    source: str

    def of(self, person: str, first_s: float, start_s: float, stop_s: float) -> list[Annotation]:
        """Give a person's labels between two times.

        Args:
            person: whose.
            first_s: time of the person's first row, from which relative times count.
            start_s: from when.
            stop_s: to when.

        Raises:
            DataError: for a second person, where the labels' file does not say whose they are.
        """
        if ANYONE in self.by_person:
            people = self.met.keys() - {ANYONE}
            if people and person not in people:
                raise DataError(
                    f"{self.source} does not say whose labels it holds, and there are "
                    f"{sorted(people)[0]} and {person}; write subject: into annotations"
                )
            self.met.setdefault(person, set())
        key = person if person in self.by_person else ANYONE
        shift = first_s if self.relative else 0.0
        here = []
        for i, note in enumerate(self.by_person.get(key, ())):
            if note.start_s + shift <= stop_s and note.stop_s + shift > start_s:
                self.met.setdefault(key, set()).add(i)
                here.append(Annotation(note.start_s + shift, note.stop_s + shift, note.label))
        return here

    def account(self, ledger: Ledger) -> None:
        """Count the labels that lie in a recording of their person, and those that do not."""
        total = sum(map(len, self.by_person.values()))
        met = sum(map(len, self.met.values()))
        ledger.read("labels", total)
        ledger.keep("labels", met)
        ledger.drop("labels", total - met, "outside the recordings of their person")
        if total and not met:
            first = min(note.start_s for notes in self.by_person.values() for note in notes)
            logger.warning(
                "none of the %d labels of %s lies in a recording (the first is at %.10g s, of %r); "
                "are the unit, zone, offset_s and subject of annotations right?",
                total, self.source, first, next(iter(self.by_person)) or "anyone",
            )  # fmt: skip


def read_intervals(table: Table) -> LabelIntervals:
    """Read the files of a description's annotations.

    Raises:
        DataError: for a file, column or cell that cannot be read, or a stop before its start.
    """
    notes = table.annotations
    assert notes is not None, "there are annotations"
    source = replace(table, files=notes.source.files)
    by_person: dict[str, list[Annotation]] = defaultdict(list)
    paths = find_files(source)
    for path in paths:
        for person, note in _of_file(path, table, notes):
            by_person[person].append(note)
    people = {
        person: _ended(sorted(rows, key=lambda note: note.start_s))
        for person, rows in by_person.items()
    }
    return LabelIntervals(people, {}, notes.relative, paths[0].name)


def _of_file(path: Path, table: Table, notes: TableAnnotations) -> list[tuple[str, Annotation]]:
    layout, clock = notes.source.layout, notes.source.clock
    kind, rule = notes.source.subject
    with on_disk(path) as place:
        named = kind == "column" or (kind == "any" and rule in column_names(place, layout))
        words = [notes.label, *([rule] if named else [])]
        times = [*clock.columns, *([notes.stop] if notes.stop else [])]
        columns = [*words, *times, *([notes.duration] if notes.duration else [])]
        kinds = dict.fromkeys(times) | dict.fromkeys(words, WORDS)
        data = read_columns(place, columns, layout, kinds)
    starts = times_s(data, clock, path, layout)
    stops = np.full(len(starts), np.nan)
    if notes.stop:
        stops = times_s(data, replace(clock, columns=(notes.stop,)), path, layout)
    elif notes.duration:
        stops = (
            starts + numbers(data, notes.duration, path, layout) * TIME_UNITS[notes.duration_unit]
        )
    elif notes.lasts_s:
        stops = starts + notes.lasts_s
    if (back := np.flatnonzero(stops < starts)).size:
        place_of = Place(path.name, notes.stop or notes.duration or clock.name)
        raise place_of.error(int(back[0]), "the label stops before it starts")
    cells = texts(data, notes.label, path, layout)
    labels = label_texts(cells, table.labels, notes.label, path, table.exclude)
    if named:
        people = subject_texts(texts(data, rule, path, layout), path).tolist()
    else:
        whose = ANYONE if kind == "any" else of_path((kind, rule), table.root, path, "subject")
        people = [whose] * len(data)
    # Without a text a stop is not known yet, but what went before ends there.
    rows = zip(people, starts.tolist(), stops.tolist(), labels.tolist(), strict=True)
    return [(person, Annotation(start, stop, label or "")) for person, start, stop, label in rows]


def _ended(notes: list[Annotation]) -> list[Annotation]:
    """End labels without a stop where the next one starts, and leave out those without a text."""
    nexts = [note.start_s for note in notes[1:]] + [np.inf]
    return [
        note if note.stop_s == note.stop_s else replace(note, stop_s=after)
        for note, after in zip(notes, nexts, strict=True)
        if note.label
    ]
