"""A file or a store, played as if its windows came from a device now."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from sensor2llm.errors import ConfigError
from sensor2llm.live.feed import DueWindow, check_step, is_other_recording
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.data_map import SAME, DataMap
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.tables.windows import DESCRIPTIONS
from sensor2llm.signals.window import Window


class PlaybackFeed:
    """Give the windows that `classify` reads from a file, each at its time.

    Args:
        path: anything that `classify` reads.
        spec: the adapter's.
        data_map: which of the file's sensors and axes stand for the adapter's.
        step_s: seconds from one window's start to the next one's; None lays them side by side.
        speed: seconds of the file a second; infinite: as fast as windows are answered.

    Raises:
        ConfigError: a step that cannot be, or for a file whose windows are cut already.
        DataError: as reading the file does.
    """

    def __init__(
        self,
        path: Path,
        spec: SignalSpec,
        data_map: DataMap = SAME,
        *,
        step_s: float | None = None,
        speed: float = 1.0,
    ) -> None:
        self.name, self.ledger, self.losses = path.name, Ledger(), Counter[str]()
        self._length_s, self._speed = max(spec.lengths_s, default=0.0), speed
        check_step(step_s, spec)
        laid = path.is_dir() or path.suffix in (".npz", *DESCRIPTIONS)
        if step_s is not None and laid:
            raise ConfigError(f"{path.name} says itself where its windows are; leave --step-s out")
        overlap = 1 - step_s / self._length_s if step_s and self._length_s else 0.0
        self.step_s = None if laid or not self._length_s else step_s or self._length_s
        self._windows: Iterator[Window] = data_map.read(path, spec, overlap, self.ledger)
        self._next: Window | None = None
        self._base = (0.0, 0.0)
        self._advance()
        self._recent: Mapping[str, np.ndarray] = {}

    def poll(self, wait_s: float) -> list[DueWindow] | None:
        """Give the windows whose time has come; None at the end."""
        if self._next is None:
            return None
        now_s = time.monotonic()
        if self._due_s(self._next) > now_s:
            time.sleep(min(self._due_s(self._next) - now_s, wait_s))
        coming, now_s = [], time.monotonic()
        while self._next is not None and (due_s := self._due_s(self._next)) <= now_s:
            due_s = max(due_s, now_s) if self._speed == math.inf else due_s
            coming.append(DueWindow(self._next, due_s, due_s))
            self._recent = self._next.signals
            self._advance()
            if self._speed == math.inf:
                break
        return coming

    def _advance(self) -> None:
        """Read the next window; another recording starts now."""
        before, self._next = self._next, next(self._windows, None)
        if self._next is not None and is_other_recording(before, self._next):
            self._base = (time.monotonic(), self._next.start_s)

    def _due_s(self, window: Window) -> float:
        """Give when a window's last sample is to be heard."""
        now_s, start_s = self._base
        if self._speed == math.inf:
            return -math.inf
        return now_s + (window.start_s + self._length_s - start_s) / self._speed

    @property
    def heard_s(self) -> float:
        """Say that a file is never silent."""
        return time.monotonic()

    def recent(self) -> Mapping[str, np.ndarray]:
        """Give the values of the last window: (channel, step)."""
        return self._recent

    def close(self) -> None:
        """Leave the file."""
