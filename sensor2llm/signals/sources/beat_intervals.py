"""Cut the intervals between heart beats into windows of 60 beats that lie within one rhythm."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float64

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
    notes: Counter[str],
) -> Iterator[Window]:
    """Give the windows of one recording in order; what is dropped is counted in `notes`.

    The recording is cut at every interval outside `limits_s`, and where two neighbouring beats are
    further apart than the longest of them: a beat was missed, or the recorder was off.

    Args:
        subject: Whose heart it is.
        times_s: When each beat is, which is the end of its interval; never going back.
        intervals_s: The time from the beat before.
        rhythms: What is to be predicted, and when it holds; a window that touches two is dropped,
            one that touches none has no label.
        limits_s: Shortest and longest interval that is believed.
        overlap: Share of a window that the next one repeats.
        notes: Counts of what was dropped.
    """
    modality = SPEC["rr"]
    hop = max(1, round(BEATS * (1 - overlap)))
    good = (intervals_s >= limits_s[0]) & (intervals_s <= limits_s[1])
    notes[f"intervals outside {limits_s[0]:g} to {limits_s[1]:g} s"] += int((~good).sum())
    for beats in _pieces(times_s, good, limits_s[1]):
        count = max(0, (len(beats) - BEATS) // hop + 1)
        notes["beats left over at the end of a piece"] += _left_over(len(beats), count, hop)
        track = Track(
            modality=modality,
            values=intervals_s[None, beats] * 1000,
            start_s=float(times_s[beats[0]] - intervals_s[beats[0]]),
            stamps_s=times_s[beats],
        )
        given = 0
        recording = Recording(subject, {"rr": track}, tuple(rhythms))
        for window in segment(recording, SPEC, overlap=overlap):
            given += 1
            yield window
        notes["windows that touch two rhythms"] += count - given


def _pieces(times_s: np.ndarray, good: Bool[np.ndarray, " beat"], pause_s: float) -> list:
    """Give the beats of each piece between two cuts, as indices."""
    kept = np.flatnonzero(good)
    if not kept.size:
        return []
    apart = (np.diff(kept) > 1) | (np.diff(times_s[kept]) > pause_s)
    return np.split(kept, np.flatnonzero(apart) + 1)


def _left_over(beats: int, windows: int, hop: int) -> int:
    used = (windows - 1) * hop + BEATS if windows else 0
    return beats - used
