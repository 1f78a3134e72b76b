"""Compute the usual hand-made features of windows: what a classifier gets without any encoder.

    table = handmade_features(store, split.train)
    table.names      ("rr.mean_ms", "rr.rmssd_ms", …)
    table.values     (window, feature) float64; NaN where a sensor is missing

Which features a modality has follows from its axis, units and name:

| modality | features | source |
|---|---|---|
| event axis in ms or s | level, spread, irregularity, entropy of the intervals | Dash, Lake |
| one channel, name with `bvp` or `ppg` | beats found, then features of their intervals | Schmidt |
| one channel in uS | level, slope, tonic and phasic part, responses | Schmidt |
| three channels of acceleration | level, spread, main frequency of axes and norm | Schmidt |
| any other, such as skin temperature | mean, spread, range and slope of each channel | Schmidt |

Schmidt: table 1 of Schmidt et al. 2018 (WESAD, ICMI), as far as windows of 30 s carry it: the power
of slow heart rate variability (below 0.15 Hz) and TINN need minutes. Dash: Dash et al. 2009, Ann.
Biomed. Eng. 37. Lake: Lake & Moorman 2011, Am. J. Physiol. 300.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from sensor2llm.errors import DataError
from sensor2llm.signals.facts.periodicity import dominant_frequency
from sensor2llm.signals.spec import Modality, canonical_unit
from sensor2llm.signals.store.windows import Indices, Windows

Features = dict[str, float]

FEWEST_BEATS = 8
"""Fewer intervals than these have no rhythm."""
TRIMMED_SHARE = 1 / 16
"""Share of the shortest, and of the longest, intervals that the histogram leaves out [Dash]."""
HISTOGRAM_BINS = 16
TOLERANCE_MS = 30.0
"""Intervals nearer to each other count as alike in the coefficient of sample entropy [Lake]."""
PULSE_HZ = (0.5, 5.0)
PULSE_LIMITS_MS = (300.0, 2000.0)
TONIC_S = 8.0
"""Skin conductance averaged over so long is its tonic part."""
RESPONSE_US = 0.01
"""The smallest rise that counts as a skin conductance response."""

_ACCELERATIONS = ("g", "mg", "m/s^2")
_MS = {"ms": 1.0, "s": 1000.0}
_CHUNK_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """Hold features of some windows, in the windows' order."""

    names: tuple[str, ...]
    values: Float[np.ndarray, "window feature"]


def handmade_features(store: Windows, rows: Indices) -> FeatureTable:
    """Compute the features of these windows, modality by modality in the spec's order.

    Raises:
        DataError: no window is given.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if not len(rows):
        raise DataError("hand-made features need at least one window, got none")
    names: list[str] = []
    columns: list[np.ndarray] = []
    for position, modality in enumerate(store.spec.modalities):
        tell = teller(modality)
        # A modality's features are the same whatever its values: also where it is missing.
        own = list(tell(np.ones(modality.shape)))
        values = np.full((len(rows), len(own)), np.nan)
        for start in range(0, len(rows), _CHUNK_ROWS):
            chunk = rows[start : start + _CHUNK_ROWS]
            there = np.flatnonzero(np.asarray(store.present)[chunk, position])
            signals = store.read(chunk[there], (modality.name,))[modality.name]
            for i, signal in zip(there.tolist(), signals, strict=True):
                values[start + i] = list(tell(signal.astype(np.float64)).values())
        names += [f"{modality.name}.{name}" for name in own]
        columns.append(values)
    return FeatureTable(names=tuple(names), values=np.concatenate(columns, axis=1))


def teller(modality: Modality) -> Callable[[Float[np.ndarray, "channel step"]], Features]:
    """Give the function that computes a modality's features of one window."""
    units = {canonical_unit(unit) for unit in modality.units}
    unit = units.pop() if len(units) == 1 else ""
    single, rate_hz = len(modality.channels) == 1, modality.rate_hz or 1.0
    if modality.axis == "event" and single and unit in _MS:
        return lambda values: interval_features(values[0] * _MS[unit])
    if modality.axis == "time" and single and unit == "uS":
        return lambda values: skin_conductance_features(values[0], rate_hz)
    if modality.axis == "time" and single and _says_pulse(modality):
        return lambda values: pulse_features(values[0], rate_hz)
    if modality.axis == "time" and len(modality.channels) == 3 and unit in _ACCELERATIONS:
        return lambda values: acceleration_features(values, rate_hz)
    return lambda values: level_features(values, modality.channel_names, rate_hz)


