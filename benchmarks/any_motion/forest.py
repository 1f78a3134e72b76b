"""A random forest on features of movement that no turn of the device changes.

    TurnFreeForest(store, split.train).predict(split.test)

Of each sensor, from its values less their mean: level, spread and quantiles of the norm; the
principal axes' spreads and their shares; the power of all axes together by band, its peak, and that
of the norm; how the norm repeats. Of an acceleration that bears gravity also the movement along it
and across. What is not measured is missing, which the forest takes as it is.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import RandomForestClassifier

from sensor2llm.signals.spec import Modality
from sensor2llm.signals.store.windows import Windows

BANDS_HZ = (0.3, 0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.1)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
LAGS_S = (0.25, 0.5, 0.75, 1.0, 1.25)
GRAVITY_G = 0.5
"""A mean shorter than this is no gravity."""
_TINY = 1e-9
Features = Float[np.ndarray, "window feature"]


class TurnFreeForest:
    """Learn labels of a store's windows, and label others of the same store."""

    def __init__(self, store: Windows, rows: np.ndarray, seed: int = 0) -> None:
        self.store = store
        self.forest = RandomForestClassifier(
            200, min_samples_leaf=2, class_weight="balanced", random_state=seed
        )
        self.forest.fit(turn_free_features(store, rows), np.asarray(store.labels)[rows])

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Give label numbers."""
        return self.forest.predict(turn_free_features(self.store, rows))


def turn_free_features(store: Windows, rows: np.ndarray) -> Features:
    """Compute the features of windows; those of a sensor that is missing are NaN."""
    columns, signals = [], store.read(rows)
    for number, modality in enumerate(store.spec.modalities):
        values = signals[modality.name].astype(np.float64)
        features = movement_features(values, modality)
        if modality.units[0] == "g":
            features = np.concatenate([features, gravity_features(values)], 1)
        features[~np.asarray(store.present)[rows, number]] = np.nan
        columns.append(features)
    return np.concatenate(columns, 1)


def movement_features(values: Float[np.ndarray, "window 3 step"], modality: Modality) -> Features:
    """Describe movement by its norm, its principal axes and its spectrum."""
    movement = values - values.mean(-1, keepdims=True)
    rate_hz, steps = modality.rate_hz or 1.0, values.shape[-1]
    norm = np.linalg.norm(movement, axis=1)
    jerk = np.linalg.norm(np.diff(movement, axis=-1), axis=1).mean(1)
    spreads = np.linalg.eigvalsh(movement @ movement.transpose(0, 2, 1) / steps).clip(_TINY)
    wave = norm - norm.mean(1, keepdims=True)
    frequency = np.fft.rfftfreq(steps, 1 / rate_hz)
    power = spectrum(movement).sum(1)
    lags = [round(lag_s * rate_hz) for lag_s in LAGS_S]
    repeats = [(wave[:, :-lag] * wave[:, lag:]).mean(1) for lag in lags]
    return np.concatenate(
        [
            np.stack([norm.mean(1), norm.std(1), jerk, frequency[1:][power[:, 1:].argmax(1)]], 1),
            np.quantile(norm, QUANTILES, axis=1).T,
            np.log(spreads),
            spreads / spreads.sum(1, keepdims=True),
            bands(power, frequency),
            bands(spectrum(wave), frequency),
            np.stack(repeats, 1) / (wave.var(1, keepdims=True) + _TINY),
        ],
        axis=1,
    )


def gravity_features(values: Float[np.ndarray, "window 3 step"]) -> Features:
    """Describe movement along gravity and across it; NaN where there is no gravity."""
    mean = values.mean(-1)
    size = np.linalg.norm(mean, axis=1, keepdims=True)
    movement, up = values - mean[:, :, None], mean / size.clip(_TINY)
    along = np.einsum("wcs,wc->ws", movement, up)
    across = np.linalg.norm(movement - along[:, None] * up[:, :, None], axis=1)
    features = np.stack(
        [
            along.std(1), across.std(1), across.mean(1),
            along.std(1) / (across.mean(1) + _TINY),
            (along**3).mean(1) / (along.std(1) ** 3 + _TINY),
            *np.quantile(along, (0.05, 0.25, 0.75, 0.95), axis=1),
        ],
        axis=1,
    )  # fmt: skip
    features[size[:, 0] < GRAVITY_G] = np.nan
    return features


def spectrum(values: Float[np.ndarray, "*rows step"]) -> Float[np.ndarray, "*rows frequency"]:
    """Give the power of values under a Hann window."""
    return np.abs(np.fft.rfft(values * np.hanning(values.shape[-1]), axis=-1)) ** 2


def bands(power: Float[np.ndarray, "window frequency"], frequency: np.ndarray) -> Features:
    """Give the logarithm of the whole power, and each band's share."""
    each = [power[:, (frequency >= a) & (frequency < b)].sum(1) for a, b in pairwise(BANDS_HZ)]
    parts = np.stack(each, 1)
    whole = parts.sum(1, keepdims=True) + _TINY
    return np.concatenate([np.log(whole), parts / whole], 1)
