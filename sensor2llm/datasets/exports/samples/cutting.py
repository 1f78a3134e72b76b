"""Cut a person's samples into windows, a stretch without a pause after the other, in pieces."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import NamedTuple

import numpy as np

from sensor2llm.datasets.exports.samples.device import Sensor, SensorStream
from sensor2llm.datasets.exports.samples.grid import bridged_s, cut_recording
from sensor2llm.datasets.exports.samples.spool import read_parts
from sensor2llm.datasets.heart.beat_intervals import beat_windows
from sensor2llm.datasets.heart.rr_intervals import LIMITS_S
from sensor2llm.datasets.motion.motion_tables import leave_out
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.segment import SHORT
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Annotation, Window

PIECE_SAMPLES, MAPPED_SAMPLES = 100_000, 2_000_000
AFTER_PAUSE = "after a pause of all sensors, where windows start afresh"
NOT_TIMED = "where no sensor with a clock of its own measured"

Span = tuple[float, float]
OpenStreams = Callable[[], Mapping[str, SensorStream]]


class _Piece(NamedTuple):
    """Say which windows are cut at once, and up to when samples are theirs alone."""

    begin_s: float
    end_s: float
    next_s: float


@dataclass(frozen=True, kw_only=True)
class StreamCutter:
    """Cut streams of samples into windows of a spec."""

    sensors: Mapping[str, Sensor]
    spec: SignalSpec
    overlap: float
    ledger: Ledger

    def windows(
        self, person: str, open_streams: OpenStreams, notes: Sequence[Annotation]
    ) -> Iterator[Window]:
        """Give a person's windows in order, and count what becomes of every sample.

        Args:
            person: Whose samples they are.
            open_streams: Opens the samples of the sensors of the spec.
            notes: The labels, in order of time.
        """
        streams = open_streams()
        timed = [name for name in streams if self.spec[name].axis == "time"]
        if timed:
            yield from self._timed(person, open_streams, timed, notes)
        elif streams:
            beats = streams["rr"]
            intervals_s = beats.values[:, 0] / 1000
            rhythm = (notes, LIMITS_S, self.overlap, self.ledger)
            yield from beat_windows(person, beats.times_s, intervals_s, *rhythm)

    def _timed(
        self,
        person: str,
        open_streams: OpenStreams,
        timed: Sequence[str],
        notes: Sequence[Annotation],
    ) -> Iterator[Window]:
        streams = open_streams()
        spans, shortest_s = self._stretches(streams, timed)
        mapped, outside = 0, sum(len(stream.times_s) for stream in streams.values())
        for piece in (piece for span in spans for piece in self._pieces(*span, timed)):
            row_times = _times(streams, piece.begin_s, piece.next_s)
            outside, mapped = outside - len(row_times), mapped + len(row_times)
            if piece.end_s < piece.begin_s:
                leave_out(self.ledger, len(row_times), SHORT)
                continue
            cut = (piece.begin_s, piece.end_s)
            recording = cut_recording(
                person, streams, self.sensors, self.spec, cut, row_times, notes
            )
            yield from segment(
                recording, self.spec, overlap=self.overlap, max_gap_s=shortest_s,
                ledger=self.ledger, rows_unit="samples",
            )  # fmt: skip
            if mapped > MAPPED_SAMPLES:
                # What was read of the files stays in memory as long as they are open.
                streams, mapped = open_streams(), 0
        leave_out(self.ledger, outside, NOT_TIMED)

    def _stretches(
        self, streams: Mapping[str, SensorStream], timed: Sequence[str]
    ) -> tuple[list[Span], float]:
        """Give from when to when any sensor measured without a pause, and the shortest bridge."""
        rates = {name: float(self.spec[name].rate_hz or 1.0) for name in timed}
        gaps = {name: bridged_s(self.sensors[name], rates[name]) for name in timed}
        of_sensors = [
            span
            for name in timed
            for span in _spans(streams[name].times_s, gaps[name], 1 / rates[name])
        ]
        shortest_s = min(gaps.values())
        spans = _union(of_sensors, shortest_s)
        self.ledger.change("samples", len(spans) - 1, AFTER_PAUSE)
        return spans, shortest_s

    def _pieces(self, start_s: float, stop_s: float, timed: Sequence[str]) -> Iterator[_Piece]:
        """Cut a stretch between two windows; one that holds no window ends before it begins."""
        rates = [float(self.spec[name].rate_hz or 1.0) for name in timed]
        window_s = float(self.spec.window_s or 0.0)
        hop_s = window_s * (1 - self.overlap)
        count = floor((stop_s - start_s - window_s + 0.5 / min(rates)) / hop_s) + 1
        beyond_s = float(np.nextafter(stop_s, np.inf))
        if count < 1:
            yield _Piece(start_s, -np.inf, beyond_s)
        many = max(1, floor((PIECE_SAMPLES / max(rates) - window_s) / hop_s) + 1)
        for first in range(0, count, many):
            begin_s, more = start_s + first * hop_s, first + many < count
            next_s = begin_s + many * hop_s
            end_s = next_s - hop_s + window_s if more else stop_s
            yield _Piece(begin_s, end_s, next_s if more else beyond_s)


def _spans(times: np.memmap, gap_s: float, step_s: float) -> Iterator[Span]:
    """Give from when to when samples, each a step long, follow each other without a pause."""
    start_s = last_s = float(times[0])
    for part in read_parts(times):
        follows = np.diff(part, prepend=last_s) <= gap_s
        for i in np.flatnonzero(~follows).tolist():
            yield start_s, float(part[i - 1] if i else last_s) + step_s
            start_s = float(part[i])
        last_s = float(part[-1])
    yield start_s, last_s + step_s


def _union(spans: list[Span], gap_s: float) -> list[Span]:
    union: list[Span] = []
    for start_s, stop_s in sorted(spans):
        if union and start_s <= union[-1][1] + gap_s + 1e-6:
            union[-1] = (union[-1][0], max(union[-1][1], stop_s))
        else:
            union.append((start_s, stop_s))
    return union


def _times(streams: Mapping[str, SensorStream], begin_s: float, next_s: float) -> np.ndarray:
    """Give the times of all sensors' samples from one moment up to below another, in order."""
    times = []
    for stream in streams.values():
        first, last = np.searchsorted(stream.times_s, (begin_s - 1e-6, next_s - 1e-6))
        times.append(stream.times_s[first:last])
    return np.sort(np.concatenate(times))
