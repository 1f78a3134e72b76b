"""Live streams that assistants ask about: each is cut into windows in a thread of its own.

    tail = StreamShelf().open("lsl://Watch", "uci-har-bundled", spec)
    tail.last(30)          the windows of its last 30 s, once it was listened to for so long

Who is not asked about for a while is let go.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from sensor2llm.errors import ConfigError, UserError, listed
from sensor2llm.live.feed import DueWindow, WindowFeed, is_other_recording
from sensor2llm.live.sources.opening import STANDARD_INPUT, open_feed
from sensor2llm.serving.notes import noted
from sensor2llm.signals.mapping.data_map import SAME
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window

MOST_STREAMS, MOST_WINDOWS = 4, 4096
"""Streams at a time, and windows that each keeps."""
MOST_S, IDLE_S, LATE_S = 600.0, 600.0, 10.0
"""Seconds of a question, until a stream is let go, and for which a first window may be late."""
WAIT_S = 0.2
_EDGE_S = 1e-6


class StreamEnd(NamedTuple):
    """Hold the newest windows of a stream, and how long ago the last one came."""

    windows: list[Window]
    age_s: float


class StreamTail:
    """Keep the newest windows of a live source.

    Args:
        feed: where they come from; it is closed at the end.
        length_s: of a window.
        notes: what was said when it was opened.
    """

    def __init__(self, feed: WindowFeed, length_s: float, notes: Sequence[str] = ()) -> None:
        self.feed, self.notes, self._length_s = feed, notes, length_s
        self._windows: deque[DueWindow] = deque(maxlen=MOST_WINDOWS)
        self._error: UserError | OSError | None = None
        self._changed = threading.Condition()
        self._began_s = self._asked_s = time.monotonic()
        self.ended = False
        threading.Thread(target=self._listen, name="stream", daemon=True).start()

    def _listen(self) -> None:
        try:
            with closing(self.feed):
                while time.monotonic() - self._asked_s < IDLE_S:
                    if (coming := self.feed.poll(WAIT_S)) is None:
                        return
                    with self._changed:
                        self._windows += coming
                        self._changed.notify_all()
        except (UserError, OSError) as error:
            self._error = error
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    def last(self, seconds: float) -> StreamEnd:
        """Give the windows of the last seconds, by the device's clock; wait for them at first.

        Raises:
            ConfigError: it is less than a window, or too long.
            UserError: what the source met.
        """
        if not self._length_s <= seconds <= MOST_S:
            least = f"{self._length_s:g} (a window)" if self._length_s else "0"
            raise ConfigError(f"seconds must be from {least} to {MOST_S:g}, got {seconds:g}")
        self._asked_s = time.monotonic()
        with self._changed:
            self._changed.wait_for(
                lambda: self.ended, max(0.0, self._began_s + seconds - self._asked_s)
            )
            self._changed.wait_for(lambda: self.ended or bool(self._windows), LATE_S)
            newest_first = list(reversed(self._windows))
        self._asked_s = time.monotonic()
        if self._error is not None:
            raise self._error
        windows: list[Window] = []
        for window, _, _ in newest_first:
            first_s = newest_first[0].window.start_s + self._length_s - seconds - _EDGE_S
            if windows and (window.start_s < first_s or is_other_recording(window, windows[-1])):
                break
            windows.append(window)
        age_s = self._asked_s - newest_first[0].came_s if newest_first else 0.0
        return StreamEnd(windows[::-1], max(0.0, age_s))


class StreamShelf:
    """Open streams, and find those that are listened to already."""

    def __init__(self) -> None:
        self._tails: dict[tuple[str, str], StreamTail] = {}
        self._lock = threading.Lock()

    def open(self, source: str, adapter: str, spec: SignalSpec) -> StreamTail:
        """Listen to a source, for an adapter.

        Raises:
            ConfigError: it is none, or so many are listened to already.
            UserError: it cannot be opened.
        """
        if source == STANDARD_INPUT:
            raise ConfigError("standard input is the assistant's own; name a stream: lsl://NAME")
        with self._lock:
            self._tails = {key: tail for key, tail in self._tails.items() if not tail.ended}
            if (source, adapter) in self._tails:
                return self._tails[source, adapter]
            if len(self._tails) >= MOST_STREAMS:
                raise ConfigError(
                    f"{len(self._tails)} streams are listened to already: "
                    f"{listed(name for name, _ in self._tails)}; each is let go "
                    f"{IDLE_S / 60:g} minutes after the last question"
                )
            with noted() as notes:
                feed = open_feed(source, spec, SAME, step_s=None, subject="unknown")
            tail = StreamTail(feed, max(spec.lengths_s, default=0.0), notes)
            self._tails[source, adapter] = tail
        return tail
