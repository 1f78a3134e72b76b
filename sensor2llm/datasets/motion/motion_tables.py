"""Steps that readers of motion tables share: text to numbers, runs of one activity, windows.

A bout is what one person's sensors measured during one activity, in one go.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from sensor2llm.datasets.published import possible_values
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.resample import spread_stamps
from sensor2llm.signals.segment import SHORT
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Annotation, Recording, Track, Window

SLOW = "of a sensor slower than the longest pause that is bridged"
EARLIER = "with an earlier time stamp than one before"
COPY = "that repeat the one before"
SHARED = "that share a time stamp, spread up to the next one"
NO_ACTIVITY = "without an activity"


@dataclass(frozen=True, eq=False)
class Bout:
    """Hold one activity of one person: modality name to values, all starting at `start_s`.

    `times_s` are the times of the samples that it was made of, in order and on the same clock.
    `name` tells it from others of the same person and activity, where it is a recording of its own.
    """

    subject: str
    label: str
    start_s: float
    values: Mapping[str, Float[np.ndarray, "channel step"]]
    times_s: Float64[np.ndarray, " sample"]
    name: str = ""


def equal_runs(codes: np.ndarray) -> list[tuple[int, int]]:
    """Give the runs of neighbouring equal codes as (start, stop)."""
    cuts = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    edges = [0, *cuts.tolist(), len(codes)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def leave_out(ledger: Ledger, samples: int, reason: str) -> None:
    """Count samples that were read and come to no window."""
    ledger.read("samples", samples)
    ledger.drop("samples", samples, reason)


def long_runs(
    times_s: Float64[np.ndarray, " sample"],
    codes: np.ndarray,
    window_s: float,
    rate_hz: float,
    ledger: Ledger,
    labelled: Bool[np.ndarray, " sample"] | None = None,
) -> Iterator[tuple[int, int]]:
    """Give the runs of equal codes, as (start, stop), that may hold a window; count the others."""
    if not len(codes):
        return
    bounds = np.r_[0, np.flatnonzero(codes[1:] != codes[:-1]) + 1, len(codes)]
    first, last = bounds[:-1], bounds[1:] - 1
    if labelled is not None:
        first, last = first[labelled[first]], last[labelled[first]]
    # Two steps of slack: whether the rest is long enough, `segment` says.
    long = times_s[last] - times_s[first] + 2 / rate_hz >= window_s
    leave_out(ledger, int((last - first + 1)[~long].sum()), SHORT)
    yield from zip(first[long].tolist(), (last + 1)[long].tolist(), strict=True)


def in_order(
    times_s: Float64[np.ndarray, " sample"],
    values: Float[np.ndarray, "channel sample"],
    ledger: Ledger,
) -> tuple[Int64[np.ndarray, " stay"], Float64[np.ndarray, " stay"]]:
    """Leave out samples earlier than one before, and copies; spread those that share a stamp.

    A copy has the stamp and the values of the sample before it. Where most samples share a stamp,
    the clock is coarse, and equal values are no copies.

    Returns:
        Which samples stay, as indices, and the times of these.
    """
    if (times_s[1:] > times_s[:-1]).all():
        return np.arange(len(times_s)), times_s
    stay = np.flatnonzero(times_s >= np.maximum.accumulate(times_s))
    leave_out(ledger, len(times_s) - len(stay), EARLIER)
    shared = np.diff(times_s[stay], prepend=-np.inf) == 0
    if shared.any() and shared.mean() < 0.5:
        before = np.roll(stay, 1)
        same = np.isclose(values[:, stay], values[:, before], 0, 0, equal_nan=True)
        copies = shared & same.all(axis=0)
        leave_out(ledger, int(copies.sum()), COPY)
        stay = stay[~copies]
    if len(stay) > 1 and times_s[stay[0]] == times_s[stay[-1]]:
        leave_out(ledger, len(stay) - 1, "at the only time of their bout, all but one")
        return stay[:1], times_s[stay[:1]]
    every = np.ones((1, len(stay)), bool)
    spread_s, count = spread_stamps(times_s[stay], every) if len(stay) else (times_s[stay], 0)
    ledger.change("samples", count, SHARED)
    return stay, spread_s


def is_slow(times_s: Float64[np.ndarray, " sample"], max_gap_s: float) -> bool:
    """Say whether most samples are so far apart that nothing between them was measured."""
    return len(times_s) > 1 and float(np.median(np.diff(times_s))) > max_gap_s


def bout_windows(
    bouts: Iterable[Bout], spec: SignalSpec, overlap: float, ledger: Ledger
) -> Iterator[Window]:
    """Cut bouts into windows; their samples and windows are counted in `ledger`."""
    for bout in bouts:
        tracks, where = {}, f"{bout.subject}, {bout.label}"
        for name, values in bout.values.items():
            possible = possible_values(where, values, spec[name], ledger)
            tracks[name] = Track(modality=spec[name], values=possible, start_s=bout.start_s)
        lengths = (v.shape[1] / float(spec[name].rate_hz or 1.0) for name, v in bout.values.items())
        stop_s = bout.start_s + max(lengths)
        recording = Recording(
            subject=bout.subject,
            tracks=tracks,
            annotations=(Annotation(start_s=bout.start_s, stop_s=stop_s, label=bout.label),),
            name=bout.name or bout.label,
            row_times_s=bout.times_s,
        )
        yield from segment(recording, spec, overlap=overlap, ledger=ledger, rows_unit="samples")
