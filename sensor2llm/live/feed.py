"""What the listener hears: windows that are whole, each with the moment at which it was."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from sensor2llm.errors import ConfigError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import SignalSpec
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
    step_s: float | None
    """Seconds from one window's start to the next one's; None where they are not laid by time."""

    @property
    def losses(self) -> Mapping[str, int]:
        """Give what else was left out, by reason."""

    @property
    def heard_s(self) -> float:
        """Give when something came, by `time.monotonic`."""

    def poll(self, wait_s: float) -> list[DueWindow] | None:
        """Give the windows that became whole, after at most `wait_s` seconds; None at the end."""

    def recent(self) -> Mapping[str, np.ndarray]:
        """Give the newest values of each modality that is there: (channel, step)."""

    def close(self) -> None:
        """Let go of where they come from."""


def is_other_recording(before: Window | None, window: Window) -> bool:
    """Say whether a window is not of the recording of the one before it."""
    return (
        before is None
        or (before.subject, before.recording) != (window.subject, window.recording)
        or window.start_s < before.start_s
    )


def check_step(step_s: float | None, spec: SignalSpec) -> None:
    """Refuse a step that cannot be.

    Raises:
        ConfigError: it is not above 0, or longer than a window.
    """
    longest_s = max(spec.lengths_s, default=float("inf"))
    if step_s is not None and not 0 < step_s <= longest_s:
        most = f" and at most a window's {longest_s:g} s" if spec.lengths_s else ""
        raise ConfigError(f"step-s must be above 0{most}, got {step_s:g}")
