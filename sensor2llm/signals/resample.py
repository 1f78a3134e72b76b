"""Bring values to a regular grid at the rate that is wanted; NaN marks what was not measured."""

from fractions import Fraction
from math import ceil

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from sensor2llm.errors import DataError

MAX_GAP_S = 0.2
# A ratio of small integers this close to the exact one drifts by less than a step in 10^6 steps.
_MAX_FACTOR = 1000
_TOLERANCE = 1e-6
# Steps that any few samples may become, and how many times more than the samples.
_SMALLEST_BUDGET, _EXPANSION = 1 << 22, 20
# Differences of stamps since 1970 are off by up to 5e-7 s, so a gap this much longer is no longer.
_SAME_GAP_S = 1e-6
# A step that is longer than the typical one by more than this is a pause, or half a packet.
_LONG = 1.5


def resample(
    values: Float[np.ndarray, "channel step"], rate_hz: float, new_rate_hz: float
) -> Float32[np.ndarray, "channel new_step"]:
    """Change the rate of regular samples with a polyphase anti-alias filter (scipy).

    The first sample keeps its time. NaN stays NaN at its time and does not spread.

    Raises:
        DataError: If a rate is not positive, or the samples would become far too many steps.
    """
    if not (rate_hz > 0 and new_rate_hz > 0):
        raise DataError(f"rates must be above 0 Hz, got {rate_hz:g} and {new_rate_hz:g}")
    ratio = Fraction(new_rate_hz / rate_hz).limit_denominator(_MAX_FACTOR)
    exact = abs(float(ratio) * rate_hz / new_rate_hz - 1) < _TOLERANCE
    if (exact and ratio == 1) or np.shape(values)[1] == 0:
        return np.array(values, dtype=np.float32)
    values = np.asarray(values, dtype=np.float64)
    check_steps(values.shape[1] * new_rate_hz / rate_hz, values.shape[1])
    missing = np.isnan(values)
    whole = interpolate_nan(values)
    if exact:
        # The ends go on along the line through both: no ringing from gravity at the edges.
        pad = "line" if values.shape[1] > 1 else "edge"
        result = _filtered(whole, ratio.numerator, ratio.denominator, pad)
    else:
        steps = max(1, round(values.shape[1] * new_rate_hz / rate_hz))
        times = np.arange(values.shape[1]) / rate_hz
        result = interpolate_nan(resample_irregular(times, whole, new_rate_hz, 0.0, steps))
    if missing.any():
        nearest = np.rint(np.arange(result.shape[1]) * rate_hz / new_rate_hz).astype(int)
        result[missing[:, np.minimum(nearest, values.shape[1] - 1)]] = np.nan
    return result.astype(np.float32)


def check_steps(steps: float, samples: int) -> None:
    """Raise DataError if samples would become so many steps that a rate or time must be wrong."""
    if not steps <= max(_SMALLEST_BUDGET, _EXPANSION * samples):
        raise DataError(
            f"{samples} samples would become {steps:.3g} steps; are the times, the rates and the "
            "longest pause that is bridged (max_gap_s) right?"
        )


def check_times(times_s: np.ndarray, name: str = "the recording") -> None:
    """Raise DataError unless times are finite and strictly increasing."""
    times_s = np.asarray(times_s, dtype=np.float64)
    if not np.isfinite(times_s).all():
        row = int(np.flatnonzero(~np.isfinite(times_s))[0])
        raise DataError(f"timestamp of {name} at row {row} is not a number; remove the row")
    back = np.flatnonzero(np.diff(times_s) <= 0)
    if back.size:
        row = int(back[0]) + 1
        verb = "repeats" if times_s[row] == times_s[row - 1] else "goes back"
        raise DataError(
            f"timestamp of {name} {verb} at row {row}: {times_s[row]:.6g} s after "
            f"{times_s[row - 1]:.6g} s; sort the rows, or split the recording there"
        )


