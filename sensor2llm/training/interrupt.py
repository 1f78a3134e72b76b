"""Ctrl-C that waits for a moment at which a run can be kept."""

import signal
import threading
from types import FrameType, TracebackType


class HeldInterrupt:
    """Hold the first Ctrl-C back until it is asked for; a second one is not held back.

    A step that is cut in its middle leaves weights, averages and counters that do not belong
    together. In another thread than the main one nothing is held back.

    Example:
        >>> with HeldInterrupt() as held:
        ...     signal.raise_signal(signal.SIGINT)
        ...     print("the step ends first:", held.asked)
        the step ends first: 1
    """

    def __init__(self) -> None:
        self.asked = 0

    def __enter__(self) -> "HeldInterrupt":
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._previous = signal.signal(signal.SIGINT, self._hold)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._previous)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
        if self.asked > 1:
            raise KeyboardInterrupt
