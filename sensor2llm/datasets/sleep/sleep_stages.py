"""Sleep stages of a night: their names, and windows of 30 s that lie within one stage.

Stages of Rechtschaffen and Kales are joined as the AASM manual has them [Berry et al. 2012]: 3 and
4 are N3. A window begins with its stage and holds that stage alone, so it need not lie on a grid of
30 s from the recording's start. What was scored is counted by epochs of 30 s from the start of each
stretch of one stage: those that begin in a window are kept.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sensor2llm.signals.ledger.ledger import Ledger, RowCoverage
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Annotation, Recording, Track, Window

LABELS = ("wake", "N1", "N2", "N3", "REM")
EPOCH_S, WAKE_MARGIN_S = 30.0, 1800.0
LEFT_OVER = "left over at the end of a stage"
TOO_LITTLE = "in which too little was measured"

Tracks = Mapping[str, Track]
Load = Callable[[float, float], Tracks]
"""Gives the tracks from one second to another; a track says itself where it starts."""


def join(stages: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """Join neighbours of one label that touch."""
    joined: list[Annotation] = []
    for stage in stages:
        last = joined[-1] if joined else None
        if last and last.label == stage.label and abs(last.stop_s - stage.start_s) < 1e-6:
            joined[-1] = replace(last, stop_s=stage.stop_s)
        else:
            joined.append(stage)
    return tuple(joined)


def between(stages: Iterable[Annotation], start_s: float, stop_s: float) -> tuple[Annotation, ...]:
    """Cut the stages to what lies between two times."""
    cut = (
        replace(stage, start_s=max(stage.start_s, start_s), stop_s=min(stage.stop_s, stop_s))
        for stage in stages
    )
    return tuple(stage for stage in cut if stage.start_s < stage.stop_s)


def trim_wake(
    stages: Iterable[Annotation], margin_s: float = WAKE_MARGIN_S
) -> tuple[Annotation, ...]:
    """Leave out what lies more than `margin_s` before the first or after the last sleep.

    Stages without any sleep are all left out.
    """
    stages = tuple(stages)
    asleep = [stage for stage in stages if stage.label != "wake"]
    if not asleep:
        return ()
    first_s = min(stage.start_s for stage in asleep)
    last_s = max(stage.stop_s for stage in asleep)
    return between(stages, first_s - margin_s, last_s + margin_s)


def count_epochs(stages: Iterable[Annotation]) -> int:
    """Count the whole windows of 30 s that these stages hold."""
    return sum(_whole(stage) for stage in stages)


def epoch_times(
    stretches: Iterable[tuple[float, float]], step_s: float = EPOCH_S
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give the start of every epoch that begins within one of these stretches, in seconds."""
    parts = [
        start_s + step_s * np.arange(math.ceil((stop_s - start_s) / step_s - 1e-6))
        for start_s, stop_s in stretches
    ]
    return np.concatenate([np.empty(0), *parts])


def measured(
    stages: Iterable[Annotation], spans: Sequence[tuple[float, float]], epochs: RowCoverage
) -> tuple[Annotation, ...]:
    """Cut the stages to what was measured, and give the epochs outside of it their reason."""
    stages = tuple(stages)
    bounds = [-math.inf, *(time for span in spans for time in span), math.inf]
    reasons = ["before the recording's start", *["in a pause of the recording"] * (len(spans) - 1)]
    for i, reason in enumerate([*reasons, "after the recording's end"]):
        epochs.drop(bounds[2 * i], bounds[2 * i + 1] - 1e-6, reason)
    return tuple(stage for span in spans for stage in between(stages, *span))


def stage_windows(
    subject: str,
    stages: Iterable[Annotation],
    load: Load,
    spec: SignalSpec,
    ledger: Ledger,
    epochs: RowCoverage,
) -> Iterator[Window]:
    """Give the windows of 30 s of every stage, in order; nothing is read before it is needed."""
    for stage in join(stages):
        stop_s = stage.start_s + _whole(stage) * EPOCH_S
        epochs.drop(stop_s - 1e-6, stage.stop_s - 1e-6, LEFT_OVER)
        if stop_s == stage.start_s:
            continue
        tracks = load(stage.start_s, stop_s)
        for window in segment(Recording(subject, tracks, (stage,)), spec, ledger=ledger):
            epochs.keep(window.start_s - 1e-6, window.start_s + EPOCH_S - 1e-6)
            yield window
        epochs.drop(stage.start_s - 1e-6, stop_s - 1e-6, TOO_LITTLE)
    epochs.drop(-math.inf, math.inf, LEFT_OVER)
    epochs.account(ledger, "epochs")


def cut_from(tracks: Tracks) -> Load:
    """Give a `Load` that cuts whole tracks on a time axis that are already in memory."""

    def load(start_s: float, stop_s: float) -> Tracks:
        return {name: _cut(track, start_s, stop_s) for name, track in tracks.items()}

    return load


def _cut(track: Track, start_s: float, stop_s: float) -> Track:
    rate_hz = float(track.modality.rate_hz or 1.0)
    first, last = (round((time - track.start_s) * rate_hz) for time in (start_s, stop_s))
    return replace(track, values=track.values[:, first:last], start_s=start_s)


def _whole(stage: Annotation) -> int:
    return math.floor((stage.stop_s - stage.start_s) / EPOCH_S + 1e-6)
