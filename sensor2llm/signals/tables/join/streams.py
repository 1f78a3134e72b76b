"""Sensors whose files or clocks are their own, joined on time, person by person."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.tables.columns import column_names
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.file_facts import of_path
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.join.files import find_files
from sensor2llm.signals.tables.recordings import Stream, check_forward
from sensor2llm.signals.tables.rows import TableRows, read_rows

logger = logging.getLogger(__name__)


def person_streams(table: Table, ledger: Ledger) -> Iterator[list[Stream]]:
    """Give the rows of each person, a stream for the files of each source.

    Where the files' names say whose they are, one person is in memory at a time.

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
        people: dict[str, dict[int, list[TableRows]]] = defaultdict(lambda: defaultdict(list))
        for i, path in group:
            for rows in _by_person(read_rows(path, parts[i], ledger)):
                check_forward(rows, slice(0, len(rows.times_s)), parts[i])
                people[str(rows.subjects[0])][i].append(rows)
        for person, sources in people.items():
            streams = [Stream(_in_order(rows), parts[i]) for i, rows in sorted(sources.items())]
            _tell(person, streams, [part for i, part in enumerate(parts) if i not in sources])
            yield streams


class SensorsApart:
    """Warn where two files hold different sensors of one person at the same time.

    Each is cut on its own, so that every window lacks half of the sensors: as files of their own
    modalities they would be joined.
    """

    def __init__(self) -> None:
        self._before: dict[str, TableRows] = {}
        self._told = False

    def see(self, rows: TableRows) -> None:
        """Compare a file with the one before it of the same person."""
        person = str(rows.subjects[0])
        before = self._before.get(person)
        # Only what the comparison needs stays in memory.
        self._before[person] = replace(
            rows.part(np.array([0, -1])),
            values={name: rows.values[name][:, :0] for name in rows.values},
        )
        if self._told or before is None or set(before.values) & set(rows.values):
            return
        if before.times_s[0] <= rows.times_s[-1] and rows.times_s[0] <= before.times_s[-1]:
            self._told = True
            logger.warning(
                "%s has %s and %s has %s of %s at the same time, and no window has both: give each "
                "modality its own files: and they are joined",
                before.path.name, ", ".join(before.values), rows.path.name, ", ".join(rows.values),
                person,
            )  # fmt: skip


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


def _by_person(rows: TableRows) -> Iterator[TableRows]:
    """Split rows by person, each in the file's order."""
    people = np.array([str(person) for person in rows.subjects])
    for person in dict.fromkeys(people.tolist()):
        yield rows.part(np.flatnonzero(people == person))


def _in_order(files: Sequence[TableRows]) -> TableRows:
    """Put the files of one person and source one after the other."""
    files = sorted(files, key=lambda rows: float(rows.times_s[0]))
    for before, after in pairwise(files):
        if after.times_s[0] < before.times_s[-1]:
            raise DataError(
                f"{before.path.name} and {after.path.name} of {after.subjects[0]} hold the same "
                "sensors at the same time; give each device its own modality and files"
            )
    names = dict.fromkeys(name for rows in files for name in rows.values)
    if len(files) == 1:
        return files[0]
    return TableRows(
        path=files[0].path,
        times_s=np.concatenate([rows.times_s for rows in files]),
        values={name: np.concatenate([_values(rows, name, files) for rows in files], axis=1)
                for name in names},
        labels=np.concatenate([rows.labels for rows in files]),
        subjects=np.concatenate([rows.subjects for rows in files]),
    )  # fmt: skip


def _values(rows: TableRows, name: str, files: Sequence[TableRows]) -> np.ndarray:
    if name in rows.values:
        return rows.values[name]
    channels = next(len(other.values[name]) for other in files if name in other.values)
    return np.full((channels, len(rows.times_s)), np.nan)


def _tell(person: str, streams: Sequence[Stream], absent: Sequence[Table]) -> None:
    """Warn of sensors that a person has no file of, or that were never on at the same time."""
    for part in absent:
        logger.warning(
            "%s has no file of %s (%s): no window of this person has it",
            person, ", ".join(part.spec.names), ", ".join(part.files),
        )  # fmt: skip
    ends = [(rows.times_s[0], rows.times_s[-1], part) for rows, part in streams]
    for i, (start, stop, part) in enumerate(ends):
        others = ends[:i] + ends[i + 1 :]
        if others and all(stop < first or last < start for first, last, _ in others):
            logger.warning(
                "%s of %s is from %.10g to %.10g s, and no other sensor is on then; are unit, zone "
                "and offset_s of its time right?",
                ", ".join(part.spec.names), person, start, stop,
            )  # fmt: skip
