"""Labels that have files of their own: from when to when which label holds, by person."""

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.tables.columns import (
    CodedTexts,
    coded_texts,
    column_chunks,
    column_names,
    numbers,
    times_s,
)
from sensor2llm.signals.tables.description import Rule, Table, TableAnnotations
from sensor2llm.signals.tables.file_facts import of_path
from sensor2llm.signals.tables.formats.text import WORDS
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.join.files import find_files
from sensor2llm.signals.tables.rows.rows import NO_TEXT, TextNumbers
from sensor2llm.signals.tables.rows.texts import label_words, subject_words
from sensor2llm.signals.tables.times import TIME_UNITS, ClockState, Place
from sensor2llm.signals.window import Annotation

logger = logging.getLogger(__name__)
ANYONE = ""
"""The person of labels whose file names none."""


class PersonLabels(NamedTuple):
    """Hold one person's labels in order of their start; in `words` each text is there once."""

    starts_s: np.ndarray
    stops_s: np.ndarray
    codes: np.ndarray
    words: list[str]

    def between(self, start_s: float, stop_s: float) -> np.ndarray:
        """Give the numbers of the labels that are there at any time from one to the other."""
        first = np.searchsorted(np.maximum.accumulate(self.stops_s), start_s, side="right")
        end = np.searchsorted(self.starts_s, stop_s, side="right")
        return first + np.flatnonzero(self.stops_s[first:end] > start_s)


class LabelIntervals:
    """Hold the labels of every person, and which of them a recording met."""

    def __init__(self, by_person: dict[str, PersonLabels], relative: bool, source: str) -> None:
        self.by_person, self._relative, self._source = by_person, relative, source
        self._met = {person: np.zeros(len(labels.codes), dtype=bool)
                     for person, labels in by_person.items()}  # fmt: skip
        self._people = dict[str, None]()

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
        self._people[person] = None
        if ANYONE in self.by_person and len(self._people) > 1:
            raise DataError(
                f"{self._source} does not say whose labels it holds, and there are "
                f"{' and '.join(self._people)}; write subject: into annotations"
            )
        key = person if person in self.by_person else ANYONE
        if key not in self.by_person:
            return []
        labels, shift = self.by_person[key], first_s if self._relative else 0.0
        here = labels.between(start_s - shift, stop_s - shift)
        self._met[key][here] = True
        return [
            Annotation(start + shift, stop + shift, labels.words[code])
            for start, stop, code in zip(
                labels.starts_s[here].tolist(),
                labels.stops_s[here].tolist(),
                labels.codes[here].tolist(),
                strict=True,
            )
        ]

    def account(self, ledger: Ledger) -> None:
        """Count the labels that lie in a recording of their person, and those that do not."""
        total = sum(map(len, self._met.values()))
        met = sum(int(marks.sum()) for marks in self._met.values())
        ledger.read("labels", total)
        ledger.keep("labels", met)
        ledger.drop("labels", total - met, "outside the recordings of their person")
        if total and not met:
            firsts = [labels.starts_s[0] for labels in self.by_person.values() if labels.codes.size]
            logger.warning(
                "none of the %d labels of %s lies in a recording (the first is at %.10g s, of %r); "
                "are the unit, zone, offset_s and subject of annotations right?",
                total, self._source, min(firsts), next(iter(self.by_person)) or "anyone",
            )  # fmt: skip


def read_intervals(table: Table) -> LabelIntervals:
    """Read the files of a description's annotations, 20 bytes a label in memory.

    Raises:
        DataError: for a file, column or cell that cannot be read, or a stop before its start.
    """
    notes = table.annotations
    assert notes is not None, "there are annotations"
    texts = TextNumbers()
    blocks: dict[str, list[np.ndarray]] = defaultdict(list)
    paths = find_files(replace(table, files=notes.source.files))
    for path in paths:
        for people, rows in _of_file(path, table, notes, texts):
            for person in dict.fromkeys(people.codes.tolist()):
                blocks[people.words[person] or ANYONE].append(rows[:, people.codes == person])
    by_person = {who: _in_order(np.concatenate(rows, axis=1), texts.texts)
                 for who, rows in blocks.items()}  # fmt: skip
    return LabelIntervals(by_person, notes.relative, paths[0].name)


def _of_file(
    path: Path, table: Table, notes: TableAnnotations, words: TextNumbers
) -> Iterator[tuple[CodedTexts, np.ndarray]]:
    """Give whose labels they are, and rows of starts, stops and numbers of texts, in blocks."""
    layout, clock = notes.source.layout, notes.source.clock
    kind, rule = notes.source.subject
    with on_disk(path) as place:
        named = kind == "column" or (kind == "any" and rule in column_names(place, layout))
        texts = [notes.label, *([rule] if named else [])]
        times = [*clock.columns, *([notes.stop] if notes.stop else [])]
        columns = [*texts, *times, *([notes.duration] if notes.duration else [])]
        kinds = dict.fromkeys(times) | dict.fromkeys(texts, WORDS)
        first_row, states = 0, (ClockState(), ClockState())
        for data in column_chunks(place, columns, layout, kinds):
            starts, stops = _times(path, data, notes, first_row, states)
            cells = coded_texts(data, notes.label, path, layout)
            labels = label_words(cells, table.labels, notes.label, path, table.exclude, first_row)
            if named:
                people = subject_words(coded_texts(data, rule, path, layout), path, first_row)
            else:
                whose = _whose((kind, rule), table.root, path)
                people = CodedTexts(np.zeros(len(data), dtype=np.int32), [whose, None])
            yield people, np.stack([starts, stops, words.of(labels)])
            first_row += len(data)


def _whose(rule: Rule, root: Path | None, path: Path) -> str:
    """Give whose labels a file holds by its name; anyone's where it need not say."""
    kind, pattern = rule
    if kind == "any":
        return ANYONE
    try:
        return of_path(("file" if kind == "any_file" else kind, pattern), root, path, "subject")
    except DataError:
        if kind == "any_file":
            return ANYONE
        raise


def _times(
    path: Path,
    data: pa.Table,
    notes: TableAnnotations,
    first_row: int,
    states: tuple[ClockState, ClockState],
) -> tuple[np.ndarray, np.ndarray]:
    """Give when labels start and stop; NaN where they last up to the next one."""
    layout, clock = notes.source.layout, notes.source.clock
    starts = times_s(data, clock, path, layout, first_row, states[0])
    stops = np.full(len(starts), np.nan)
    if notes.stop:
        stop = replace(clock, columns=(notes.stop,))
        stops = times_s(data, stop, path, layout, first_row, states[1])
    elif notes.duration:
        lasts = numbers(data, notes.duration, path, layout, first_row)
        stops = starts + lasts * TIME_UNITS[notes.duration_unit]
    elif notes.lasts_s:
        stops = starts + notes.lasts_s
    if (back := np.flatnonzero(stops < starts)).size:
        place = Place(path.name, notes.stop or notes.duration or clock.name, first_row)
        raise place.error(int(back[0]), "the label stops before it starts")
    return starts, stops


def _in_order(rows: np.ndarray, words: list[str]) -> PersonLabels:
    """Sort labels, and end those without a stop where the next one starts.

    A row without a text is none, but what went before ends there.
    """
    starts, stops, codes = rows[:, np.argsort(rows[0], kind="stable")]
    stops = np.where(np.isnan(stops), np.append(starts[1:], np.inf), stops)
    there = codes != NO_TEXT
    return PersonLabels(starts[there], stops[there], codes[there].astype(np.int32), words)
