"""Where the windows of a running signal lie, by what leads: time, events, or rows.

Each gives the same windows as `segment` cuts from the whole recording, as soon as they are whole.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from sensor2llm.live.buffer import ModalityBuffer
from sensor2llm.signals.ledger.extents import measured_spans
from sensor2llm.signals.modality import canonical_unit
from sensor2llm.signals.resample import MAX_GAP_S
from sensor2llm.signals.window import Track

PATIENCE_S = 1.0
"""How much later than the others a sensor's stream may come, by our clock; then it is missing."""
EVENT_PAUSE_S = 10.0
"""Events whose stamps lie further apart than their interval and this are not one series."""
_EDGE_S = 1e-6
Buffers = Mapping[str, ModalityBuffer]


class LiveExtent(NamedTuple):
    """From when to when a window lasts, and the tracks that it is cut from."""

    tracks: Mapping[str, Track]
    start_s: float
    stop_s: float


class Extents(Protocol):
    """Find the windows that became whole."""

    def next(self, *, final: bool) -> Iterator[LiveExtent]:
        """Give them; `final` where nothing more comes."""

    def restart(self) -> None:
        """Begin anew."""


class TimedExtents:
    """Lay windows of one length side by side, anew after each pause.

    Args:
        buffers: of every modality that may come.
        length_s: of a window.
        step_s: from one window's start to the next one's.
        clock: our own seconds.
    """

    def __init__(
        self, buffers: Buffers, length_s: float, step_s: float, clock: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._buffers, self._length_s, self._step_s = buffers, length_s, step_s
        self._timed = [b for b in buffers.values() if b.modality.axis == "time"]
        gaps = [b.entry.max_gap_s for b in buffers.values()]
        self._longest_s = max([length_s, *gaps])
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._origin_s: float | None = None
        self._piece_s: float | None = None
        self._count, self._after_s, self._wake_s = 0, -math.inf, -math.inf
        self._since_s: float | None = None
        self._given_up: dict[ModalityBuffer, float] = {}

    @property
    def _next_s(self) -> float:
        """Give where the next window starts, or what comes before it ends."""
        if self._piece_s is not None:
            return self._piece_s + self._count * self._step_s
        return max(self._after_s, -math.inf if self._origin_s is None else self._origin_s)

    def next(self, *, final: bool) -> Iterator[LiveExtent]:
        """Give the windows that became whole; `final` where nothing more comes."""
        while self._begin(final) and (final or self._is_awake()):
            resumed_s = self._find_pause()
            until_s = math.inf if resumed_s is None else resumed_s
            yield from self._block(until_s, final or resumed_s is not None)
            if resumed_s is None:
                self._sleep()
                return
            self.restart()
            for buffer in self._timed:
                buffer.drop_until(resumed_s)

    def _begin(self, final: bool) -> bool:
        """Fix the grid at the recording's first sample; False as long as there is none."""
        timed = [times[0] for b in self._timed if len(times := b.times(final=final))]
        if timed and self._origin_s is not None and min(timed) > self._next_s + self._longest_s:
            self.restart()
        if timed and self._origin_s is None:
            others = (b.times() for b in self._buffers.values() if b not in self._timed)
            self._origin_s = float(min([*timed, *(times[0] for times in others if len(times))]))
        return self._origin_s is not None

    def _is_awake(self) -> bool:
        """Say whether the next window may be whole; a first one says how fast samples come."""
        end_s = max(self._wake_s, self._next_s + self._length_s)
        if not self._is_whole(end_s):
            return False
        for buffer in self._timed:
            buffer.observe_rate()
        return self._is_whole(end_s)

    def _is_whole(self, end_s: float) -> bool:
        """Say whether all samples up to a window's end are there, or late for too long."""
        # A stream that never came is waited for at the beginning, as one that stopped just now is.
        first_s = end_s - self._length_s
        due = (b for b in self._timed if b.mark_s > first_s or b.mark_s == -math.inf)
        waited = [b for b in due if b.mark_s != self._given_up.get(b)]
        behind = [b for b in waited if b.mark_s < end_s - self._last_step_s(b)]
        if not behind or len(behind) == len(waited):
            self._since_s = None
            return bool(waited) and not behind
        if self._since_s is None:
            self._since_s = self._clock()
        if self._clock() - self._since_s < PATIENCE_S:
            return False
        self._given_up = {b: b.mark_s for b in behind}
        return True

    @staticmethod
    def _last_step_s(buffer: ModalityBuffer) -> float:
        step_s = 1.0 / float(buffer.modality.rate_hz or 1.0)
        return (0.0 if buffer.shares_stamps else step_s) - buffer.reach_s + _EDGE_S

    def _find_pause(self) -> float | None:
        """Give when samples come again after a pause longer than a window."""
        times = np.sort(np.concatenate([b.times() for b in self._buffers.values()]))
        pauses = np.flatnonzero(np.diff(times) > self._longest_s)
        return float(times[pauses[0] + 1]) if pauses.size else None

    def _block(self, until_s: float, closed: bool) -> Iterator[LiveExtent]:
        origin_s, from_s = self._origin_s or 0.0, self._next_s
        found = ((name, b.track(origin_s, from_s, until_s, final=closed))
                 for name, b in self._buffers.items())  # fmt: skip
        tracks = {name: track for name, track in found if track is not None}
        timed = [track for track in tracks.values() if track.modality.axis == "time"]
        slack_s = max((0.5 / float(t.modality.rate_hz or 1.0) for t in timed), default=0.0)
        spans = [s for s in measured_spans(timed, MAX_GAP_S) if s[1] > from_s + _EDGE_S]
        for i, (first_s, stop_s) in enumerate(spans):
            if self._piece_s is None:
                self._piece_s, self._count = max(first_s, self._after_s), 0
            if first_s > self._next_s + _EDGE_S:
                self._piece_s, self._count = first_s, 0
            while (end_s := self._next_s + self._length_s) <= stop_s + slack_s:
                if not (closed or self._is_whole(end_s)):
                    return
                yield LiveExtent(tracks, self._next_s, end_s)
                self._count += 1
            if closed or i + 1 < len(spans):
                self._piece_s, self._after_s = None, stop_s

    def _sleep(self) -> None:
        """Forget what is not needed any more, and find when to look again."""
        for buffer in self._buffers.values():
            buffer.forget(self._next_s)
        newest_s = max(b.mark_s for b in self._timed)
        step_s = min(1.0 / float(b.modality.rate_hz or 1.0) for b in self._timed)
        self._wake_s = newest_s + step_s if newest_s >= self._next_s + self._length_s else -math.inf


class EventExtents:
    """Lay windows of so many events side by side; what else there is belongs to their ends.

    Args:
        buffers: of every modality; the first on an event axis leads.
        step_s: least seconds from one window's end to the next one's; None lays them side by side.
    """

    def __init__(self, buffers: Buffers, step_s: float | None) -> None:
        self._buffers, self._step_s = buffers, step_s
        self._lead = next(b for b in buffers.values() if b.modality.axis == "event")
        channel = self._lead.modality.channels[0]
        self._scale = {"s": 1.0, "ms": 1e-3}.get(canonical_unit(channel.unit))
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._last_s = -math.inf
        self._before_s: float | None = None

    def next(self, *, final: bool) -> Iterator[LiveExtent]:
        """Give the windows that became whole."""
        steps, times = self._lead.modality.steps, self._lead.times()
        pauses, first = self._pauses(times), self._first(times)
        while first + steps <= len(times):
            inside = pauses[(pauses > first) & (pauses < first + steps)]
            if inside.size:
                first, self._before_s = int(inside[-1]), None
                continue
            start_s = float(times[first]) if self._before_s is None else self._before_s
            stop_s = float(times[first + steps - 1])
            tracks = ((name, b.track(0.0, 0.0, math.inf, final=True))
                      for name, b in self._buffers.items())  # fmt: skip
            yield LiveExtent({n: t for n, t in tracks if t is not None}, start_s, stop_s)
            self._last_s = stop_s
            first = self._first(times)
        for buffer in self._buffers.values():
            buffer.forget(float(times[first]) if first < len(times) else math.inf)

    def _first(self, times: np.ndarray) -> int:
        """Give the place of the next window's first event."""
        if self._last_s == -math.inf:
            return 0
        done = int(np.searchsorted(times, self._last_s, side="right"))
        if self._step_s is not None:
            end = int(np.searchsorted(times, self._last_s + self._step_s - _EDGE_S))
            done = max(0, max(done, end) + 1 - self._lead.modality.steps)
        self._before_s = float(times[done - 1]) if done else self._last_s
        return done

    def _pauses(self, times: np.ndarray) -> np.ndarray:
        """Give the places of events before which some must have been missed."""
        if self._scale is None or len(times) < 2:
            return np.zeros(0, np.int64)
        intervals = np.nan_to_num(self._lead.recent(len(times))[0] * self._scale)
        return np.flatnonzero(np.diff(times) > intervals[1:] + EVENT_PAUSE_S) + 1


class RowExtents:
    """Make every row of values a window.

    Args:
        buffers: of modalities without an axis.
    """

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._last_s = -math.inf

    def next(self, *, final: bool) -> Iterator[LiveExtent]:
        """Give the rows that came."""
        times = np.unique(np.concatenate([b.times() for b in self._buffers.values()]))
        for time_s in times[times > self._last_s].tolist():
            tracks = ((name, b.track(0.0, 0.0, math.inf, final=True))
                      for name, b in self._buffers.items())  # fmt: skip
            yield LiveExtent({n: t for n, t in tracks if t is not None}, time_s, time_s)
            self._last_s = time_s
        for buffer in self._buffers.values():
            buffer.forget(math.inf)
