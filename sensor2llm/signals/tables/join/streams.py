"""Sensors whose files or clocks are their own, joined on time, person by person."""

import logging
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.tables.columns import column_names
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.file_facts import of_path
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.join.files import find_files
from sensor2llm.signals.tables.recordings import Stream
from sensor2llm.signals.tables.rows.file_rows import read_rows
from sensor2llm.signals.tables.rows.people import check_forward, of_each_person
from sensor2llm.signals.tables.rows.rows import TableRows, TextNumbers
from sensor2llm.signals.tables.rows.spill import RowSpill

logger = logging.getLogger(__name__)


def person_streams(table: Table, ledger: Ledger) -> Iterator[list[Stream]]:
    """Give the rows of each person, a stream for the files of each source.

    Where the files' names say whose they are, one person's files are read at a time. Rows that do
    not fit into memory wait on the disk.

    Raises:
        DataError: for files of one source and person that overlap in time.
    """
    parts = table.by_source()
    files = [(i, path) for i, part in enumerate(parts) for path in find_files(part)]
    _check_label(table, [(parts[i], path) for i, path in dict(files[::-1]).items()])
    if any(part.subject[0] == "column" for part in parts):
        groups = [files]
    else:
        by_name: dict[str, list[tuple[int, Path]]] = defaultdict(list)
        for i, path in files:
            by_name[of_path(parts[i].subject, table.root, path, "subject")].append((i, path))
        groups = list(by_name.values())
    for group in groups:
        with RowSpill() as spill:
            people = _spilled(group, parts, ledger, spill)
            for person, sources in people.items():
                spans = {i: _in_order(files) for i, files in sorted(sources.items())}
                _tell(person, [(spans[i], parts[i]) for i in spans],
                      [part for i, part in enumerate(parts) if i not in spans])  # fmt: skip
                yield [Stream(_read_back(spans[i], spill), parts[i]) for i in spans]


class FileSpan(NamedTuple):
    """Say from when to when a file has rows of a person."""

    first_s: float
    last_s: float
    path: Path
    person: str
    key: Hashable


def _spilled(
    files: Sequence[tuple[int, Path]], parts: Sequence[Table], ledger: Ledger, spill: RowSpill
) -> dict[str, dict[int, list[FileSpan]]]:
    """Read files, put their rows aside by person and file, and give who has which."""
    people: dict[str, dict[int, list[FileSpan]]] = defaultdict(lambda: defaultdict(list))
    texts = TextNumbers()
    for number, (i, path) in enumerate(files):
        last_s: dict[str, float] = {}
        for chunk in read_rows(path, parts[i], ledger, texts):
            for rows in of_each_person(chunk):
                person, key = rows.person, (rows.person, number)
                check_forward(rows, last_s.get(person, -np.inf), parts[i])
                last_s[person] = float(rows.times_s[-1])
                spans = people[person][i]
                if not spans or spans[-1].key != key:
                    spans.append(FileSpan(float(rows.times_s[0]), 0.0, path, person, key))
                spans[-1] = spans[-1]._replace(last_s=last_s[person])
                spill.add(key, rows)
    return people


def _read_back(spans: Sequence[FileSpan], spill: RowSpill) -> Iterator[TableRows]:
    for span in spans:
        yield from spill.rows(span.key)


class SensorsApart:
    """Warn where two files hold different sensors of one person at the same time.

    Each is cut on its own, so that every window lacks half of the sensors: as files of their own
    modalities they would be joined.
    """

    def __init__(self) -> None:
        self._before: dict[str, _Sensors] = {}
        self._told = False

    def watch(self, chunks: Iterator[TableRows]) -> Iterator[TableRows]:
        """Give a file's rows, and then compare it with the one before it of the same person."""
        first: TableRows | None = None
        names: dict[str, None] = {}
        last_s = 0.0
        for rows in chunks:
            first = first or rows.part(slice(0, 1))
            names |= {name: None for name, values in rows.values.items()
                      if name not in names and np.isfinite(values).any()}  # fmt: skip
            last_s = float(rows.times_s[-1])
            yield rows
        if first is not None:
            span = (float(first.times_s[0]), last_s)
            self._compare(_Sensors(first.path, first.person, *span, tuple(names)))

    def _compare(self, now: "_Sensors") -> None:
        before = self._before.get(now.person)
        self._before[now.person] = now
        if self._told or before is None or set(before.names) & set(now.names):
            return
        if before.first_s <= now.last_s and now.first_s <= before.last_s:
            self._told = True
            logger.warning(
                "%s has %s and %s has %s of %s at the same time, and no window has both: give each "
                "modality its own files: and they are joined",
                before.path.name, ", ".join(before.names), now.path.name, ", ".join(now.names),
                now.person,
            )  # fmt: skip


class _Sensors(NamedTuple):
    path: Path
    person: str
    first_s: float
    last_s: float
    names: tuple[str, ...]


def _check_label(table: Table, firsts: Sequence[tuple[Table, Path]]) -> None:
    """Refuse a column of labels that the first file of no source has."""
    kind, column = table.label or ("", "")
    if kind != "column" or not table.labelled:
        return
    for part, path in firsts:
        with on_disk(path) as place:
            if column in column_names(place, part.layout):
                return
    raise DataError(f"no file of any sensor has the column {column[:60]!r} of the label")


def _in_order(spans: Sequence[FileSpan]) -> list[FileSpan]:
    """Sort the files of one person and source by time; they must not overlap."""
    spans = sorted(spans, key=lambda span: span.first_s)
    for before, after in pairwise(spans):
        if after.first_s < before.last_s:
            raise DataError(
                f"{before.path.name} and {after.path.name} of {after.person} hold the same "
                "sensors at the same time; give each device its own modality and files"
            )
    return spans


def _tell(
    person: str, sources: Sequence[tuple[list[FileSpan], Table]], absent: Sequence[Table]
) -> None:
    """Warn of sensors that a person has no file of, or that were never on at the same time."""
    for part in absent:
        logger.warning(
            "%s has no file of %s (%s): no window of this person has it",
            person, ", ".join(part.spec.names), ", ".join(part.files),
        )  # fmt: skip
    ends = [(spans[0].first_s, spans[-1].last_s, part) for spans, part in sources]
    for i, (start, stop, part) in enumerate(ends):
        others = ends[:i] + ends[i + 1 :]
        if others and all(stop < first or last < start for first, last, _ in others):
            logger.warning(
                "%s of %s is from %.10g to %.10g s, and no other sensor is on then; are unit, zone "
                "and offset_s of its time right?",
                ", ".join(part.spec.names), person, start, stop,
            )  # fmt: skip
