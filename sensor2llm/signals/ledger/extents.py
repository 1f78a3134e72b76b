"""Where the windows of a recording lie in time, and which of its rows are in each."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.resample import runs
from sensor2llm.signals.window import Track

Span = tuple[float, float]

REST = "after the last whole window"
NO_VALUE = "without a value"
# Windows that repeat each other more than a hundred times are a slip where they are so many, or
# hold so many values.
_MOST_OVERLAP, _MANY_WINDOWS, _MANY_VALUES = 0.99, 100_000, 1 << 27
# A row this close to a window's start is in it: times are computed, and near 1970's seconds a
# double has no more digits.
_EDGE_S = 1e-6


class Extent(NamedTuple):
    """From when to when a window lasts, and the rows that are in it."""

    start_s: float
    stop_s: float
    first_row_s: float
    below_row_s: float


@dataclass
class CutState:
    """Say where the cutting of a recording stands that comes in parts, which overlap."""

    until_s: float = math.inf
    """Windows that end later wait for the next part."""
    next_s: float = -math.inf
    """Rows before it are done."""
    keep_s: float = -math.inf
    """From when on the next part needs rows."""
    origin_s: float | None = None
    """Start of the piece that is being cut; None where the next part begins another."""
    number: int = 0
    """Of the next window in its piece."""


class Piece(NamedTuple):
    """What is cut without a pause in between, and what happens to rows in none of its windows."""

    start_s: float
    stop_s: float
    extents: Iterable[Extent]
    rest: str


def pieces(
    tracks: Mapping[str, Track],
    length_s: float,
    overlap: float,
    max_gap_s: float,
    state: CutState,
) -> Iterator[Piece]:
    """Give what is cut without a pause in between, and the windows in it; see `segment`.

    `state` says where a part of a recording goes on, and then where the next one does.

    Raises:
        DataError: If an overlap gives windows without end.
    """
    kinds = {axis: [t for t in tracks.values() if t.modality.axis == axis]
             for axis in ("time", "event", "none")}  # fmt: skip
    size = sum(math.prod(track.modality.shape) for track in tracks.values())
    if kinds["time"]:
        yield from _timed_pieces(kinds["time"], length_s, overlap, max_gap_s, size, state)
    elif kinds["event"]:
        extents = _event_extents(kinds["event"][0], overlap, size, state)
        yield Piece(-math.inf, math.inf, extents, REST)
    elif kinds["none"]:
        rows = [np.maximum(row_times(track), track.start_s) for track in kinds["none"]]
        times = np.unique(np.concatenate(rows))
        times = times[(times >= state.next_s) & (times <= state.until_s)].tolist()
        extents = (Extent(time, time, time, math.nextafter(time, math.inf)) for time in times)
        yield Piece(-math.inf, math.inf, extents, NO_VALUE)
        state.next_s = state.keep_s = math.nextafter(state.until_s, math.inf)
    else:
        state.next_s = state.keep_s = state.until_s


def _timed_pieces(
    tracks: list[Track],
    length_s: float,
    overlap: float,
    max_gap_s: float,
    size: int,
    state: CutState,
) -> Iterator[Piece]:
    slack_s = max(0.5 / float(t.modality.rate_hz or 1.0) for t in tracks)
    step_s = min(1.0 / float(t.modality.rate_hz or 1.0) for t in tracks)
    hop_s = length_s * (1 - overlap)
    spans = measured_spans(tracks, max_gap_s)
    before = [i for i, span in enumerate(spans) if span[0] <= state.next_s + _EDGE_S]
    if before:
        # What was done, but for the piece that is gone on with.
        spans = spans[before[-1] :] if state.origin_s is not None else spans[before[-1] + 1 :]
    for start_s, stop_s in spans:
        origin_s = start_s if state.origin_s is None else state.origin_s
        first, state.number, state.origin_s = state.number, 0, None
        count = math.floor((stop_s - origin_s - length_s + slack_s) / hop_s) + 1
        goes_on = stop_s + max_gap_s >= state.until_s
        if goes_on:
            count = min(count, math.floor((state.until_s - origin_s - length_s) / hop_s) + 1)
        count = max(count, first)
        if count > 1 and hop_s < step_s * (1 - 1e-6):
            raise DataError(
                f"overlap {overlap!r} moves windows of {length_s:g} s by less than one step of "
                f"{step_s:g} s; give at most {1 - step_s / length_s:.6g}"
            )
        _check_count(count, size, overlap)
        extents = _timed_extents(origin_s, range(first, count), length_s, hop_s)
        yield Piece(start_s - slack_s, stop_s - _EDGE_S, extents, REST)
        if goes_on:
            state.origin_s, state.number = origin_s, count
            state.next_s = state.keep_s = origin_s + count * hop_s - _EDGE_S
            return
    state.next_s = state.keep_s = state.until_s


def _timed_extents(
    origin_s: float, numbers: range, length_s: float, hop_s: float
) -> Iterator[Extent]:
    for begin_s in (origin_s + i * hop_s for i in numbers):
        end_s = begin_s + length_s
        yield Extent(begin_s, end_s, begin_s - _EDGE_S, end_s - _EDGE_S)


def _check_count(count: int, size: int, overlap: float) -> None:
    many = count > _MANY_WINDOWS or count * size > _MANY_VALUES
    if many and overlap > _MOST_OVERLAP:
        raise DataError(
            f"overlap {overlap!r} gives {count} windows of {size} values from one recording; give "
            f"at most {_MOST_OVERLAP}"
        )


def _event_extents(track: Track, overlap: float, size: int, state: CutState) -> Iterator[Extent]:
    times, steps = track.times_s, track.modality.steps
    hop = max(1, round(steps * (1 - overlap)))
    certain = int(np.searchsorted(times, state.until_s, side="right"))
    begin = int(np.searchsorted(times, state.next_s))
    firsts = range(begin, certain - steps + 1, hop)
    _check_count(len(firsts), size, overlap)
    for first in firsts:
        # An event's time is the end of its interval, so the window starts with the one before.
        start_s = float(times[first - 1] if first else min(track.start_s, times[0]))
        stop_s = float(times[first + steps - 1])
        yield Extent(start_s, stop_s, float(times[first]), math.nextafter(stop_s, math.inf))
    first = begin + hop * len(firsts)
    if state.until_s == math.inf:
        state.next_s = math.inf
    else:
        state.next_s = float(times[first]) if first < len(times) else math.nextafter(
            state.until_s, math.inf)  # fmt: skip
        state.keep_s = float(times[first - 1]) if first else state.next_s


def measured_spans(tracks: Iterable[Track], max_gap_s: float) -> list[Span]:
    """Give from when to when any of some tracks was measured, without a pause above `max_gap_s`."""
    spans: list[Span] = []
    for span in sorted(span for track in tracks for span in _track_spans(track)):
        if spans and span[0] <= spans[-1][1] + max_gap_s + 1e-9:
            spans[-1] = (spans[-1][0], max(spans[-1][1], span[1]))
        else:
            spans.append(span)
    return spans


def _track_spans(track: Track) -> list[Span]:
    rate_hz = float(track.modality.rate_hz or 1.0)
    measured = runs(~np.isnan(track.values).all(axis=0))
    return [(track.start_s + a / rate_hz, track.start_s + b / rate_hz) for a, b in measured]


def row_times(track: Track) -> np.ndarray:
    """Give from when on each row of a track without an axis holds."""
    if track.stamps_s is not None:
        return track.stamps_s
    if track.values.shape[1] == 1:
        # One row without a time holds for the whole recording.
        return np.array([-np.inf])
    return track.start_s + np.arange(track.values.shape[1], dtype=np.float64)
