"""What the listener hears: windows that are whole, each with the moment at which it was."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.window import Window


class DueWindow(NamedTuple):
    """A window, and when its last sample was to be there, and was, by `time.monotonic`.

    What came many times faster than real time is due later than it was there.
    """

    window: Window
    due_s: float
    came_s: float


class WindowFeed(Protocol):
    """Give windows as soon as they are whole."""

    name: str
    ledger: Ledger
    """What became of windows, and why some are none."""

    def poll(self, wait_s: float) -> list[DueWindow] | None:
        """Give the windows that became whole, after at most `wait_s` seconds; None at the end."""

    def recent(self) -> Mapping[str, np.ndarray]:
        """Give the newest values of each modality that is there: (channel, step)."""

    def close(self) -> None:
        """Let go of where they come from."""
