"""Number forms of whole steps: scaled integers, bins, and differences between neighbours."""

import functools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from sensor2llm.errors import DataError
from sensor2llm.signals.serialisation.config import SerialiserConfig
from sensor2llm.signals.serialisation.integer_texts import IntegerTexts
from sensor2llm.signals.serialisation.numbers import (
    NumberForm,
    Values,
    largest,
    read_floats,
    rounding,
)

LARGEST_INTEGER = 2.0**53
TOGETHER, SPACED = IntegerTexts(str), IntegerTexts(lambda number: " ".join(str(number)))


def _integers(values: Values, decimals: int) -> NDArray[np.int64]:
    """Give the values times 10^decimals, rounded; raises DataError beyond 2^53."""
    scaled = np.rint(values.astype(np.float64) * 10.0**decimals)
    if largest(scaled) > LARGEST_INTEGER:
        raise DataError(
            f"{largest(values):g} with {decimals} decimals does not fit 2^53; "
            "use fewer decimals or the form 'scientific'"
        )
    return scaled.astype(np.int64)


@dataclass(frozen=True)
class ScaledInteger(NumberForm):
    """Write (value - offset) / scale as an integer number of 10^-decimals.

    With `spaced`, digits stand apart (`1 2 3`), so that most tokenizers give each its own token;
    `fit_scale` then takes LLMTime's scaling: the 95th percentile of the values above an offset 0.3
    ranges under their smallest becomes 1 (Gruver et al. 2023, sec. 3).
    """

    decimals: int
    scale: float = 1.0
    offset: float = 0.0
    spaced: bool = False

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        numbers = _integers((values.astype(np.float64) - self.offset) / self.scale, self.decimals)
        return (SPACED if self.spaced else TOGETHER).write(numbers)

    def read(self, cells: list[str]) -> Float[np.ndarray, " step"]:
        """Give the values back."""
        numbers = [int(cell.replace(" ", "")) for cell in cells]
        return np.array(numbers, np.float64) / 10.0**self.decimals * self.scale + self.offset

    def max_error(self, values: Values) -> float:
        """Give half a step of the scaled integers."""
        lost = rounding(values) + 4 * np.finfo(np.float64).eps * abs(self.offset)
        return 0.5 * 10.0**-self.decimals * self.scale + float(lost)

    def fit_scale(self, values: Values) -> "ScaledInteger":
        """Give the form with LLMTime's scale and offset; a plain scaled integer keeps its own."""
        if not self.spaced or not values.size:
            return self
        numbers = values.astype(np.float64)
        offset = float(numbers.min() - 0.3 * np.ptp(numbers))
        scale = float(np.quantile(numbers - offset, 0.95))
        return replace(self, offset=offset, scale=scale if scale > 0 else 1.0)


@dataclass(frozen=True)
class Bins(NumberForm):
    """Write the number of the equal bin that holds a value, in any base; its centre is read back.

    `fit_scale` takes Chronos' mean scaling: the mean absolute value is one scale.
    """

    config: SerialiserConfig

    @property
    def _width(self) -> float:
        return 2 * self.config.bin_limit / self.config.bins

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        scaled = (values.astype(np.float64) - self.config.offset) / self.config.scale
        numbers = np.floor((scaled + self.config.bin_limit) / self._width)
        numbers = np.clip(numbers, 0, self.config.bins - 1).astype(np.int64)
        return _bin_texts(self.config.bin_base).write(numbers)

    def read(self, cells: list[str]) -> Float[np.ndarray, " step"]:
        """Give the centres of the bins."""
        numbers = np.array([int(cell, self.config.bin_base) for cell in cells], np.float64)
        if numbers.size and numbers.max() >= self.config.bins:
            raise ValueError(f"bin {int(numbers.max())} of {self.config.bins}")
        scaled = (numbers + 0.5) * self._width - self.config.bin_limit
        return scaled * self.config.scale + self.config.offset

    def max_error(self, values: Values) -> float:
        """Give half a bin, or how far the values lie beyond the outermost bin's centre."""
        scaled = (values.astype(np.float64) - self.config.offset) / self.config.scale
        outermost = self.config.bin_limit - self._width / 2
        beyond = largest(scaled) - outermost
        return max(self._width / 2, beyond) * self.config.scale * (1 + 1e-9) + rounding(values)

    def fit_scale(self, values: Values) -> "Bins":
        """Give the form with the mean absolute value as its scale."""
        scale = float(np.abs(values.astype(np.float64) - self.config.offset).mean() or 1.0)
        return Bins(replace(self.config, scale=scale))


@functools.cache
def _bin_texts(base: int) -> IntegerTexts:
    return IntegerTexts(lambda number: np.base_repr(number, base))


@dataclass(frozen=True)
class Delta(NumberForm):
    """Write the first value, then each value's difference from the one before, in fixed decimals.

    The rounded values are differenced, so that errors do not add up.
    """

    each_alone: ClassVar[bool] = False

    decimals: int

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        steps = np.diff(_integers(values, self.decimals), prepend=0)
        form = f"%.{self.decimals}f"
        return [form % step for step in (steps / 10.0**self.decimals).tolist()]

    def read(self, cells: list[str]) -> Float[np.ndarray, " step"]:
        """Give the values back."""
        return np.cumsum(_integers(read_floats(cells), self.decimals)) / 10.0**self.decimals

    def max_error(self, values: Values) -> float:
        """Give half a unit of the last decimal."""
        return 0.5 * 10.0**-self.decimals + rounding(values)
