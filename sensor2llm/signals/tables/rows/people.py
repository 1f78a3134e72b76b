"""The rows of a file person by person, each in the file's order.

Rows of one person that follow each other are a run. Where people's rows alternate, so that runs are
shorter than a window, all of a file's rows are sorted by person, on the disk.
"""

import logging
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, pairwise
from operator import attrgetter

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.rows.rows import TableRows
from sensor2llm.signals.tables.rows.spill import RowSpill

logger = logging.getLogger(__name__)


def runs_of_people(chunks: Iterable[TableRows], table: Table) -> Iterator[Iterator[TableRows]]:
    """Give the rows of each run of a person, chunk by chunk.

    Raises:
        DataError: for rows of a run whose time goes back.
    """
    for _, run in groupby(_runs(iter(chunks), table), attrgetter("person")):
        yield _forward(run, table)


def _forward(chunks: Iterable[TableRows], table: Table) -> Iterator[TableRows]:
    last_s = -np.inf
    for rows in chunks:
        check_forward(rows, last_s, table)
        last_s = float(rows.times_s[-1])
        yield rows


def check_forward(rows: TableRows, last_s: float, table: Table) -> None:
    """Refuse rows of one person whose time goes back; `last_s` is that of the row before them."""
    back = np.flatnonzero(np.diff(rows.times_s, prepend=last_s) < 0)
    if back.size:
        row = int(back[0])
        before = rows.times_s[row - 1] if row else last_s
        raise DataError(
            f"{rows.path.name}: row {rows.first_row + row + 1}, column {table.clock.name!r}: time "
            f"goes back from {before:.10g} to {rows.times_s[row]:.10g} s; sort the rows, or split "
            "the file there"
        )


def _runs(chunks: Iterator[TableRows], table: Table) -> Iterator[TableRows]:
    rows_seen, runs, people, before = 0, 0, set[int](), -1
    for rows in chunks:
        people |= set(np.unique(rows.subjects).tolist())
        runs += int((np.diff(rows.subjects, prepend=before) != 0).sum())
        rows_seen, before = rows_seen + len(rows.subjects), int(rows.subjects[-1])
        if runs > 2 * len(people) and rows_seen < _window_rows(table) * runs:
            yield from _sorted_by_person(rows, chunks)
            return
        yield from _split_people(rows)


def _split_people(rows: TableRows) -> Iterator[TableRows]:
    """Split rows where the person changes."""
    changes = np.flatnonzero(rows.subjects[1:] != rows.subjects[:-1]) + 1
    if not changes.size:
        yield rows
        return
    bounds = [0, *changes.tolist(), len(rows.subjects)]
    for first, end in pairwise(bounds):
        yield rows.part(slice(first, end))


def of_each_person(rows: TableRows) -> Iterator[TableRows]:
    """Split rows by person, each in the file's order."""
    people = list(dict.fromkeys(rows.subjects.tolist()))
    for person in people:
        yield rows if len(people) == 1 else rows.part(np.flatnonzero(rows.subjects == person))


def _sorted_by_person(first: TableRows, chunks: Iterator[TableRows]) -> Iterator[TableRows]:
    with RowSpill() as spill:
        for rows in chain([first], chunks):
            for part in of_each_person(rows):
                spill.add(part.person, part)
        people = spill.keys
        logger.warning(
            "%s: the rows of %d people alternate; they are sorted by person in %s",
            first.path.name, len(people), spill.where,
        )  # fmt: skip
        for person in people:
            yield from spill.rows(person)


def _window_rows(table: Table) -> float:
    """Give how many rows a window takes; 0 where each row is one."""
    rates = [entry.rate_hz for entry in table.modalities if entry.rate_hz]
    if rates and table.spec.window_s:
        return max(rates) * table.spec.window_s
    return max((m.steps for m in table.spec.modalities if m.axis == "event"), default=0)
