"""When a moment of a signal was to be heard: clocks of devices run early, late and otherwise fast.

    pace = Pace()
    pace.arrive(stamp_s=17.0, now_s=100.0)      a sample, as it comes
    pace.due(16.0)                              99.0

The device's clock is put on ours where it first came. Samples that come late put it back at once,
those that come early put it forward slowly: a clock may drift by 5 %, and a file that is piped in,
many times faster than real time, is never late.
"""

PULL = 0.05
"""Seconds a second by which the device's clock is put forward."""


class Pace:
    """Say when each moment of a device's clock was to be there, on ours."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._at_s = 0.0

    def arrive(self, stamp_s: float, now_s: float) -> None:
        """Note that the sample of `stamp_s` came now."""
        off_s = now_s - stamp_s
        if self._offset_s is None:
            self._offset_s = off_s
        else:
            slowest = self._offset_s - PULL * (now_s - self._at_s)
            self._offset_s = max(off_s, slowest)
        self._at_s = now_s

    def restart(self) -> None:
        """Forget the device's clock: it was set anew."""
        self._offset_s = None

    def due(self, stamp_s: float) -> float:
        """Give when a moment was to be there."""
        return stamp_s + (self._offset_s or 0.0)
