"""A person's rows become recordings, each modality on its own regular clock.

- Rows of one subject that follow each other are a recording; a pause longer than a window (and than
  `max_gap_s`) splits it. No window spans a pause that is not bridged.
- Rows that share a time are spread over the interval up to the next one (see `shared_stamps`);
  time that goes back is an error.
- A cell may be empty: a sensor that is slower than the rows simply fills fewer of them. Pauses up
  to `max_gap_s` (three steps, 0.1 s at least) are bridged linearly. Beats and other events are
  never left out: where there is no time axis, an empty cell is a missing event.

Streams of one person that come from several files or clocks are split where all of them pause.

A recording that does not fit the budget comes in parts that overlap: a part is cut into windows as
far as what lies around them is known, and the next one goes on from there.

A ledger counts all of it: every row of every file is kept, or dropped for a reason.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.extents import CutState
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.rows.rows import NO_TEXT, TableRows
from sensor2llm.signals.tables.rows.stream import RowStream
from sensor2llm.signals.tables.rows.tracks import margins_s, needed_rows, track_of
from sensor2llm.signals.window import Annotation, Recording

# How many numbers of a person's rows are in memory at once.
BUDGET_CELLS = 1 << 22


class RecordingPart(NamedTuple):
    """Hold a recording, or a part of one, and how far it is cut."""

    recording: Recording
    state: CutState


class Stream(NamedTuple):
    """Hold the rows of one person on one clock, and their description."""

    rows: Iterator[TableRows]
    table: Table


class Labels(Protocol):
    """Give labels that do not stand in the rows; see `join.intervals`."""

    def of(self, person: str, first_s: float, start_s: float, stop_s: float) -> list[Annotation]:
        """Give a person's labels between two times; `first_s` is that of the first row."""


class RecordingJoiner:
    """Give the recordings of one person, whose streams are on one clock; see this module."""

    def __init__(
        self, streams: Sequence[Stream], table: Table, ledger: Ledger, labels: Labels | None = None
    ) -> None:
        self._sources = [RowStream(rows, part, ledger) for rows, part in streams]
        self._ledger, self._labels = ledger, labels
        length_s = table.spec.window_s or np.inf
        self._pause_s = max([length_s, *(m.max_gap_s for m in table.modalities)])
        self._before_s, self._after_s = margins_s(table)
        self._first_s: float | None = None
        self._begin(-np.inf)

    def parts(self) -> Iterator[RecordingPart]:
        """Give recordings, or their parts; each is to be cut before the next one is taken."""
        budget, done = BUDGET_CELLS // len(self._sources), False
        while not done:
            for source in self._sources:
                source.fill(budget // source.cells)
            slowest = min(self._sources, key=lambda source: source.known_s)
            known_s = slowest.known_s
            done = known_s == np.inf
            blocks = self._blocks(known_s)
            for block in blocks if done else blocks[:-1]:
                yield self._part(block, np.inf)
                self._begin(np.nextafter(block[-1], np.inf))
            if not done and len(blocks) == 1:
                yield self._part(blocks[0], known_s - self._after_s)
                self._drop(self._state.keep_s)
                if slowest.held * slowest.cells > budget // 2:
                    # Not even a window fits.
                    budget *= 2

    def _begin(self, from_s: float) -> None:
        """Begin a recording."""
        self._state, self._starts_s, self._from_s = CutState(), dict[str, float](), from_s
        for source in self._sources:
            source.drop(from_s)

    def _drop(self, keep_s: float) -> None:
        """Drop the rows that the next part of the recording does not need."""
        self._from_s = keep_s - self._before_s
        for source in self._sources:
            if source.rows is not None:
                source.drop(self._from_s, needed_rows(source.rows, source.table, keep_s))

    def _blocks(self, known_s: float) -> list[np.ndarray]:
        """Give the times of all rows, split where nothing was measured for longer than a window."""
        rows = [source.rows.times_s for source in self._sources if source.rows is not None]
        times = np.sort(np.concatenate(rows)) if len(rows) > 1 else rows[0]
        times = times[np.searchsorted(times, self._from_s) :]
        if not len(times):
            return []
        if self._first_s is None:
            self._first_s = float(times[0])
        pauses = np.flatnonzero(np.diff(times) > self._pause_s) + 1
        return np.split(times, pauses[times[pauses] <= known_s])

    def _part(self, times_s: np.ndarray, until_s: float) -> RecordingPart:
        state = self._state
        # Rows before these times are of the parts before.
        first_s = times_s[0] if state.next_s == -np.inf else -np.inf
        counted = state.until_s if np.isfinite(state.until_s) else -np.inf, until_s
        state.until_s = until_s
        streams = [(rows, source.table) for source in self._sources
                   if (rows := source.between(first_s, times_s[-1])) is not None]  # fmt: skip
        tracks = {}
        for rows, table in streams:
            # Where every row is an event, an empty one is a beat that was missed.
            axes = [entry.modality.axis for entry in table.modalities]
            every = "time" not in axes and axes.count("event") == 1
            for entry in table.modalities:
                name = entry.modality.name
                if name not in rows.values:
                    continue
                keep_empty = every and entry.modality.axis == "event"
                try:
                    track = track_of(rows, entry, keep_empty, self._starts_s, self._ledger, counted)
                except DataError as error:
                    raise DataError(f"{rows.path.name}: {name!r}: {error}") from error
                if track is not None:
                    tracks[name] = track
        first = streams[0][0]
        notes = [] if self._labels is None else self._labels.of(
            first.person, self._first_s or 0.0, float(times_s[0]), float(times_s[-1])
        )  # fmt: skip
        recording = Recording(
            subject=first.person,
            tracks=tracks,
            annotations=(
                *notes,
                *(note for rows, _ in streams for note in _annotations(rows, until_s)),
            ),
            name=first.path.stem,
            row_times_s=times_s,
        )
        return RecordingPart(recording, state)


def _annotations(rows: TableRows, until_s: float) -> Iterator[Annotation]:
    labels = rows.labels
    bounds = [0, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist(), len(labels)]
    if len(bounds) == 2 and labels[0] == NO_TEXT:
        return
    step = 1.0
    if len(labels) > 1 and rows.times_s[-1] <= until_s:
        # How long the last row's label holds: behind what is cut, where more rows follow.
        step = float(np.median(np.diff(rows.times_s)))
    ends = np.r_[rows.times_s, rows.times_s[-1] + step]
    for start, stop in pairwise(bounds):
        if labels[start] != NO_TEXT:
            text = rows.numbers.texts[labels[start]]
            yield Annotation(float(ends[start]), float(ends[stop]), text)
