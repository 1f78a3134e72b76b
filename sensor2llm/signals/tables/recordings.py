"""A file's rows become recordings, each modality on its own regular clock.

- Rows of one subject that follow each other are a recording; a pause longer than a window (and than
  `max_gap_s`) splits it. No window spans a pause that is not bridged.
- Rows that share a time are spread over the interval up to the next one (see `shared_stamps`);
  time that goes back is an error.
- A cell may be empty: a sensor that is slower than the rows simply fills fewer of them. Pauses up
  to `max_gap_s` (three steps, 0.1 s at least) are bridged linearly. Beats and other events are
  never left out: where there is no time axis, an empty cell is a missing event.

Streams of one person that come from several files or clocks are split where all of them pause.

A ledger counts all of it: every row of every file is kept, or dropped for a reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.resample import resample_irregular, spread_stamps
from sensor2llm.signals.tables.description import Table, TableModality
from sensor2llm.signals.tables.rows import TableRows
from sensor2llm.signals.window import Annotation, Recording, Track

# Rows of people who alternate more often than so many times, after fewer rows than so many.
_MANY_CHANGES, _FEW_ROWS = 1000, 8
TOLERANCE = 0.1
_SAME_S = 1e-7
_SLIPS = {1e3: "a thousand times", 1e6: "a million times", 1e9: "1e9 times"}


class Stream(NamedTuple):
    """Hold the rows of one person on one clock, and their description."""

    rows: TableRows
    table: Table


class Labels(Protocol):
    """Give labels that do not stand in the rows; see `join.intervals`."""

    def of(self, person: str, first_s: float, start_s: float, stop_s: float) -> list[Annotation]:
        """Give a person's labels between two times; `first_s` is that of the first row."""


def recordings(
    rows: TableRows, table: Table, ledger: Ledger, labels: Labels | None = None
) -> Iterator[Recording]:
    """Split a file's rows into recordings and put each modality on a regular clock."""
    changes = np.flatnonzero(rows.subjects[1:] != rows.subjects[:-1]) + 1
    _check_sorted(rows, len(changes), table)
    for first, end in pairwise([0, *changes.tolist(), len(rows.subjects)]):
        check_forward(rows, slice(first, end), table)
        person = rows.part(slice(first, end))
        yield from join([Stream(person, table)], table, ledger, labels)


def join(
    streams: Sequence[Stream], table: Table, ledger: Ledger, labels: Labels | None = None
) -> Iterator[Recording]:
    """Give the recordings of one person, whose streams are on one clock; see this module."""
    streams = [Stream(_spread(rows, ledger), part) for rows, part in streams]
    for rows, part in streams:
        check_rates(rows.path, rows.times_s, rows.values, part)
    times = np.sort(np.concatenate([rows.times_s for rows, _ in streams]))
    longest = max([table.spec.window_s or 0.0, *(m.max_gap_s for m in table.modalities)])
    pauses = np.flatnonzero(np.diff(times) > longest) + 1
    if table.spec.window_s is None:
        pauses = pauses[:0]
    for block in np.split(times, pauses):
        parts = [Stream(_between(rows, block[0], block[-1]), part) for rows, part in streams]
        parts = [stream for stream in parts if len(stream.rows.times_s)]
        notes = [] if labels is None else labels.of(
            str(streams[0].rows.subjects[0]), float(times[0]), float(block[0]), float(block[-1])
        )  # fmt: skip
        yield _recording(parts, block, notes, ledger)


def _between(rows: TableRows, first_s: float, last_s: float) -> TableRows:
    first = np.searchsorted(rows.times_s, first_s)
    return rows.part(slice(first, np.searchsorted(rows.times_s, last_s, side="right")))


def _check_sorted(rows: TableRows, changes: int, table: Table) -> None:
    """Refuse people whose rows alternate, of which no window would come."""
    series = any(entry.modality.axis != "none" for entry in table.modalities)
    if series and changes > _MANY_CHANGES and len(rows.subjects) < _FEW_ROWS * changes:
        raise DataError(
            f"{rows.path.name}: the subject changes {changes} times in {len(rows.subjects)} rows; "
            "sort the rows by subject, then by time"
        )


def check_forward(rows: TableRows, part: slice, table: Table) -> None:
    """Refuse rows of one person whose time goes back."""
    back = np.flatnonzero(np.diff(rows.times_s[part]) < 0)
    if back.size:
        row = part.start + int(back[0]) + 1
        before, after = rows.times_s[row - 1], rows.times_s[row]
        raise DataError(
            f"{rows.path.name}: row {row + 1}, column {table.clock.name!r}: time goes back "
            f"from {before:.10g} to {after:.10g} s; sort the rows, or split the file there"
        )


def _spread(rows: TableRows, ledger: Ledger) -> TableRows:
    measured = np.stack([np.isfinite(values).any(axis=0) for values in rows.values.values()])
    times, shared = spread_stamps(rows.times_s, measured, rows.path.name)
    ledger.change("rows", shared, "that share a time spread over their interval")
    rows = replace(rows, times_s=times)
    return rows.part(np.argsort(times, kind="stable")) if shared else rows


