"""Heart rate, and how successive beats differ."""

from collections.abc import Iterator

import numpy as np

from sensor2llm.signals.facts.fact import Fact, Values, shared_unit
from sensor2llm.signals.spec import Modality

_MS_PER_UNIT = {"ms": 1.0, "s": 1000.0}
_BEAT_WORDS = ("ibi", "rr", "nn", "beat")


def is_heart_rate(modality: Modality) -> bool:
    """Say whether this is one channel in bpm."""
    return len(modality.channels) == 1 and shared_unit(modality) == "bpm"


def is_beats(modality: Modality) -> bool:
    """Say whether these are inter-beat intervals: events in ms or s whose name says so."""
    if modality.axis != "event" or shared_unit(modality) not in _MS_PER_UNIT:
        return False
    names = f"{modality.name} {modality.channel_names[0]}".lower().replace("_", " ").split()
    return any(name.startswith(word) for name in names for word in _BEAT_WORDS)


def extract_heart_rate(modality: Modality, values: Values) -> Iterator[Fact]:
    """Extract the mean `heart_rate`."""
    yield _rate(modality, float(values.mean()))


def extract_beats(modality: Modality, values: Values) -> Iterator[Fact]:
    """Extract `heart_rate` and, of two intervals or more, `rmssd` and `irregularity`."""
    intervals = values[0] * _MS_PER_UNIT[shared_unit(modality)]
    mean = float(intervals.mean())
    if mean <= 0:
        return
    yield _rate(modality, 60_000 / mean)
    if len(intervals) < 2:
        return
    rmssd = float(np.sqrt(np.mean(np.diff(intervals) ** 2)))
    text = f"{modality.name}: RMSSD {rmssd:.0f} ms"
    yield Fact("rmssd", modality.name, rmssd, "ms", text)
    share = rmssd / mean
    text = f"{modality.name}: successive intervals differ by {100 * share:.0f} % of their mean"
    yield Fact("irregularity", modality.name, share, "1", text)


def _rate(modality: Modality, rate: float) -> Fact:
    text = f"{modality.name}: heart rate {rate:.0f} bpm"
    return Fact("heart_rate", modality.name, rate, "bpm", text)
