"""Time stamps as recorders write them: coarse ones that samples share, and clocks that go back."""

import numpy as np
from jaxtyping import Bool, Float64


def is_no_earlier(times: np.ndarray) -> Bool[np.ndarray, " sample"]:
    """Mark the times that are not earlier than any time before them."""
    return times >= np.maximum.accumulate(times)


def spread_shared(times_s: Float64[np.ndarray, " sample"]) -> Float64[np.ndarray, " sample"]:
    """Spread samples that share a stamp evenly over the time up to the next stamp.

    A recorder that writes whole seconds, or a stamp a packet, gives several samples one time. The
    time up to the next stamp counts up to the usual (median) step between stamps, so that a pause
    after them stays a pause; the last stamp's samples take the usual step, too.

    Args:
        times_s: Never going back.

    Returns:
        Strictly increasing times where any two stamps differ; else the same times.
    """
    first = np.flatnonzero(np.r_[True, np.diff(times_s) > 0])
    if len(first) in (1, len(times_s)):
        return times_s
    counts = np.diff(np.r_[first, len(times_s)])
    steps_s = np.diff(times_s[first])
    usual_s = float(np.median(steps_s))
    room_s = np.minimum(np.r_[steps_s, usual_s], usual_s)
    place = np.arange(len(times_s)) - np.repeat(first, counts)
    return times_s + place * np.repeat(room_s / counts, counts)
