"""What a live source is: something that gives samples as they come.

class MySource:
    name = "my device"                      what messages call it
    columns = ("accel.x", "accel.y")        what there is, each named as a channel of the adapter
    units = {}                              column -> its unit, where the device says so

    def read(self, wait_s): ...         LiveSamples, none of them if nothing came; None at the end
    def close(self): ...
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class LiveSamples:
    """Hold some samples of one clock, in the order in which they came.

    A chunk need not have every column, as where several streams are listened to; a column that is
    there and NaN was not measured.
    """

    values: Mapping[str, np.ndarray]
    """Column -> values of shape (sample,)."""
    times_s: np.ndarray | None = None
    """Of shape (sample,); seconds from 1970 where the clock is a date. None: they have no time."""

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))


NOTHING = LiveSamples({})


class LiveSource(Protocol):
    """Give samples of a device as they come."""

    name: str

    @property
    def columns(self) -> Sequence[str]:
        """Name the columns of the sensors, the time not among them; others may come later."""

    @property
    def units(self) -> Mapping[str, str]:
        """Give the units of those columns of which the device says it."""

    def read(self, wait_s: float) -> LiveSamples | None:
        """Give what came since the last time, after at most `wait_s` seconds; None at the end."""

    def close(self) -> None:
        """Let go of the device."""
