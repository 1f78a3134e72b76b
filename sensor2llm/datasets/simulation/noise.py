"""Random signals with a wanted spectrum."""

import numpy as np
from jaxtyping import Float

Signal = Float[np.ndarray, "step"]


def band_noise(
    rng: np.random.Generator, steps: int, rate_hz: float, centre_hz: float, width_hz: float
) -> Signal:
    """Give Gaussian noise of unit RMS whose spectrum is a bell around `centre_hz`."""
    frequencies = np.fft.rfftfreq(steps, 1 / rate_hz)
    bell = np.exp(-0.5 * ((frequencies - centre_hz) / width_hz) ** 2)
    bell[0] = 0.0
    signal = np.fft.irfft(np.fft.rfft(rng.normal(size=steps)) * bell, steps)
    return signal / (np.sqrt(np.mean(signal**2)) or 1.0)


def slow_noise(rng: np.random.Generator, steps: int, rate_hz: float, below_hz: float) -> Signal:
    """Give Gaussian noise of unit RMS that holds only frequencies up to about `below_hz`."""
    return band_noise(rng, steps, rate_hz, 0.0, max(below_hz, rate_hz / steps))


def pink_noise(rng: np.random.Generator, steps: int, rate_hz: float) -> Signal:
    """Give noise of unit RMS whose power falls as 1/frequency above 0.5 Hz."""
    frequencies = np.fft.rfftfreq(steps, 1 / rate_hz)
    shape = 1 / np.sqrt(np.maximum(frequencies, 0.5))
    shape[0] = 0.0
    signal = np.fft.irfft(np.fft.rfft(rng.normal(size=steps)) * shape, steps)
    return signal / (np.sqrt(np.mean(signal**2)) or 1.0)