def resample_irregular(
    times_s: np.ndarray,
    values: np.ndarray,
    rate_hz: float,
    start_s: float,
    steps: int,
    max_gap_s: float = MAX_GAP_S,
    step_s: float | None = None,
) -> Float32[np.ndarray, "channel step"]:
    """Interpolate samples at uneven times linearly onto a regular grid.

    Where the samples are denser than the grid, they are interpolated at a multiple of `rate_hz`
    and filtered down to it, so that nothing aliases. Grid points that lie in a gap longer than
    `max_gap_s` (and two of the samples' own median steps), or outside the samples, are NaN unless
    a sample is within half a grid step.

    Args:
        times_s: Strictly increasing times, shape (sample,).
        values: Shape (channel, sample); NaN values are left out channel by channel.
        rate_hz: Rate of the grid.
        start_s: Time of the grid's first point.
        steps: Number of grid points.
        max_gap_s: Longest gap that is bridged.
        step_s: The samples' usual step; their median where None, which of few samples tells little.

    Raises:
        DataError: If the times go back or repeat, lengths differ, or the grid is far too fine.
    """
    times_s, values = np.asarray(times_s, dtype=np.float64), np.asarray(values, dtype=np.float64)
    check_times(times_s)
    if values.ndim != 2 or values.shape[1] != len(times_s):
        raise DataError(f"values {values.shape} do not fit {len(times_s)} times; (channel, sample)")
    if step_s is None:
        step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    # Rates within 5 % count as equal: a clock's jitter is no reason to filter.
    ratio = 1.0 / (rate_hz * step_s) - 0.05 if step_s else 1.0
    check_steps(steps * max(1.0, ratio), len(times_s))
    factor = max(1, ceil(ratio))
    grid = start_s + np.arange(steps) / rate_hz
    fine = start_s + np.arange(steps * factor) / (rate_hz * factor)
    result = np.full((len(values), steps), np.nan)
    for row, channel in enumerate(values):
        measured = np.isfinite(channel)
        if measured.any():
            dense = np.interp(fine, times_s[measured], channel[measured])
            coarse = _filtered(dense, 1, factor, "line")
            inside = _measured(
                grid, times_s[measured], max(max_gap_s, 2 * step_s), near_s=0.5 / rate_hz
            )
            result[row, inside] = coarse[inside]
    return result.astype(np.float32)


def _filtered(values: np.ndarray, up: int, down: int, pad: str) -> np.ndarray:
    """Change the rate by up / down along the last axis."""
    if up == down:
        return values
    from scipy.signal import resample_poly  # slow to import, and most samples have their rate

    return resample_poly(values, up, down, axis=-1, padtype=pad)


def _measured(grid: np.ndarray, times_s: np.ndarray, max_gap_s: float, near_s: float) -> np.ndarray:
    last = len(times_s) - 1
    after = np.minimum(np.searchsorted(times_s, grid), last)
    before = np.maximum(np.searchsorted(times_s, grid, side="right") - 1, 0)
    nearest = np.minimum(np.abs(times_s[after] - grid), np.abs(grid - times_s[before]))
    inside = (grid >= times_s[0]) & (grid <= times_s[-1])
    bridged = inside & (times_s[after] - times_s[before] <= max_gap_s + _SAME_GAP_S)
    # 1e-9: half a step is half a step in spite of a float's last bit.
    return bridged | (nearest <= near_s + 1e-9)


def interpolate_nan(values: Float[np.ndarray, "channel step"]) -> Float[np.ndarray, "channel step"]:
    """Fill every NaN linearly from its neighbours (edges: the nearest value); all-NaN rows stay."""
    filled, steps = values.copy(), np.arange(values.shape[1])
    for row in filled:
        missing = np.isnan(row)
        if missing.any() and not missing.all():
            row[missing] = np.interp(steps[missing], steps[~missing], row[~missing])
    return filled


def fill_short_gaps(
    values: Float[np.ndarray, "channel step"], max_steps: int
) -> Float[np.ndarray, "channel step"]:
    """Fill NaN runs of at most `max_steps` steps linearly; longer runs stay NaN."""
    if not np.isnan(values).any():
        return values
    filled = interpolate_nan(values)
    for row, source in zip(filled, values, strict=True):
        for start, stop in runs(np.isnan(source)):
            if stop - start > max_steps:
                row[start:stop] = np.nan
    return filled


def runs(mask: Bool[np.ndarray, " step"]) -> list[tuple[int, int]]:
    """Give the runs where `mask` is true as (start, stop) steps."""
    edges = np.diff(mask.astype(np.int8), prepend=0, append=0)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def spread_stamps(
    times_s: Float64[np.ndarray, " row"],
    measured: Bool[np.ndarray, "modality row"],
    name: str = "",
    *,
    begins: bool = True,
) -> tuple[Float64[np.ndarray, " row"], int]:
    """Give every row a time of its own, and how many rows shared one: packets, whole seconds.

    Rows of one stamp that fill different columns are one moment.

    Args:
        times_s: Never going back.
        measured: Which modalities have a value in which row; rows with a value of the same
            modality cannot be at the same time.
        name: Of the file, for messages.
        begins: Whether the recording begins with these rows.

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
    if begins and np.median(sizes) > 1 and intervals[0] <= _LONG * np.median(intervals):
        # The first stamp's rows came at the end of its interval: recording began within it.
        stamps[0] = max(stamps[0], stamps[1] - sizes[0] * steps[0])
    return stamps[group] + rank * steps[group], int((sizes[group] > 1).sum())
