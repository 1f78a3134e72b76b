"""Spread rows that share a time over the interval up to the next one.

Clocks of whole seconds and sensors that send packets give many rows one stamp. Rows of one stamp
that fill different columns are one moment, as where every sensor writes a row of its own.
"""

import numpy as np
from jaxtyping import Bool, Float64

from sensor2llm.errors import DataError

# A step that is longer than the typical one by more than this is a pause, or half a packet.
_LONG = 1.5


def spread_stamps(
    times_s: Float64[np.ndarray, " row"], measured: Bool[np.ndarray, "modality row"], name: str = ""
) -> tuple[Float64[np.ndarray, " row"], int]:
    """Give every row a time of its own, and how many rows shared one.

    Args:
        times_s: Never going back.
        measured: Which modalities have a value in which row; rows with a value of the same
            modality cannot be at the same time.
        name: Of the file, for messages.

    Raises:
        DataError: If all rows have one time, so that nothing says how fast they come.
    """
    new = np.r_[True, np.diff(times_s) > 0]
    starts, group = np.flatnonzero(new), np.cumsum(new) - 1
    rank = np.zeros(len(times_s), dtype=np.int64)
    for row in measured:
        before = np.cumsum(row) - row
        rank = np.maximum(rank, np.where(row, before - before[starts][group], 0))
    sizes = np.maximum.reduceat(rank, starts) + 1
    if sizes.max() == 1:
        return times_s, 0
    if len(starts) == 1:
        raise DataError(
            f"{name}: all {len(times_s)} rows have the time {times_s[0]:.10g} s; a clock that "
            "stands still does not say how fast they come"
        )
    stamps = times_s[starts]
    intervals = np.diff(stamps)
    steps = np.r_[intervals / sizes[:-1], np.inf]
    typical = float(np.median(np.repeat(steps[:-1], sizes[:-1])))
    steps = np.where(steps > _LONG * typical, typical, steps)
    if np.median(sizes) > 1 and intervals[0] <= _LONG * np.median(intervals):
        # The first stamp's rows came at the end of its interval: recording began within it.
        stamps[0] = max(stamps[0], stamps[1] - sizes[0] * steps[0])
    return stamps[group] + rank * steps[group], int((sizes[group] > 1).sum())
