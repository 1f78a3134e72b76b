"""Read one's own CSV, Parquet or .npz files, described by a small YAML (see `table_config`).

What is done with a file's rows:
- Rows of one subject that follow each other are a recording; a pause longer than a window (and than
  `max_gap_s`) splits it. No window spans a pause that is not bridged.
- Rows that share a time are spread over the interval up to the next one (see `shared_stamps`);
  time that goes back is an error.
- What marks a missing value is empty, and what cannot be in its unit is taken as empty (see
  `plausible`).
- A cell may be empty: a sensor that is slower than the rows simply fills fewer of them. Each
  modality is put on its own regular clock; pauses up to `max_gap_s` (three steps, 0.1 s at least)
  are bridged linearly. Beats and other events are never left out: where there is no time axis, an
  empty cell is a missing event.
- A modality whose columns are all empty in a file is absent there.

A ledger counts all of it: every row of every file is kept, or dropped for a reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.errors import DataError, SpecError, listed
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import measured_values
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.shared_stamps import spread_stamps
from sensor2llm.signals.spec import canonical_unit
from sensor2llm.signals.tables.config import Table, TableModality, load
from sensor2llm.signals.tables.npz import npz_spec, npz_windows
from sensor2llm.signals.tables.people import fixed_subject, label_texts, subject_texts
from sensor2llm.signals.tables.rates import check_rates
from sensor2llm.signals.tables.text_file import (
    column_names,
    numbers,
    read_columns,
    texts,
    times_s,
)
from sensor2llm.signals.transforms import check_track_scale, resample_irregular, segment
from sensor2llm.signals.window import Annotation, Recording, Track, Window

# Rows of people who alternate more often than so many times, after fewer rows than so many.
_MANY_CHANGES, _FEW_ROWS = 1000, 8


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


def read(description: Path, folder: Path | None, options: SourceOptions) -> Reading:
    """Read the files of a description, found in `folder` or beside it.

    Raises:
        SpecError: For a description that cannot be.
        DataError: For files that do not fit it, naming file, row and column.
    """
    options.allow(description.name, "overlap", "window_s")
    table = load(description, options.window_s, options.overlap)
    table = replace(table, root=folder or description.parent)
    ledger, files = Ledger(), find_files(table)
    return Reading(
        spec=table.spec,
        windows=(window for path in files for window in file_windows(path, table, ledger)),
        source=f"{description.name}: {len(files)} files",
        label_names=tuple(dict.fromkeys(table.labels.values())) if table.labels else None,
        ledger=ledger,
    )


def find_files(table: Table) -> list[Path]:
    """List the files that the description names, sorted; `**` stands for any folders.

    Raises:
        DataError: If a pattern finds nothing.
    """
    files: dict[Path, None] = {}
    for pattern in table.files:
        # An absolute pattern is looked for from the root of its disk.
        root = Path(Path(pattern).anchor or table.root or ".")
        try:
            fits = root.glob(str(Path(pattern).relative_to(Path(pattern).anchor)))
            paths = sorted(path for path in fits if path.is_file())
        except (ValueError, IndexError, NotImplementedError, OSError):
            paths = []
        if not paths:
            raise DataError(
                f"no file fits {listed([pattern])!r} in {root}; mend 'files', or put the "
                "description beside them"
            )
        files |= dict.fromkeys(paths)
    return list(files)


def file_windows(path: Path, table: Table, ledger: Ledger) -> Iterator[Window]:
    """Cut one file into windows; the ledger counts what becomes of its rows."""
    if path.suffix == ".npz":
        table.spec.check_compatible(npz_spec(path, table.spec))
        yield from npz_windows(path, table, ledger)
        return
    rows = read_rows(path, table, ledger)
    for recording in recordings(rows, table, ledger):
        yield from segment(recording, table.spec, overlap=table.overlap, ledger=ledger)


def read_rows(
    path: Path, table: Table, ledger: Ledger, columns: pa.Table | None = None
) -> TableRows:
    """Read and check the columns of one CSV or Parquet file, or of a table in memory.

    Args:
        path: The file; for a table in memory, what messages call it.
        table: What is expected of it.
        ledger: Counts what is changed.
        columns: The table in memory.

    Raises:
        DataError: For a missing column, a bad cell, a column without any number, or an unknown
            label; file, row and column are named.
    """
    layout = table.layout
    there = column_names(path, layout) if columns is None else columns.column_names
    kept = [m for m in table.modalities if not m.optional or set(m.columns) <= set(there)]
    kind, subject = table.subject
    extra = [*table.time, table.label, subject if kind == "column" else None]
    names = [column for m in kept for column in m.columns] + [name for name in extra if name]
    data = read_columns(path, names, layout) if columns is None else columns
    values = {}
    for entry in kept:
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
        labels=label_texts(texts(data, table.label, path, layout), table, path)
        if table.label and table.labelled
        else no_labels,
        subjects=subject_texts(texts(data, subject, path, layout), path)
        if kind == "column"
        else np.full(len(data), fixed_subject(table, path), dtype=object),
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


def recordings(rows: TableRows, table: Table, ledger: Ledger) -> Iterator[Recording]:
    """Split a file's rows into recordings and put each modality on a regular clock.

    Raises:
        DataError: For time that goes back, or rows that do not come at the described rate.
    """
    changes = np.flatnonzero(rows.subjects[1:] != rows.subjects[:-1]) + 1
    _check_sorted(rows, len(changes), table)
    for of_person in np.split(np.arange(len(rows.subjects)), changes):
        _check_forward(rows, of_person, table)
        person = _spread(rows.part(of_person), ledger)
        check_rates(person.path, person.times_s, person.values, table)
        longest = max([table.spec.window_s or 0.0, *(m.max_gap_s for m in table.modalities)])
        pauses = np.flatnonzero(np.diff(person.times_s) > longest) + 1
        if table.spec.window_s is None:
            pauses = pauses[:0]
        for block in np.split(np.arange(len(person.times_s)), pauses):
            yield _recording(person.part(block), table, ledger)


def _check_sorted(rows: TableRows, changes: int, table: Table) -> None:
    """Refuse people whose rows alternate, of which no window would come."""
    series = any(entry.modality.axis != "none" for entry in table.modalities)
    if series and changes > _MANY_CHANGES and len(rows.subjects) < _FEW_ROWS * changes:
        raise DataError(
            f"{rows.path.name}: the subject changes {changes} times in {len(rows.subjects)} rows; "
            "sort the rows by subject, then by time"
        )


def _check_forward(rows: TableRows, part: np.ndarray, table: Table) -> None:
    back = np.flatnonzero(np.diff(rows.times_s[part]) < 0)
    if back.size:
        row = part[back[0] + 1]
        before, after = rows.times_s[row - 1], rows.times_s[row]
        raise DataError(
            f"{rows.path.name}: row {row + 1}, column {' '.join(table.time)!r}: time goes back "
            f"from {before:.10g} to {after:.10g} s; sort the rows, or split the file there"
        )


def _spread(rows: TableRows, ledger: Ledger) -> TableRows:
    measured = np.stack([np.isfinite(values).any(axis=0) for values in rows.values.values()])
    times, shared = spread_stamps(rows.times_s, measured, rows.path.name)
    ledger.change("rows", shared, "that share a time spread over their interval")
    rows = replace(rows, times_s=times)
    return rows.part(np.argsort(times, kind="stable")) if shared else rows


def _recording(rows: TableRows, table: Table, ledger: Ledger) -> Recording:
    tracks = {}
    # Where every row is an event, an empty one is a beat that was missed: its place is kept.
    axes = [entry.modality.axis for entry in table.modalities]
    every = "time" not in axes and axes.count("event") == 1
    for entry in table.modalities:
        name = entry.modality.name
        if name in rows.values and np.isfinite(rows.values[name]).any():
            keep_empty = every and entry.modality.axis == "event"
            try:
                tracks[name] = _track(rows.times_s, rows.values[name], entry, keep_empty, ledger)
            except DataError as error:
                raise DataError(f"{rows.path.name}: {name!r}: {error}") from error
    return Recording(
        subject=str(rows.subjects[0]),
        tracks=tracks,
        annotations=tuple(_annotations(rows)),
        name=rows.path.stem,
        row_times_s=rows.times_s,
    )


def _track(
    times_s: np.ndarray,
    values: np.ndarray,
    entry: TableModality,
    keep_empty: bool,
    ledger: Ledger,
) -> Track:
    modality, start_s = entry.modality, float(times_s[0])
    measured = np.isfinite(values).any(axis=0) | keep_empty
    times_s, values = times_s[measured], values[:, measured]
    if modality.axis != "time" or entry.rate_hz is None:
        return Track(modality=modality, values=values, start_s=start_s, stamps_s=times_s)
    steps_s = np.diff(times_s)
    bridged = (steps_s > 1.5 / entry.rate_hz) & (steps_s <= entry.max_gap_s)
    ledger.change("rows", int(bridged.sum()), "after a short pause that is bridged")
    regular = resample_irregular(
        times_s - start_s,
        values,
        entry.rate_hz,
        0.0,
        # Stamps written in milliseconds end up to half a step early: the last step still counts.
        steps=round((times_s[-1] - start_s) * entry.rate_hz) + 1,
        max_gap_s=entry.max_gap_s,
    )
    # At the rate of the rows; `segment` brings it to the spec's.
    return Track(modality=replace(modality, rate_hz=entry.rate_hz), values=regular, start_s=start_s)


def _annotations(rows: TableRows) -> Iterator[Annotation]:
    labels = rows.labels
    bounds = np.r_[0, np.flatnonzero(labels[1:] != labels[:-1]) + 1, len(labels)]
    step = float(np.median(np.diff(rows.times_s))) if len(labels) > 1 else 1.0
    ends = np.r_[rows.times_s, rows.times_s[-1] + step]
    for start, stop in pairwise(bounds):
        if labels[start]:
            yield Annotation(float(ends[start]), float(ends[stop]), str(labels[start]))