def interval_features(intervals_ms: Float[np.ndarray, " beat"]) -> Features:
    """Describe a run of intervals between beats; all NaN for fewer than `FEWEST_BEATS`.

    Returns:
        mean, spread, least and greatest interval; RMSSD, in ms and as a share of the mean
        interval; the median step from beat to beat as such a share; pNN50; the share of turning
        points; Shannon entropy of the histogram, 0 to 1 [Dash]; sample entropy (m 2, r 0.2
        deviations); coefficient of sample entropy (m 1, r 30 ms) [Lake]; the ratio of Poincaré's
        short to long axis; the correlation of neighbours.
    """
    x = np.asarray(intervals_ms, dtype=np.float64)
    if len(x) < FEWEST_BEATS:
        return dict.fromkeys(interval_features(np.ones(FEWEST_BEATS)), np.nan)
    steps, mean, spread = np.diff(x), float(x.mean()), float(x.std())
    rmssd = float(np.sqrt(np.mean(steps**2)))
    short = float(steps.std()) / np.sqrt(2)
    long = np.sqrt(max(2 * spread**2 - short**2, 0.0))
    return {
        "mean_ms": mean,
        "sd_ms": spread,
        "least_ms": float(x.min()),
        "greatest_ms": float(x.max()),
        "rmssd_ms": rmssd,
        "rmssd_share": rmssd / mean,
        "median_step_share": float(np.median(np.abs(steps))) / mean,
        "pnn50": float(np.mean(np.abs(steps) > 50.0)),
        "turning_points": turning_points(x),
        "shannon_entropy": shannon_entropy(x),
        "sample_entropy": sample_entropy(x, 2, 0.2 * spread),
        "coefficient_of_sample_entropy": (
            sample_entropy(x, 1, TOLERANCE_MS) + float(np.log(2 * TOLERANCE_MS / mean))
        ),
        "poincare_ratio": short / long if long > 0 else 0.0,
        "neighbour_correlation": _correlation(x[:-1], x[1:]),
    }


def turning_points(values: Float[np.ndarray, " step"]) -> float:
    """Give the share of inner values above, or below, both neighbours; 2/3 for noise [Dash]."""
    before, after = values[1:-1] - values[:-2], values[1:-1] - values[2:]
    return float(np.mean(before * after > 0))


def shannon_entropy(values: Float[np.ndarray, " step"]) -> float:
    """Give the entropy of the trimmed values' histogram as a share of its greatest [Dash]."""
    trimmed = round(TRIMMED_SHARE * len(values))
    inner = np.sort(values)[trimmed : len(values) - trimmed]
    if inner[-1] <= inner[0]:
        return 0.0
    share = np.histogram(inner, HISTOGRAM_BINS)[0] / len(inner)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum() / np.log(HISTOGRAM_BINS))


def sample_entropy(values: Float[np.ndarray, " step"], m: int, tolerance: float) -> float:
    """Give -log of the chance that runs alike in m values are alike in the next one too.

    Values no further apart than `tolerance` are alike. Where no run of m + 1 (or of m) repeats,
    half a repetition is assumed, so that the answer is finite: the least that a run can say.
    """
    alike = np.abs(values[:, None] - values[None]) <= tolerance
    runs = len(values) - m
    both = np.ones((runs, runs), dtype=bool)
    for k in range(m):
        both &= alike[k : k + runs, k : k + runs]
    longer = both & alike[m:, m:]
    return float(np.log(max(_pairs(both), 0.5) / max(_pairs(longer), 0.5)))


def pulse_features(values: Float[np.ndarray, " step"], rate_hz: float) -> Features:
    """Find the beats in a pulse wave; give the heart rate's mean and spread, and the intervals'."""
    intervals = pulse_intervals(values, rate_hz)
    rates = 60_000 / intervals
    enough = len(rates) >= FEWEST_BEATS
    return {
        "heart_rate_bpm": float(rates.mean()) if enough else np.nan,
        "heart_rate_sd_bpm": float(rates.std()) if enough else np.nan,
        "wave_sd": float(values.std()),
        **interval_features(intervals),
    }


