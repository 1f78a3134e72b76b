"""Cut the intervals between heart beats into windows of 60 beats that lie within one rhythm."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64

from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.segment import SHORT
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Annotation, Recording, Track, Window

BEATS = 60
SPEC = SignalSpec(
    modalities=(
        Modality(name="rr", channels=(Channel(name="rr", unit="ms"),), steps=BEATS, axis="event"),
    )
)


def beat_windows(
    subject: str,
    times_s: Float64[np.ndarray, " beat"],
    intervals_s: Float64[np.ndarray, " beat"],
    rhythms: Sequence[Annotation],
    limits_s: tuple[float, float],
    overlap: float,
    ledger: Ledger,
) -> Iterator[Window]:
    """Give the windows of one recording in order; every beat is counted in `ledger`.

    The recording is cut at every interval outside `limits_s`, and where two neighbouring beats are
    further apart than the longest of them: a beat was missed, or the recorder was off.

    Args:
        subject: Whose heart it is.
        times_s: When each beat is, which is the end of its interval; never going back.
        intervals_s: The time from the beat before.
        rhythms: What is to be predicted, and when it holds, in order; a window that touches two is
            dropped, one that touches none has no label.
        limits_s: Shortest and longest interval that is believed.
        overlap: Share of a window that the next one repeats.
        ledger: Counts beats and windows.
    """
    good = (intervals_s >= limits_s[0]) & (intervals_s <= limits_s[1])
    outside = int((~good).sum())
    ledger.read("beats", outside)
    ledger.drop("beats", outside, f"with an interval outside {limits_s[0]:g} to {limits_s[1]:g} s")
    starts = np.array([rhythm.start_s for rhythm in rhythms])
    stops = np.array([rhythm.stop_s for rhythm in rhythms])
    for beats in _pieces(times_s, good, limits_s[1], ledger):
        start_s = float(times_s[beats[0]] - intervals_s[beats[0]])
        track = Track(
            modality=SPEC["rr"],
            values=intervals_s[None, beats] * 1000,
            start_s=start_s,
            stamps_s=times_s[beats],
        )
        first = int(np.searchsorted(stops, start_s))
        last = int(np.searchsorted(starts, times_s[beats[-1]], "right"))
        recording = Recording(
            subject, {"rr": track}, tuple(rhythms[first:last]), row_times_s=times_s[beats]
        )
        yield from segment(recording, SPEC, overlap=overlap, ledger=ledger, rows_unit="beats")


def _pieces(
    times_s: np.ndarray, good: Bool[np.ndarray, " beat"], pause_s: float, ledger: Ledger
) -> Iterator[Int64[np.ndarray, " beat"]]:
    """Give the beats of each piece between two cuts that can hold a window, as indices."""
    beats = np.flatnonzero(good)
    apart = (np.diff(beats) > 1) | (np.diff(times_s[beats]) > pause_s)
    bounds = np.r_[0, np.flatnonzero(apart) + 1, len(beats)]
    lengths = np.diff(bounds)
    short = int(lengths[lengths < BEATS].sum())
    ledger.read("beats", short)
    ledger.drop("beats", short, SHORT)
    for i in np.flatnonzero(lengths >= BEATS):
        yield beats[bounds[i] : bounds[i + 1]]
