"""The rows of one CSV or Parquet file: times, values by modality, labels and subjects.

What marks a missing value is empty, and what cannot be in its unit is taken as empty (see
`plausible`). A modality whose columns are all empty in a file is absent there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sensor2llm.errors import DataError, SpecError, listed
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import measured_values
from sensor2llm.signals.scale import check_track_scale
from sensor2llm.signals.spec import canonical_unit
from sensor2llm.signals.tables.description import Table, TableModality
from sensor2llm.signals.tables.text_file import column_names, numbers, read_columns, texts, times_s


@dataclass(frozen=True, eq=False)
class TableRows:
    """Hold one file's columns: times in seconds, values by modality, label and subject a row."""

    path: Path
    times_s: np.ndarray
    values: dict[str, np.ndarray]
    labels: np.ndarray
    subjects: np.ndarray

    def part(self, rows: np.ndarray) -> "TableRows":
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
    """Read and check the columns of one CSV or Parquet file, or of a table in memory."""
    layout = table.layout
    there = column_names(path, layout) if columns is None else columns.column_names
    entries = [m for m in table.modalities if not m.optional or set(m.columns) <= set(there)]
    kind, subject = table.subject
    extra = [*table.time, table.label, subject if kind == "column" else None]
    names = [column for m in entries for column in m.columns] + [name for name in extra if name]
    data = read_columns(path, names, layout) if columns is None else columns
    values = {}
    for entry in entries:
        rows = np.stack([numbers(data, column, path, layout) for column in entry.columns])
        if (checked := _checked(rows, entry, table, path, ledger)) is not None:
            values[entry.modality.name] = checked
    if not values:
        raise DataError(f"{path.name} has no number in any column of the description")
    no_labels = np.full(len(data), None, dtype=object)
    return TableRows(
        path=path,
        times_s=times_s(data, table.time, table.time_unit, path, layout)
        if table.time
        else _clock_s(values, table, len(data), path),
        values=values,
        labels=label_texts(texts(data, table.label, path, layout), table.labels, table.label, path)
        if table.label and table.labelled
        else no_labels,
        subjects=subject_texts(texts(data, subject, path, layout), path)
        if kind == "column"
        else np.full(len(data), fixed_subject(table.subject, table.root, path), dtype=object),
    )


def _clock_s(values: dict[str, np.ndarray], table: Table, rows: int, path: Path) -> np.ndarray:
    """Give a clock to rows without one: from their rate, their intervals, or their number."""
    rates = {entry.rate_hz for entry in table.modalities if entry.rate_hz}
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
            values, entry.modality, entry.columns, table.layout.missing, ledger
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


def label_key(cell: str) -> str:
    """Give one spelling of a code: 1.0 is 1, as tables with empty cells write it."""
    return cell.partition(".")[0] if re.fullmatch(r"[-+]?\d+\.0*", cell) else cell


def label_texts(
    cells: np.ndarray, labels: Mapping[str, str] | None, column: str, path: Path
) -> np.ndarray:
    """Give the label text of each cell of the label column; an empty cell has none."""
    words = {cell: label_key(cell) for cell in dict.fromkeys(cells.tolist()) if cell is not None}
    if labels is not None:
        # YAML's truth values are true and false; Python's tables write True and False.
        for cell, key in words.items():
            if key not in labels and key.lower() in ("true", "false"):
                words[cell] = key.lower()
        for cell, key in words.items():
            if key not in labels:
                row = cells.tolist().index(cell)
                raise DataError(
                    f"{path.name}: row {row + 1}, column {column!r}: unknown "
                    f"label {cell[:60]!r}; labels has {listed(list(labels))}"
                )
        words = {cell: labels[key] for cell, key in words.items()}
    return np.array([words.get(cell) for cell in cells.tolist()], dtype=object)


def subject_texts(cells: np.ndarray, path: Path) -> np.ndarray:
    """Check that every row has a subject; 1.0 and 1 are one person."""
    if None in (subjects := cells.tolist()):
        raise DataError(f"{path.name}: row {subjects.index(None) + 1} has no subject")
    people = {cell: label_key(cell) for cell in dict.fromkeys(subjects)}
    return np.array([people[cell] for cell in subjects], dtype=object)


def fixed_subject(subject: tuple[str, str], root: Path | None, path: Path) -> str:
    """Give the subject of a whole file: the fixed one, or what a pattern finds in its name.

    Where the file's name does not have it, the folders below `root`, the searched one, are looked
    at, the nearest first.
    """
    kind, rule = subject
    if kind != "file":
        return rule
    folders = path.parts[:-1]
    if root is not None and path.is_relative_to(root):
        folders = path.relative_to(root).parts[:-1]
    names = pa.array([path.name, *reversed(folders)])
    try:
        fits = pc.match_substring_regex(names, rule)
        within = 1 if re.compile(rule).groups == 0 else 2
        subjects = pc.replace_substring_regex(names, f"(?s)^.*?({rule}).*$", rf"\{within}")
    except (re.error, pa.ArrowInvalid, RecursionError, OverflowError) as error:
        raise SpecError(f"subject {{file: {rule[:60]}}} is no pattern: {error}") from error
    name = next((s for s, fit in zip(subjects.to_pylist(), fits.to_pylist(), strict=True)
                 if fit), None)  # fmt: skip
    if not name:
        where = " or its folders'" if folders else ""
        raise DataError(
            f"{path.name}: subject {{file: {rule[:60]}}} does not fit the file's name{where}"
        )
    return str(name)