def _recording(
    streams: Sequence[Stream], times_s: np.ndarray, notes: list[Annotation], ledger: Ledger
) -> Recording:
    tracks = {}
    for rows, table in streams:
        # Where every row is an event, an empty one is a beat that was missed: its place is kept.
        axes = [entry.modality.axis for entry in table.modalities]
        every = "time" not in axes and axes.count("event") == 1
        for entry in table.modalities:
            name = entry.modality.name
            if name in rows.values and np.isfinite(rows.values[name]).any():
                keep_empty = every and entry.modality.axis == "event"
                try:
                    values = rows.values[name]
                    tracks[name] = _track(rows.times_s, values, entry, keep_empty, ledger)
                except DataError as error:
                    raise DataError(f"{rows.path.name}: {name!r}: {error}") from error
    first = streams[0].rows
    return Recording(
        subject=str(first.subjects[0]),
        tracks=tracks,
        annotations=(*notes, *(note for rows, _ in streams for note in _annotations(rows))),
        name=first.path.stem,
        row_times_s=times_s,
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
    if not measured.all():
        times_s, values = times_s[measured], values[:, measured]
    if modality.axis != "time" or entry.rate_hz is None:
        return Track(modality=modality, values=values, start_s=start_s, stamps_s=times_s)
    # At the rate of the rows; `segment` brings it to the spec's.
    rows = replace(modality, rate_hz=entry.rate_hz)
    if _on_grid(times_s - start_s, entry.rate_hz) and np.isfinite(values).all():
        return Track(modality=rows, values=values, start_s=start_s)
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
    return Track(modality=rows, values=regular, start_s=start_s)


def _on_grid(times_s: np.ndarray, rate_hz: float) -> bool:
    """Say whether stamps are regular to the last digits, so that nothing is to be interpolated."""
    return bool(np.abs(times_s - np.arange(len(times_s)) / rate_hz).max() < _SAME_S)


def _annotations(rows: TableRows) -> Iterator[Annotation]:
    labels = rows.labels
    bounds = np.r_[0, np.flatnonzero(labels[1:] != labels[:-1]) + 1, len(labels)]
    step = float(np.median(np.diff(rows.times_s))) if len(labels) > 1 else 1.0
    ends = np.r_[rows.times_s, rows.times_s[-1] + step]
    for start, stop in pairwise(bounds):
        if labels[start]:
            yield Annotation(float(ends[start]), float(ends[stop]), str(labels[start]))


def observed_rate_hz(times_s: np.ndarray) -> float:
    """Estimate the rate of stamps, pauses left out.

    A plain median would miss by a tenth where stamps are rounded to milliseconds, so steps up to
    twice the median are averaged.
    """
    steps = np.diff(times_s)
    typical = np.median(steps)
    return float(1 / steps[steps <= 2 * typical].mean())


def check_rates(
    path: Path, times_s: np.ndarray, values: dict[str, np.ndarray], table: Table
) -> None:
    """Refuse rows that come at another rate than described."""
    for entry in table.modalities:
        name = entry.modality.name
        if entry.rate_hz is None or name not in values:
            continue
        rates = {}
        for column, row in zip(entry.columns, values[name], strict=True):
            stamps = times_s[np.isfinite(row)]
            if len(stamps) < 8:
                continue
            rates[f"column {column!r}"] = observed_rate_hz(stamps)
            middle = len(stamps) // 2
            _compare(path, name, {
                "the first half": observed_rate_hz(stamps[:middle]),
                "the second half": observed_rate_hz(stamps[middle:]),
            })  # fmt: skip
        if rates:
            _compare(path, name, rates)
            _expect(path, name, next(iter(rates.values())), entry.rate_hz, bool(table.files))


def _compare(path: Path, name: str, rates: dict[str, float]) -> None:
    slow, fast = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
    if rates[fast] > (1 + 2 * TOLERANCE) * rates[slow]:
        raise DataError(
            f"{path.name}: two rates in modality '{name}': {slow} comes at {rates[slow]:.4g} Hz, "
            f"{fast} at {rates[fast]:.4g} Hz; make two modalities or two files of them"
        )


def _expect(path: Path, name: str, rate_hz: float, expected: float, described: bool) -> None:
    ratio = rate_hz / expected
    if abs(ratio - 1) <= TOLERANCE:
        return
    hint = f"write rate_hz: {rate_hz:.4g}" if described else "is the time's unit right?"
    for slip, words in _SLIPS.items():
        if abs(ratio / slip - 1) <= TOLERANCE or abs(ratio * slip - 1) <= TOLERANCE:
            hint = f"that is {words} off: is the time's unit right?"
    if abs(ratio / 86400 - 1) <= TOLERANCE:
        hint = "is the time in days, as Excel writes it? write unit: days"
    raise DataError(
        f"{path.name}: '{name}' comes at {rate_hz:.4g} Hz, the description says "
        f"{expected:g} Hz; {hint}"
    )
