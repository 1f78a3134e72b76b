"""The rows of one CSV or Parquet file: times, values by modality, labels and subjects.

What marks a missing value is empty, and what cannot be in its unit is taken as empty (see
`plausible`). A modality whose columns are all empty in a file is absent there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.errors import DataError, SpecError, listed
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import measured_values
from sensor2llm.signals.scale import check_track_scale
from sensor2llm.signals.spec import canonical_unit
from sensor2llm.signals.tables.columns import column_names, numbers, read_columns, texts, times_s
from sensor2llm.signals.tables.description import SAMPLES, Table, TableClock, TableModality
from sensor2llm.signals.tables.file_facts import of_path, start_of
from sensor2llm.signals.tables.formats.text import WORDS
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.keys.origin import label_key
from sensor2llm.signals.tables.times import DATE_UNITS, FORMAT, Place


@dataclass(frozen=True, eq=False)
class TableRows:
    """Hold one file's columns: times in seconds, values by modality, label and subject a row."""

    path: Path
    times_s: np.ndarray
    values: dict[str, np.ndarray]
    labels: np.ndarray
    subjects: np.ndarray

    def part(self, rows: np.ndarray | slice) -> "TableRows":
        """Keep these rows."""
        return TableRows(
            path=self.path,
            times_s=self.times_s[rows],
            values={name: values[:, rows] for name, values in self.values.items()},
            labels=self.labels[rows],
            subjects=self.subjects[rows],
        )


def read_rows(
    path: Path, table: Table, ledger: Ledger, columns: pa.Table | None = None
) -> TableRows:
    """Read and check the columns of one file, or of a table in memory."""
    layout, clock = table.layout, table.clock
    with on_disk(path) as place:
        # Reading the names unpacks the file: only where they say which columns are there.
        looked = columns is None and (table.partial or any(m.optional for m in table.modalities))
        there = column_names(place, layout) if looked else getattr(columns, "column_names", ())
        entries = [m for m in table.modalities if not m.optional or _has(m, there)]
        extra = [rule[1] for rule in (table.label, table.subject) if rule and rule[0] == "column"]
        if table.partial and table.label and table.label[1] in {*extra} - {*there}:
            extra.remove(table.label[1])
        names = [column for m in entries for column in m.columns] + [*clock.columns, *extra]
        data = (
            columns
            if columns is not None
            else read_columns(place, names, layout, _kinds(clock, extra))
        )
        start_s = start_of(clock, path, place, layout)
    if table.partial:
        data = _without_end(data, [*clock.columns, *(c for m in entries for c in m.columns)])
    values = {}
    for entry in entries:
        rows = np.stack([numbers(data, column, path, layout) for column in entry.columns])
        if (checked := _checked(rows, entry, table, path, ledger)) is not None:
            values[entry.modality.name] = checked
    if not values:
        raise DataError(f"{path.name} has no number in any column of the description")
    return TableRows(
        path=path,
        times_s=_times_s(data, values, table, path) + start_s,
        values=values,
        labels=_labels(data, table, path),
        subjects=_people(data, table, path),
    )


