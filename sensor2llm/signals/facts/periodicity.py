"""Rates in a signal: the dominant frequency of any channel, the step rate of an accelerometer."""

import numpy as np
from jaxtyping import Float

SLOWEST_STEP_HZ, FASTEST_STEP_HZ = 1.1, 3.5
PERIODIC_FROM = 0.4
"""Autocorrelation from which a repetition counts as regular."""
SLOWEST_RUN_HZ, RUNNING_FROM_G = 1.75, 0.414
"""Nobody runs at fewer than 105 steps a minute: vigorous movement (mean amplitude deviation above
414 mg, Vähä-Ypyä et al. 2015, PLoS ONE) that repeats more slowly shows strides."""


def dominant_frequency(values: Float[np.ndarray, "channel step"], rate_hz: float) -> float | None:
    """Give the frequency in Hz that carries most power, all channels together.

    The straight line is taken out first; frequencies of less than two periods a window do not
    count. None where the window is too short (16 steps) or constant.
    """
    peak = strongest_frequency(values, rate_hz)
    return None if peak is None else peak[0]


def strongest_frequency(
    values: Float[np.ndarray, "channel step"], rate_hz: float
) -> tuple[float, float] | None:
    """Give the dominant frequency in Hz, and the share of all power that its peak holds.

    The peak is all that lies nearer to it than the window resolves (the main lobe of the Hann
    window, 1.5 periods a window to either side). Noise spreads its power; a rhythm does not.
    """
    steps = values.shape[1]
    if steps < 16:
        return None
    numbers = values.astype(np.float64)
    time = np.arange(steps) - (steps - 1) / 2
    centred = numbers - numbers.mean(axis=1, keepdims=True)
    centred -= np.outer(centred @ time / (time @ time), time)
    # Four times as many frequencies as the window resolves: the peak is read between them.
    power = np.abs(np.fft.rfft(centred * np.hanning(steps), 4 * steps)) ** 2
    total = power.sum(axis=0)
    total[:8] = 0.0
    peak = int(total.argmax())
    if total[peak] <= (1e-9 * steps) ** 2 * float(np.mean(numbers**2)):
        return None
    share = float(total[max(0, peak - 6) : peak + 7].sum() / total.sum())
    return peak * rate_hz / (4 * steps), share


def step_rate(
    in_g: Float[np.ndarray, "3 step"], rate_hz: float, one_foot: bool = False
) -> float | None:
    """Give steps a second from the autocorrelation of the acceleration's norm, or None.

    `in_g` is acceleration in g with gravity. The shortest lag that is a clear peak is one step. A
    lag longer than a step can be (0.9 s, or 0.57 s in vigorous movement), and every lag at one
    foot (`one_foot`: ankle, shank), is a stride of two steps. None where nothing repeats regularly
    (autocorrelation below 0.4), or the window is shorter than two strides. Any other movement
    repeated at that rate counts too: the norm knows no steps.
    """
    norm = np.linalg.norm(in_g.astype(np.float64), axis=0)
    first = int(np.ceil(rate_hz / FASTEST_STEP_HZ)) * (2 if one_foot else 1)
    last = min(int(np.ceil(2 * rate_hz / SLOWEST_STEP_HZ)), int(0.6 * len(norm)))
    if first < 2 or last <= first + 2:
        return None
    correlation = _autocorrelation(norm, last + 1)
    lags = np.arange(first, last + 1)
    inner = correlation[lags]
    peaks = lags[(inner > correlation[lags - 1]) & (inner >= correlation[lags + 1])]
    if not peaks.size or correlation[peaks].max() < PERIODIC_FROM:
        return None
    lag = int(peaks[correlation[peaks] >= 0.75 * correlation[peaks].max()][0])
    repeat_hz = rate_hz / _refined(correlation, lag)
    vigorous = float(np.abs(norm - norm.mean()).mean()) >= RUNNING_FROM_G
    slowest_hz = SLOWEST_RUN_HZ if vigorous else SLOWEST_STEP_HZ
    return 2 * repeat_hz if one_foot or repeat_hz < slowest_hz else repeat_hz


def _autocorrelation(signal: Float[np.ndarray, " step"], last: int) -> Float[np.ndarray, " lag"]:
    """Give the correlation of the signal with itself at lags 0 to `last`, overlap by overlap."""
    signal = signal - signal.mean()
    count, lags = len(signal), np.arange(last + 1)
    energy = np.concatenate([[0.0], np.cumsum(signal**2)])
    scale = np.sqrt(energy[count - lags] * (energy[count] - energy[lags]))
    products = np.correlate(signal, signal, "full")[count - 1 : count + last]
    return products / np.where(scale > 0, scale, 1.0)


def _refined(correlation: Float[np.ndarray, " lag"], lag: int) -> float:
    """Give the top of the parabola through a peak and its neighbours."""
    before, top, after = correlation[lag - 1 : lag + 2]
    bend = before - 2 * top + after
    return lag + 0.5 * float((before - after) / bend) if bend < 0 else float(lag)
