"""Read one's own CSV, Parquet or .npz files, described by a small YAML (see `table_config`).

What is done with a file's rows:
- Rows of one subject that follow each other are a recording; a pause longer than a window (and than
  `max_gap_s`) splits it. No window spans a pause that is not bridged.
- Rows with the same time as the row before are dropped and counted; time that goes back is an
  error.
- A cell may be empty: a sensor that is slower than the rows simply fills fewer of them. Each
  modality is put on its own regular clock; pauses up to `max_gap_s` (three steps, 0.1 s at least)
  are bridged linearly.
- A modality whose columns are all empty in a file is absent there.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.sources.config import SourceOptions
from sensor2llm.signals.sources.reading import Reading
from sensor2llm.signals.spec import canonical_unit
from sensor2llm.signals.table_config import Table, TableModality, load
from sensor2llm.signals.table_file import column_names, numbers, read_columns, texts, times_s
from sensor2llm.signals.table_npz import npz_windows
from sensor2llm.signals.table_people import fixed_subject, label_texts, subject_texts
from sensor2llm.signals.table_rates import check_rates
from sensor2llm.signals.transforms import check_track_scale, resample_irregular, segment
from sensor2llm.signals.window import Annotation, Recording, Track, Window


@dataclass(frozen=True, eq=False)
class Rows:
    """Hold one file's columns: times in seconds, values by modality, label and subject a row."""

    path: Path
    times_s: np.ndarray
    values: dict[str, np.ndarray]
    labels: list[str | None]
    subjects: list[str]

    def part(self, rows: np.ndarray) -> "Rows":
        """Keep these rows."""
        return Rows(
            path=self.path,
            times_s=self.times_s[rows],
            values={name: values[:, rows] for name, values in self.values.items()},
            labels=[self.labels[i] for i in rows],
            subjects=[self.subjects[i] for i in rows],
        )


def read(description: Path, folder: Path | None, options: SourceOptions) -> Reading:
    """Read the files of a description, found in `folder` or beside it.

    Raises:
        SpecError: For a description that cannot be.
        DataError: For files that do not fit it, naming file, row and column.
    """
    options.allow(description.name, "overlap", "window_s")
    table = load(description, options.window_s, options.overlap)
    notes: Counter[str] = Counter()
    files = find_files(table, folder or description.parent)
    return Reading(
        spec=table.spec,
        windows=(window for path in files for window in file_windows(path, table, notes)),
        source=f"{description.name}: {len(files)} files",
        label_names=tuple(dict.fromkeys(table.labels.values())) if table.labels else None,
        notes=notes,
    )


def find_files(table: Table, folder: Path) -> list[Path]:
    """List the files that the description names, sorted.

    Raises:
        DataError: If a pattern finds nothing.
    """
    found: dict[Path, None] = {}
    for pattern in table.files:
        paths = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not paths:
            raise DataError(f"no file fits {pattern!r} in {folder}; name the folder with --from")
        found |= dict.fromkeys(paths)
    return list(found)


def file_windows(path: Path, table: Table, notes: Counter[str]) -> Iterator[Window]:
    """Cut one file into windows."""
    if path.suffix == ".npz":
        yield from npz_windows(path, table, notes)
        return
    rows = read_rows(path, table)
    for recording in recordings(rows, table, notes):
        yield from segment(recording, table.spec, overlap=table.overlap)


