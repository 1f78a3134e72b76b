"""Read the rows of one CSV or Parquet file, or of a table in memory, chunk by chunk.

What marks a missing value is empty, and what cannot be in its unit is taken as empty (see
`plausible`). A modality whose columns are all empty in a file is absent there.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import MeasuredValues
from sensor2llm.signals.scale import ScaleSample
from sensor2llm.signals.tables.columns import (
    CodedTexts,
    coded_texts,
    column_chunks,
    column_names,
    numbers,
)
from sensor2llm.signals.tables.description import Table, TableClock, TableModality
from sensor2llm.signals.tables.file_facts import of_path, start_of
from sensor2llm.signals.tables.formats.text import WORDS
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.rows.file_clock import FileClock
from sensor2llm.signals.tables.rows.rows import NO_TEXT, TableRows, TextNumbers
from sensor2llm.signals.tables.rows.texts import label_words, subject_words
from sensor2llm.signals.tables.times import DATE_UNITS, FORMAT


def read_rows(
    path: Path,
    table: Table,
    ledger: Ledger,
    texts: TextNumbers,
    columns: pa.Table | None = None,
) -> Iterator[TableRows]:
    """Read and check the columns of one file, or of a table in memory, chunk by chunk."""
    layout, clock = table.layout, table.clock
    with on_disk(path) as place:
        # Where they say which columns are there, the names are looked at first.
        looked = columns is None and (table.partial or any(m.optional for m in table.modalities))
        there = column_names(place, layout) if looked else getattr(columns, "column_names", ())
        entries = [m for m in table.modalities if not m.optional or _has(m, there)]
        extra = [rule[1] for rule in (table.label, table.subject) if rule and rule[0] == "column"]
        if table.partial and table.label and table.label[1] in {*extra} - {*there}:
            extra.remove(table.label[1])
        names = [column for m in entries for column in m.columns] + [*clock.columns, *extra]
        chunks = iter([columns]) if columns is not None else column_chunks(
            place, names, layout, _kinds(clock, extra))  # fmt: skip
        if table.partial:
            chunks = _without_end(
                chunks, [*clock.columns, *(c for m in entries for c in m.columns)]
            )
        yield from _FileReader(path, place, table, entries, ledger, texts).read(chunks)


def _without_end(chunks: Iterator[pa.Table], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Leave out the rows behind the last that has a time or a value: a longer neighbour's."""
    held: list[pa.Table] = []
    filled_before = False
    for data in chunks:
        empty = np.ones(len(data), dtype=bool)
        for column in columns:
            empty &= data[column].is_null().to_numpy()
        filled = np.flatnonzero(~empty)
        end = int(filled[-1]) + 1 if filled.size else 0
        if end:
            yield from held
            yield data.slice(0, end)
            held, filled_before = [], True
        if end < len(data):
            held.append(data.slice(end))
    if not filled_before:
        yield from held


def _has(entry: TableModality, names: Sequence[str]) -> bool:
    return (entry.array in names) if entry.array else set(entry.columns) <= set(names)


def _kinds(clock: TableClock, words: Sequence[str]) -> dict[str, pa.DataType | None]:
    """Give the types of columns that are no measured numbers."""
    dated = clock.unit in (*DATE_UNITS, FORMAT)
    return dict.fromkeys(clock.columns, pa.string() if dated else None) | dict.fromkeys(
        words, WORDS
    )


class _FileReader:
    """Turn the chunks of one file's columns into rows, and look at them as a whole at the end."""

    def __init__(
        self,
        path: Path,
        place: Path,
        table: Table,
        entries: Sequence[TableModality],
        ledger: Ledger,
        texts: TextNumbers,
    ) -> None:
        self.path, self.place, self.table, self.texts = path, place, table, texts
        self.checks = [_ModalityCheck(entry, table, path, ledger) for entry in entries]
        self.clock = FileClock(table, path)

    def read(self, chunks: Iterator[pa.Table]) -> Iterator[TableRows]:
        """Give the rows, the last of them once the whole file was looked at."""
        before, first_row, start_s = None, 0, None
        for data in chunks:
            if start_s is None:
                clock = self.table.clock
                start_s = start_of(clock, self.path, self.place, self.table.layout)
            if before is not None:
                yield before
            before = self._rows(data, first_row, start_s)
            first_row += len(data)
        self.clock.finish()
        if not [check for check in self.checks if check.finish()]:
            raise DataError(f"{self.path.name} has no number in any column of the description")
        if before is not None:
            yield before

    def _rows(self, data: pa.Table, first_row: int, start_s: float) -> TableRows:
        values = {}
        for check in self.checks:
            rows = [numbers(data, column, self.path, self.table.layout, first_row)
                    for column in check.entry.columns]  # fmt: skip
            values[check.entry.modality.name] = check.take(np.stack(rows))
        return TableRows(
            path=self.path,
            times_s=self.clock.times_s(data, values, first_row) + start_s,
            values=values,
            labels=self._labels(data, first_row),
            subjects=self._people(data, first_row),
            numbers=self.texts,
            first_row=first_row,
        )

    def _labels(self, data: pa.Table, first_row: int) -> np.ndarray:
        table, path = self.table, self.path
        kind, rule = table.label or ("", "")
        if not (kind and table.labelled) or (kind == "column" and rule not in data.column_names):
            return np.full(len(data), NO_TEXT, dtype=np.int32)
        if kind == "column":
            column = coded_texts(data, rule, path, table.layout)
        else:
            column = _same(of_path((kind, rule), table.root, path, "label"), len(data))
        words = label_words(column, table.labels, rule, path, table.exclude, first_row)
        return self.texts.of(words)

    def _people(self, data: pa.Table, first_row: int) -> np.ndarray:
        kind, rule = self.table.subject
        if kind == "column":
            column = coded_texts(data, rule, self.path, self.table.layout)
            return self.texts.of(subject_words(column, self.path, first_row))
        person = of_path(self.table.subject, self.table.root, self.path, "subject")
        return self.texts.of(_same(person, len(data)))


class _ModalityCheck:
    """Take out what was not measured; refuse an empty channel or another unit at the end."""

    def __init__(self, entry: TableModality, table: Table, path: Path, ledger: Ledger) -> None:
        self.entry, self.path, missing = entry, path, table.layout.missing
        self._measured = MeasuredValues(
            entry.modality, entry.columns, missing, ledger, scale=entry.scale
        )
        self._sample = ScaleSample(entry.modality)

    def take(self, values: np.ndarray) -> np.ndarray:
        """Give a chunk of what was measured."""
        values = self._measured.take(values)
        self._sample.see(values)
        return values

    def finish(self) -> bool:
        """Say whether anything was measured."""
        finite, modality = self._measured.finite, self.entry.modality
        try:
            self._measured.check()
            if finite.any():
                self._sample.check()
        except (DataError, SpecError) as error:
            raise type(error)(f"{self.path.name}: {error}") from error
        if finite.any() and not finite.all():
            column = self.entry.columns[int(np.flatnonzero(finite == 0)[0])]
            raise DataError(
                f"{self.path.name}: column {column!r} of '{modality.name}' has no number at all "
                "(NaN only); mend the file or take the column out of the description"
            )
        return bool(finite.any())


def _same(text: str, rows: int) -> CodedTexts:
    return CodedTexts(np.zeros(rows, dtype=np.int32), [text, None])
