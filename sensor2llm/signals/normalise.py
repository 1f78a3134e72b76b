"""Channel means and scales: fitted on training windows, or on each person's own, and undone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.windows import Indices, Windows

# Read at a time while fitting, whatever the store's size.
_CHUNK_VALUES = 2**18
Statistics = tuple[Float[np.ndarray, " channel"], Float[np.ndarray, " channel"]]


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Subtract a mean and divide by a scale, per modality and channel; `undo` is the inverse.

    `mean` and `scale` map a modality's name to an array of shape (channel,).

    Example:
        >>> normaliser = fit_normaliser(store, range(len(store)))
        >>> normal = normaliser.apply("wrist_acc", store.read([0, 1])["wrist_acc"])
        >>> normaliser.undo("wrist_acc", normal).shape
        (2, 3, 250)
    """

    mean: Mapping[str, np.ndarray]
    scale: Mapping[str, np.ndarray]

    def statistics(self, name: str) -> Statistics:
        """Give (mean, scale) of one modality, each of shape (channel,).

        Raises:
            DataError: If it was not fitted on that modality.
        """
        if name not in self.mean:
            raise DataError(f"no normalisation for {name!r}; fitted are {', '.join(self.mean)}")
        return self.mean[name], self.scale[name]

    def apply(
        self, name: str, values: Float[np.ndarray, "*batch channel step"]
    ) -> Float[np.ndarray, "*batch channel step"]:
        """Give normalised float32 values of the same shape (…, channel, step)."""
        mean, scale = self.statistics(name)
        return ((values - mean[:, None]) / scale[:, None]).astype(np.float32)

    def undo(
        self, name: str, values: Float[np.ndarray, "*batch channel step"]
    ) -> Float[np.ndarray, "*batch channel step"]:
        """Give float32 values in their own units again."""
        mean, scale = self.statistics(name)
        return (values * scale[:, None] + mean[:, None]).astype(np.float32)

    def check(self, spec: SignalSpec) -> None:
        """Check that there is a finite mean and a positive scale for every channel of a spec.

        Raises:
            SpecError: naming the modality.
        """
        for modality in spec.modalities:
            mean, scale = self.mean.get(modality.name), self.scale.get(modality.name)
            shape = (len(modality.channels),)
            if mean is None or scale is None or not mean.shape == scale.shape == shape:
                raise SpecError(
                    f"the normalisation of {modality.name!r} needs one mean and one scale a "
                    f"channel ({', '.join(modality.channel_names)})"
                )
            if not (np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()):
                raise SpecError(
                    f"the normalisation of {modality.name!r} needs finite means and scales above 0"
                )

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON types; `from_dict` is the inverse."""
        return {
            field: {name: [float(v) for v in values] for name, values in statistics.items()}
            for field, statistics in (("mean", self.mean), ("scale", self.scale))
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Normaliser":
        """Build a normaliser from what `to_dict` gave.

        Raises:
            SpecError: It is something else.
        """
        try:
            return cls(
                **{
                    field: {name: np.asarray(v, np.float64) for name, v in plain[field].items()}
                    for field in ("mean", "scale")
                }
            )
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise SpecError(
                f"a normalisation needs mean and scale, a number a channel each ({error!r})"
            ) from None


def fit_normaliser(store: Windows, indices: Indices, turn_free: Collection[str] = ()) -> Normaliser:
    """Fit means and standard deviations on these windows, over windows and steps.

    Only rows where a modality is present count. A channel that never varies gets the scale 1, a
    modality that is never present mean 0 and scale 1. Memory does not grow with the store.

    Args:
        store: the windows.
        indices: which of them.
        turn_free: modalities that keep their zero and have one scale, the root mean square of all
            axes, so that a turn of the device is a turn afterwards, too.

    Raises:
        DataError: If there is no window to fit on.
    """
    rows = np.sort(np.asarray(indices, dtype=np.int64))
    if rows.size == 0:
        raise DataError("cannot fit a normalisation on no windows; give training windows")
    mean: dict[str, np.ndarray] = {}
    scale: dict[str, np.ndarray] = {}
    for column, modality in enumerate(store.spec.modalities):
        there = rows[np.asarray(store.present)[rows, column]]
        moments = _moments(store, modality.name, there)
        if modality.name in turn_free:
            moments = _without_direction(*moments)
        mean[modality.name], scale[modality.name] = moments
    return Normaliser(mean=mean, scale=scale)


def _moments(store: Windows, name: str, rows: np.ndarray) -> Statistics:
    channels, steps = store.spec[name].shape
    mean, scatter, count = np.zeros(channels), np.zeros(channels), 0
    size = max(1, _CHUNK_VALUES // (channels * steps))
    for start in range(0, len(rows), size):
        values = store.read(rows[start : start + size], (name,))[name].astype(np.float64)
        # Chan's pairwise update: exact for channels whose mean is large against their spread.
        n, chunk_mean = values.shape[0] * values.shape[2], values.mean(axis=(0, 2))
        shift, total = chunk_mean - mean, count + n
        scatter += ((values - chunk_mean[:, None]) ** 2).sum(axis=(0, 2))
        scatter += shift**2 * count * n / total
        mean, count = mean + shift * n / total, total
    deviation = np.sqrt(scatter / max(count, 1))
    # float32 rounding of a constant is not variance; a tiny unit (volts of EEG) is.
    constant = deviation <= 1e-6 * np.abs(mean)
    return mean, np.where(constant | (deviation == 0), 1.0, deviation)


def _without_direction(mean: np.ndarray, scale: np.ndarray) -> Statistics:
    return np.zeros_like(mean), np.full_like(scale, np.sqrt(np.mean(mean**2 + scale**2)))


def merge(normalisers: Sequence[Normaliser]) -> Normaliser:
    """Give one normaliser with the modalities of all, which have different names."""
    return Normaliser(
        mean={name: values for one in normalisers for name, values in one.mean.items()},
        scale={name: values for one in normalisers for name, values in one.scale.items()},
    )