def pulse_intervals(
    values: Float[np.ndarray, " step"], rate_hz: float
) -> Float[np.ndarray, " beat"]:
    """Give the believable intervals in ms between the peaks of a pulse wave.

    The wave is filtered to 0.5 to 5 Hz; a peak stands out by half its deviation at least, and
    follows the last one by 0.3 s at least. Intervals further than 30 % from their median are missed
    or doubled beats.
    """
    low, high = PULSE_HZ
    band = butter(2, (low, min(high, 0.45 * rate_hz)), "bandpass", fs=rate_hz, output="sos")
    wave = sosfiltfilt(band, values - values.mean())
    shortest, longest = PULSE_LIMITS_MS
    apart = max(1, int(shortest / 1000 * rate_hz))
    peaks, _ = find_peaks(wave, distance=apart, prominence=max(0.5 * wave.std(), 1e-12))
    intervals = np.diff(peaks) * (1000 / rate_hz)
    plausible = intervals[(intervals >= shortest) & (intervals <= longest)]
    if not len(plausible):
        return plausible
    median = np.median(plausible)
    return plausible[np.abs(plausible - median) <= 0.3 * median]


def skin_conductance_features(values: Float[np.ndarray, " step"], rate_hz: float) -> Features:
    """Give level and slope, the tonic and phasic parts, and the responses' number and size."""
    width = min(int(TONIC_S * rate_hz) | 1, len(values))
    tonic = uniform_filter1d(values, width, mode="nearest")
    phasic = values - tonic
    # Of the conductance itself: less a moving average, the gap between two responses is a peak too.
    _, peaks = find_peaks(values, prominence=RESPONSE_US)
    minutes = len(values) / rate_hz / 60
    return {
        **_level(values, rate_hz),
        "tonic_sd": float(tonic.std()),
        "tonic_trend": _correlation(tonic, np.arange(len(tonic), dtype=np.float64)),
        "phasic_sd": float(phasic.std()),
        "responses_per_minute": len(peaks["prominences"]) / minutes,
        "response_sum": float(peaks["prominences"].sum()),
        "phasic_area": float(np.clip(phasic, 0, None).sum() / rate_hz),
    }


def acceleration_features(values: Float[np.ndarray, "3 step"], rate_hz: float) -> Features:
    """Give mean, spread, absolute integral and peak frequency of each axis and of the norm.

    The peak frequency is 0 where nothing moves.
    """
    features: Features = {}
    for name, row in zip((*"xyz", "norm"), [*values, np.linalg.norm(values, axis=0)], strict=True):
        frequency = dominant_frequency(row[None], rate_hz)
        features |= {
            f"{name}_mean": float(row.mean()),
            f"{name}_sd": float(row.std()),
            f"{name}_absolute_integral": float(np.abs(row).sum() / rate_hz),
            f"{name}_peak_hz": frequency or 0.0,
        }
    return features


def level_features(
    values: Float[np.ndarray, "channel step"], channels: Sequence[str], rate_hz: float
) -> Features:
    """Give each channel's mean, spread, range and slope."""
    return {
        f"{channel}_{name}" if len(channels) > 1 else name: value
        for channel, row in zip(channels, values, strict=True)
        for name, value in _level(row, rate_hz).items()
    }


def _level(values: Float[np.ndarray, " step"], rate_hz: float) -> Features:
    time = (np.arange(len(values)) - (len(values) - 1) / 2) / rate_hz
    slope = float(values @ time / (time @ time)) if len(values) > 1 else 0.0
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "least": float(values.min()),
        "greatest": float(values.max()),
        "range": float(np.ptp(values)),
        "slope_per_s": slope,
    }


def _says_pulse(modality: Modality) -> bool:
    name = f"{modality.name} {modality.channel_names[0]}".lower()
    return "bvp" in name or "ppg" in name


def _pairs(matches: Bool[np.ndarray, "run run"]) -> int:
    """Count matching pairs once, without each run's match with itself."""
    return (int(matches.sum()) - len(matches)) // 2


def _correlation(x: Float[np.ndarray, " step"], y: Float[np.ndarray, " step"]) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    # float32's rounding of a constant is no course of it.
    return float(x @ y) / scale if scale > 1e-12 else 0.0