def _without_end(data: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Leave out the rows behind the last that has a time or a value: a longer neighbour's."""
    empty = np.ones(len(data), dtype=bool)
    for column in columns:
        empty &= data[column].is_null().to_numpy()
    filled = np.flatnonzero(~empty)
    return data.slice(0, int(filled[-1]) + 1) if filled.size else data


def _has(entry: TableModality, names: Sequence[str]) -> bool:
    return (entry.array in names) if entry.array else set(entry.columns) <= set(names)


def _kinds(clock: TableClock, words: Sequence[str]) -> dict[str, pa.DataType | None]:
    """Give the types of columns that are no measured numbers."""
    dated = clock.unit in (*DATE_UNITS, FORMAT)
    return dict.fromkeys(clock.columns, pa.string() if dated else None) | dict.fromkeys(
        words, WORDS
    )


def _times_s(data: pa.Table, values: dict[str, np.ndarray], table: Table, path: Path) -> np.ndarray:
    clock = table.clock
    if clock.unit != SAMPLES and clock.columns:
        return times_s(data, clock, path, table.layout)
    if not clock.columns:
        return _clock_s(values, table, len(data), path) + clock.offset_s
    counts = numbers(data, clock.columns[0], path, table.layout)
    if (empty := np.flatnonzero(np.isnan(counts))).size:
        place = Place(path.name, clock.name)
        raise place.error(int(empty[0]), "the number of the sample is missing")
    return counts / _rate_hz(table, path) + clock.offset_s


def _rate_hz(table: Table, path: Path) -> float:
    rates = {entry.rate_hz for entry in table.modalities if entry.rate_hz}
    if table.clock.rate_hz:
        return table.clock.rate_hz
    if len(rates) != 1:
        raise DataError(
            f"{path.name}: which rate does {table.clock.name!r} count at? write rate_hz into time"
        )
    return rates.pop()


def _labels(data: pa.Table, table: Table, path: Path) -> np.ndarray:
    none = np.full(len(data), None, dtype=object)
    if not (table.label and table.labelled):
        return none
    kind, rule = table.label
    if kind != "column":
        cells = np.array([of_path(table.label, table.root, path, "label")], dtype=object)
        return np.repeat(label_texts(cells, table.labels, rule, path, table.exclude), len(data))
    if rule not in data.column_names:
        return none
    cells = texts(data, rule, path, table.layout)
    return label_texts(cells, table.labels, rule, path, table.exclude)


def _people(data: pa.Table, table: Table, path: Path) -> np.ndarray:
    kind, rule = table.subject
    if kind == "column":
        return subject_texts(texts(data, rule, path, table.layout), path)
    return np.full(len(data), of_path(table.subject, table.root, path, "subject"), dtype=object)


def _clock_s(values: dict[str, np.ndarray], table: Table, rows: int, path: Path) -> np.ndarray:
    """Give a clock to rows without one: from their rate, their intervals, or their number."""
    rates = {entry.rate_hz for entry in table.modalities if entry.rate_hz}
    if table.clock.rate_hz:
        rates = {table.clock.rate_hz}
    if len(rates) > 1:
        raise DataError(
            f"{path.name} needs a time column, such as time_s: its modalities have different rates"
        )
    if rates:
        return np.arange(rows, dtype=np.float64) / rates.pop()
    for entry in table.modalities:
        first, name = entry.modality.channels[0], entry.modality.name
        scale = {"s": 1.0, "ms": 1e-3}.get(canonical_unit(first.unit))
        if entry.modality.axis == "event" and scale and name in values:
            intervals = values[name][0] * scale
            return np.cumsum(np.where(np.isnan(intervals), np.nanmedian(intervals), intervals))
    return np.arange(rows, dtype=np.float64)


def _checked(
    values: np.ndarray, entry: TableModality, table: Table, path: Path, ledger: Ledger
) -> np.ndarray | None:
    """Give what was measured, None where nothing was; refuse an empty channel or another unit."""
    try:
        values = measured_values(
            values, entry.modality, entry.columns, table.layout.missing, ledger, scale=entry.scale
        )
        measured = np.isfinite(values).any(axis=1)
        if not measured.any():
            return None
        check_track_scale(entry.modality, values)
    except (DataError, SpecError) as error:
        raise type(error)(f"{path.name}: {error}") from error
    if not measured.all():
        column = entry.columns[int(np.flatnonzero(~measured)[0])]
        raise DataError(
            f"{path.name}: column {column!r} of '{entry.modality.name}' has no number at all (NaN "
            "only); mend the file or take the column out of the description"
        )
    return values


def label_texts(
    cells: np.ndarray,
    labels: Mapping[str, str] | None,
    column: str,
    path: Path,
    exclude: Sequence[str] = (),
) -> np.ndarray:
    """Give the label text of each cell of the label column; an empty cell has none.

    A cell that is to be left out needs no text.
    """
    words = {cell: label_key(cell) for cell in dict.fromkeys(cells) if cell is not None}
    if labels is not None:
        # YAML's truth values are true and false; Python's tables write True and False.
        for cell, key in words.items():
            if key not in labels and key.lower() in ("true", "false"):
                words[cell] = key.lower()
        for cell, key in words.items():
            if key not in labels and key not in exclude:
                row = cells.tolist().index(cell)
                raise DataError(
                    f"{path.name}: row {row + 1}, column {column!r}: unknown "
                    f"label {cell[:60]!r}; labels has {listed(list(labels))}"
                )
        words = {cell: labels.get(key, key) for cell, key in words.items()}
    return _exchanged(cells, words)


def subject_texts(cells: np.ndarray, path: Path) -> np.ndarray:
    """Check that every row has a subject; 1.0 and 1 are one person."""
    people = dict.fromkeys(cells)
    if None in people:
        raise DataError(f"{path.name}: row {cells.tolist().index(None) + 1} has no subject")
    return _exchanged(cells, {cell: label_key(cell) for cell in people})


def _exchanged(cells: np.ndarray, words: Mapping[str, str]) -> np.ndarray:
    """Give the word of each cell; cells that are words already stay as they are."""
    if all(cell == word for cell, word in words.items()):
        return cells
    return np.array([words.get(cell) for cell in cells.tolist()], dtype=object)
