"""Cut a running signal into windows, as `segment` cuts a recording that is over.

A pause is spanned by no window; where it is longer than a window, or the clock is set back, a
recording begins anew. What memory holds is a window of each sensor, and what a filter needs around.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sensor2llm.errors import SpecError
from sensor2llm.live.buffer import ModalityBuffer
from sensor2llm.live.extents import EventExtents, Extents, RowExtents, TimedExtents
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.segment import cut_signals
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.tables.description import TableModality
from sensor2llm.signals.window import Window

logger = logging.getLogger(__name__)
SET_BACK_S = 1.0
"""A clock that goes back by more begins anew; samples that are less late are put in order."""


class CutWindow(NamedTuple):
    """A window, and when it ends by the device's clock."""

    window: Window
    stop_s: float


class LiveCutter:
    """Take samples as they come and give the windows that became whole.

    Args:
        entries: the modalities that may come, their columns and scales.
        spec: the windows'; its other modalities are missing.
        step_s: seconds from one window's start to the next one's; None lays them side by side.
        subject: whose windows they are.
        ledger: counts windows.
        losses: counts samples that are left out, by reason.
        clock: our own seconds, for how long a sensor's stream is waited for.
    """

    def __init__(
        self,
        entries: Sequence[TableModality],
        spec: SignalSpec,
        step_s: float | None = None,
        subject: str = "unknown",
        ledger: Ledger | None = None,
        losses: Counter[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spec, self.subject = spec, subject
        self.ledger = Ledger() if ledger is None else ledger
        self.losses = Counter[str]() if losses is None else losses
        self.restarts = 0
        axes = [entry.modality.axis for entry in entries]
        every = "time" not in axes and axes.count("event") == 1
        self.buffers = {
            e.modality.name: ModalityBuffer(
                e, keep_empty=every and e.modality.axis == "event", losses=self.losses
            )
            for e in entries
        }
        self._extents = self._lay(step_s, clock)

    def _lay(self, step_s: float | None, clock: Callable[[], float]) -> Extents:
        axes = [buffer.modality.axis for buffer in self.buffers.values()]
        if "time" in axes:
            length_s = self.spec.subset(self.buffers).lengths_s[0]
            return TimedExtents(self.buffers, length_s, step_s or length_s, clock)
        return EventExtents(self.buffers, step_s) if "event" in axes else RowExtents(self.buffers)

    def feed(self, times_s: np.ndarray, values: Mapping[str, np.ndarray]) -> Iterator[CutWindow]:
        """Take samples: times in seconds, values by column of shape (sample,), NaN for none.

        Raises:
            SpecError: the first windows look like another unit.
            DataError: the clock stands still.
        """
        back = np.flatnonzero(np.diff(times_s) < -SET_BACK_S) + 1
        for part in np.split(np.arange(len(times_s)), back):
            yield from self._feed(times_s[part], {name: v[part] for name, v in values.items()})

    def _feed(self, times_s: np.ndarray, values: Mapping[str, np.ndarray]) -> Iterator[CutWindow]:
        if not len(times_s):
            return
        coming = [b for b in self.buffers.values() if set(b.entry.columns) <= set(values)]
        newest_s = max((b.mark_s for b in coming), default=-math.inf)
        if times_s.min() < newest_s - SET_BACK_S:
            yield from self.finish()
            self._restart(newest_s - float(times_s[0]))
        for buffer in coming:
            buffer.add(times_s, np.stack([values[column] for column in buffer.entry.columns]))
        yield from self._cut(final=False)

    def _restart(self, back_s: float) -> None:
        logger.info("the clock went back by %.4g s; a recording begins anew", back_s)
        self.restarts += 1
        self._extents.restart()
        for buffer in self.buffers.values():
            buffer.restart()

    def finish(self) -> Iterator[CutWindow]:
        """Give the last windows: nothing more comes."""
        yield from self._cut(final=True)

    def _cut(self, *, final: bool) -> Iterator[CutWindow]:
        for tracks, start_s, stop_s in self._extents.next(final=final):
            self.ledger.read("windows")
            for buffer in self.buffers.values():
                buffer.check_limits()
            signals = cut_signals(tracks, start_s, stop_s, self.ledger)
            if isinstance(signals, str):
                self.ledger.drop("windows", 1, signals)
                continue
            if not (signals := self._checked(signals)):
                self.ledger.drop("windows", 1, "in another unit")
                continue
            self.ledger.keep("windows")
            yield CutWindow(Window(signals, self.subject, None, start_s), stop_s)

    def _checked(self, signals: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Refuse a first window in another unit; later on, a sensor that comes so is missing."""
        fitting = {}
        for name, values in signals.items():
            try:
                self.buffers[name].check(values)
                fitting[name] = values
            except SpecError:
                if not self.ledger["windows"].kept:
                    raise
                self.losses[f"windows without {name}, which came in another unit"] += 1
        return fitting