def read_rows(path: Path, table: Table) -> Rows:
    """Read and check the columns of one CSV or Parquet file.

    Raises:
        DataError: For a missing column, a bad cell, a column without any number, or an unknown
            label; file, row and column are named.
    """
    there = column_names(path, table.delimiter)
    kept = [m for m in table.modalities if not m.optional or set(m.columns) <= set(there)]
    kind, subject = table.subject
    extra = [table.time, table.label, subject if kind == "column" else None]
    names = [column for m in kept for column in m.columns] + [name for name in extra if name]
    data = read_columns(path, names, table.delimiter)
    values = {m.modality.name: np.stack([numbers(data, c, path) for c in m.columns]) for m in kept}
    for entry in kept:
        _check_values(values, entry, path)
    if not values:
        raise DataError(f"{path.name} has no number in any column of the description")
    cells: list[str | None] = [None] * len(data)
    if table.label:
        cells = texts(data, table.label)
    return Rows(
        path=path,
        times_s=times_s(data, table.time, table.time_unit, path)
        if table.time
        else _clock_s(values, table, len(data), path),
        values=values,
        labels=label_texts(cells, table, path),
        subjects=subject_texts(texts(data, subject), path)
        if kind == "column"
        else [fixed_subject(table, path)] * len(data),
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
            return np.nancumsum(values[name][0]) * scale
    return np.arange(rows, dtype=np.float64)


def _check_values(values: dict[str, np.ndarray], entry: TableModality, path: Path) -> None:
    """Drop a modality without any number; refuse a channel without one, or in another unit."""
    _check_empty(values, entry, path)
    if entry.modality.name in values:
        try:
            check_track_scale(entry.modality, values[entry.modality.name])
        except SpecError as error:
            raise SpecError(f"{path.name}: {error}") from error


def _check_empty(values: dict[str, np.ndarray], entry: TableModality, path: Path) -> None:
    name = entry.modality.name
    measured = np.isfinite(values[name]).any(axis=1)
    if not measured.any():
        del values[name]
    elif not measured.all():
        column = entry.columns[int(np.flatnonzero(~measured)[0])]
        raise DataError(
            f"{path.name}: column {column!r} of '{name}' has no number at all (NaN only); mend the "
            "file or take the column out of the description"
        )


def recordings(rows: Rows, table: Table, notes: Counter[str]) -> Iterator[Recording]:
    """Split a file's rows into recordings and put each modality on a regular clock.

    Raises:
        DataError: For time that goes back, or rows that do not come at the described rate.
    """
    subjects = np.array(rows.subjects)
    changes = np.flatnonzero(subjects[1:] != subjects[:-1]) + 1
    for of_person in np.split(np.arange(len(subjects)), changes):
        person = rows.part(_forward(rows, of_person, table, notes))
        check_rates(person.path, person.times_s, person.values, table)
        longest = max([table.spec.window_s or 0.0, *(m.max_gap_s for m in table.modalities)])
        pauses = np.flatnonzero(np.diff(person.times_s) > longest) + 1
        if table.spec.window_s is None:
            pauses = pauses[:0]
        for block in np.split(np.arange(len(person.times_s)), pauses):
            yield _recording(person.part(block), table)


def _forward(rows: Rows, part: np.ndarray, table: Table, notes: Counter[str]) -> np.ndarray:
    steps = np.diff(rows.times_s[part])
    back = np.flatnonzero(steps < 0)
    if back.size:
        row = part[back[0] + 1]
        before, after = rows.times_s[row - 1], rows.times_s[row]
        raise DataError(
            f"{rows.path.name}: row {row + 1}, column {table.time!r}: time goes back from "
            f"{before:.10g} to {after:.10g} s; sort the rows, or split the file there"
        )
    notes["rows with a repeated time"] += int((steps == 0).sum())
    return part[np.r_[True, steps > 0]]


def _recording(rows: Rows, table: Table) -> Recording:
    tracks = {}
    for entry in table.modalities:
        name = entry.modality.name
        if name in rows.values and np.isfinite(rows.values[name]).any():
            tracks[name] = _track(rows.times_s, rows.values[name], entry)
    return Recording(
        subject=rows.subjects[0],
        tracks=tracks,
        annotations=tuple(_annotations(rows)),
        name=rows.path.stem,
    )


def _track(times_s: np.ndarray, values: np.ndarray, entry: TableModality) -> Track:
    modality, start_s = entry.modality, float(times_s[0])
    measured = np.isfinite(values).any(axis=0)
    times_s, values = times_s[measured], values[:, measured]
    if modality.axis != "time" or entry.rate_hz is None:
        return Track(modality=modality, values=values, start_s=start_s, stamps_s=times_s)
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


def _annotations(rows: Rows) -> Iterator[Annotation]:
    labels = np.array([label or "" for label in rows.labels])
    bounds = np.r_[0, np.flatnonzero(labels[1:] != labels[:-1]) + 1, len(labels)]
    step = float(np.median(np.diff(rows.times_s))) if len(labels) > 1 else 1.0
    ends = np.r_[rows.times_s, rows.times_s[-1] + step]
    for start, stop in pairwise(bounds):
        if labels[start]:
            yield Annotation(float(ends[start]), float(ends[stop]), str(labels[start]))
