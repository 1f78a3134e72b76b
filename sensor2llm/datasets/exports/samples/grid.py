"""A stretch of a person's samples becomes a recording: each sensor on a regular clock."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float32

from sensor2llm.datasets.exports.samples.device import EVENTS, Sensor, SensorStream
from sensor2llm.signals.resample import resample_irregular
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Annotation, Recording, Track

# Steps of a rate that is told from stamps, and how far the stamps may be from it.
_NICE_HZ = ((10.0, 0.03), (1.0, 0.02), (0.25, 0.01))
_LOOKED_AT = 100_000
# A beat that comes later than this was missed, or nothing was measured.
LONGEST_BEAT_S = 2.0


def observed_rate_hz(times_s: np.ndarray) -> float:
    """Tell the rate of samples from their times: a round number where one is near.

    A device that measures at 100 Hz writes stamps at 99.8 or 100.3 Hz; slower than once a second,
    whole seconds between two samples are round.
    """
    steps = np.diff(times_s[:_LOOKED_AT])
    steps = steps[steps > 0]
    if not len(steps):
        return 1.0
    typical = float(np.median(steps))
    step_s = float(steps[steps <= 2 * typical].mean())
    if step_s >= 0.95:
        return 1 / max(1, round(step_s))
    for step_hz, tolerance in _NICE_HZ:
        nice = round(1 / step_s / step_hz) * step_hz
        if abs(nice * step_s - 1) <= tolerance:
            return nice
    return round(1 / step_s, 2)


def bridged_s(sensor: Sensor, rate_hz: float) -> float:
    """Give the longest pause of a sensor that is bridged: two steps at least."""
    return max(sensor.max_gap_s, 2 / rate_hz)


def cut_recording(
    person: str,
    streams: Mapping[str, SensorStream],
    sensors: Mapping[str, Sensor],
    spec: SignalSpec,
    span: tuple[float, float],
    row_times_s: np.ndarray,
    notes: Sequence[Annotation],
) -> Recording:
    """Put what each sensor measured from `span[0]` to `span[1]` on its regular clock."""
    begin_s, end_s = span
    tracks = {}
    for name, stream in streams.items():
        modality = spec[name]
        if modality.axis == "event":
            first, last = np.searchsorted(stream.times_s, (begin_s, end_s + 1e-6))
            part = slice(max(0, int(first) - EVENTS), int(last))
            if part.start < part.stop:
                values, stamps_s = with_pauses(stream.times_s[part], stream.values[part])
                tracks[name] = Track(modality, values, start_s=stamps_s[0], stamps_s=stamps_s)
            continue
        rate_hz = float(modality.rate_hz or 1.0)
        steps = max(1, round((end_s - begin_s) * rate_hz))
        make = _totals if sensors[name].kind == "total" else _interpolated
        regular = make(stream, begin_s, end_s, rate_hz, steps, bridged_s(sensors[name], rate_hz))
        if regular is not None:
            tracks[name] = Track(modality, regular, start_s=begin_s)
    inside = tuple(note for note in notes if note.start_s < end_s and note.stop_s > begin_s)
    return Recording(person, tracks, inside, name=person, row_times_s=row_times_s)


def _interpolated(
    stream: SensorStream, begin_s: float, end_s: float, rate_hz: float, steps: int, gap_s: float
) -> Float32[np.ndarray, "channel step"] | None:
    times = stream.times_s
    # The samples beside the stretch too: values between two samples are interpolated.
    first, last = np.searchsorted(times, (begin_s, end_s))
    first, last = max(0, int(first) - 1), min(len(times), int(last) + 1)
    if first == last:
        return None
    values = np.asarray(stream.values[first:last], dtype=np.float64).T
    result = resample_irregular(
        times[first:last] - begin_s, values, rate_hz, 0.0, steps, max_gap_s=gap_s
    )
    return result if np.isfinite(result).any() else None


def _totals(
    stream: SensorStream, begin_s: float, end_s: float, rate_hz: float, steps: int, gap_s: float
) -> Float32[np.ndarray, "channel step"] | None:
    """Add up what was counted in each step; a step of a pause that is bridged has none."""
    times = stream.times_s
    margin_s = gap_s + 1 / rate_hz
    first, last = np.searchsorted(times, (begin_s - margin_s, end_s + margin_s))
    if first == last:
        return None
    step = np.floor((times[first:last] - begin_s) * rate_hz + 1e-6).astype(int)
    inside = (step >= 0) & (step < steps)
    result = np.full((stream.values.shape[1], steps), np.nan)
    places = np.unique(step)
    for before, after in pairwise(places.tolist()):
        if (after - before) / rate_hz <= gap_s + 1e-6:
            result[:, max(0, before) : max(0, after)] = 0.0
    result[:, places[(places >= 0) & (places < steps)]] = 0.0
    values = np.asarray(stream.values[first:last], dtype=np.float64).T[:, inside]
    for row, counted in zip(result, values, strict=True):
        row += np.where(np.isnan(row), np.nan, np.bincount(step[inside], counted, steps))
    return result.astype(np.float32) if np.isfinite(result).any() else None


def with_pauses(
    times_s: np.ndarray, values: np.ndarray
) -> tuple[Float32[np.ndarray, "channel beat"], np.ndarray]:
    """Mark where beats pause, so that no window takes beats from before a pause for new ones.

    Returns:
        Values and times with a window of NaN after the last beat before each pause.
    """
    ends = np.r_[np.flatnonzero(np.diff(times_s) > LONGEST_BEAT_S), len(times_s) - 1]
    where = np.repeat(ends + 1, EVENTS)
    late_s = np.repeat(times_s[ends] + LONGEST_BEAT_S, EVENTS)
    marked = np.insert(np.asarray(values, np.float32).T, where, np.nan, axis=1)
    return marked, np.insert(times_s, where, late_s)
