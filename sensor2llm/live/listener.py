"""Answer windows as they become whole: the newest one where the model is slow.

    listener = Listener(model, feed)
    for answer in listener.answers():
        answer.row["label"], answer.missing

A window is skipped, and counted, where the next one is due before it could be answered. What is
piped in faster than real time is never late, and waits.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from sensor2llm.archive.bouts import clock_text
from sensor2llm.archive.labelling import LabelRows, label_windows
from sensor2llm.live.feed import DueWindow, WindowFeed, is_other_recording
from sensor2llm.live.likeness import SlidingJudge, Unlike
from sensor2llm.live.totals import ListenTotals
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.window import Window
from sensor2llm.tasks.likeness import LikenessVerdict

logger = logging.getLogger(__name__)
WAIT_S = 0.1
"""How long samples are waited for before somebody else has a turn."""
_SAME_S = 0.01


@dataclass(frozen=True, eq=False)
class LiveAnswer:
    """Say what a window is."""

    window: Window
    row: dict[str, Any]
    """As a row of `classify`: start_s, label, probability, p_LABEL of all, and unlike."""
    missing: tuple[str, ...]
    """Sensors of the adapter that the window lacks."""
    unlike: Unlike
    latency_s: float
    """From the window's last sample to the answer."""
    skipped: int
    """Windows so far that the model was too slow for."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        more = {"missing": list(self.missing), "latency_s": round(self.latency_s, 4)}
        return self.row | more | {"skipped": self.skipped}


class LiveView(Protocol):
    """Show what is heard."""

    def show(self, answer: LiveAnswer) -> None:
        """Show an answer."""

    def tick(self) -> None:
        """Show what came meanwhile."""


class Listener:
    """Answer the windows of a feed.

    Args:
        model: adapter and LLM.
        feed: where windows come from.
        abstain: the share of wrong labels that is taken; see `LabelRows`.
        stop_after_s: end after so many seconds; None goes on to the end.
        clock: seconds, as those of `time.monotonic`.

    Raises:
        ConfigError: the adapter says no labels, or is not calibrated and should abstain.
    """

    def __init__(
        self,
        model: SensorLanguageModel,
        feed: WindowFeed,
        *,
        abstain: float | None = None,
        stop_after_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model, self.feed, self._clock = model, feed, clock
        self._labels = LabelRows(model, abstain)
        lengths = model.adapter.spec.lengths_s
        self._judge = SlidingJudge(self._labels.judge.profile, max(lengths, default=0.0))
        self.totals = ListenTotals(lengths[0] if len(lengths) == 1 else 0.0)
        self._last: Window | None = None
        self._missing: tuple[str, ...] = ()
        self._unlike = Unlike()
        self.stopped = False
        self._end_s = None if stop_after_s is None else clock() + stop_after_s

    def stop(self) -> None:
        """End with the window that is being answered."""
        self.stopped = True

    def answers(self) -> Iterator[LiveAnswer]:
        """Give the answers as they come."""
        for heard in self._hear():
            if heard is not None and heard[1] is not None:
                yield heard[1]

    def windows(self, view: LiveView) -> Iterator[Window]:
        """Show the answer of each window as it comes, and give the window; skipped ones, too."""
        for heard in self._hear():
            if heard is None:
                view.tick()
                continue
            window, answer = heard
            if answer is not None:
                view.show(answer)
            yield window

    def _hear(self) -> Iterator[tuple[Window, LiveAnswer | None] | None]:
        """Give each window with its answer, if it has one; None after each look at the feed."""
        while not self._is_over() and (coming := self.feed.poll(WAIT_S)) is not None:
            for place, due in enumerate(coming):
                self._note_gap(due.window)
                later = coming[place + 1] if place + 1 < len(coming) else None
                if later is not None and later.due_s <= self._clock():
                    self._skip(due.window)
                    yield due.window, None
                else:
                    yield due.window, self._answer(due)
            yield None
        self.totals.close()
        self.totals.losses = dict(self.feed.losses)

    def _is_over(self) -> bool:
        return self.stopped or (self._end_s is not None and self._clock() >= self._end_s)

    def _answer(self, due: DueWindow) -> LiveAnswer:
        window = due.window
        (prediction,) = label_windows(self.model, [window], 1)
        unlike = self._judge.judge(window)
        verdict = LikenessVerdict([unlike.check])
        (row,) = self._labels.rows([prediction], verdict)
        missing = tuple(n for n in self.model.adapter.spec.names if n not in window.signals)
        self._tell(window, missing, unlike)
        latency_s = max(0.0, self._clock() - min(due.due_s, due.came_s))
        self.totals.add(window, row["label"], latency_s)
        return LiveAnswer(window, row, missing, unlike, latency_s, self.totals.skipped)

    def _skip(self, window: Window) -> None:
        if not self.totals.skipped:
            logger.warning("the model is slower than the signal: windows are skipped")
        self.totals.skipped += 1
        self.totals.close(window)

    def _note_gap(self, window: Window) -> None:
        """Count time in which no window was whole."""
        last, self._last = self._last, window
        usual_s, at = self.feed.step_s, clock_text(window.start_s)
        if last is None:
            return
        if is_other_recording(last, window):
            logger.info("another recording begins at %s", at)
        elif usual_s is not None and (more_s := window.start_s - last.start_s - usual_s) > _SAME_S:
            self.totals.gaps += 1
            self.totals.gap_s += more_s
            logger.info("a gap: %.2f s without a window before %s", more_s, at)

    def _tell(self, window: Window, missing: tuple[str, ...], unlike: Unlike) -> None:
        """Say what changed: sensors that went or came back, and what is unlike training."""
        at = clock_text(window.start_s)
        for name in missing:
            if name not in self._missing:
                logger.warning("%s: %s is missing", at, name)
        for name in self._missing:
            if name not in missing:
                logger.warning("%s: %s is back", at, name)
        if unlike.text and unlike.check != self._unlike.check:
            logger.warning("%s: unlike what the adapter learned from: %s", at, unlike.text)
        self._missing, self._unlike = missing, unlike
