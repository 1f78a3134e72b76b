"""Number forms: a row of finite values as a list of texts, and back.

Every form bounds its own error: `max_error(values)` is the largest distance between a value and
what is read back, rounding of the values' own type included.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray

from sensor2llm.errors import DataError
from sensor2llm.signals.serialisation.config import SerialiserConfig

Values = Shaped[np.ndarray, "step"]
LARGEST_INTEGER = 2.0**53
SMALLEST = 1e-280
"""Below it, a power of ten that makes three digits of a number is no float."""


class NumberForm(Protocol):
    """Write finite numbers as texts and read them back."""

    each_alone: ClassVar[bool]
    """Whether a number's text depends on that number only."""

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""

    def read(self, cells: list[str]) -> Float[np.ndarray, "step"]:
        """Give the values back; raises ValueError for a cell that is no number."""

    def max_error(self, values: Values) -> float:
        """Bound the error of a round trip of these finite values."""

    def fit_scale(self, values: Values) -> "NumberForm":
        """Give the form whose scale suits these finite values."""


def _read_floats(cells: list[str]) -> NDArray[np.float64]:
    return np.fromiter(map(float, cells), np.float64, len(cells))


def _largest(values: Values) -> float:
    return float(np.abs(values.astype(np.float64)).max(initial=0.0))


def _rounding(values: Values) -> float:
    """Bound what the values' own type loses on the way (4 units in the last place)."""
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    return 4 * float(np.finfo(kind).eps) * _largest(values)


def _integers(values: Values, decimals: int) -> NDArray[np.int64]:
    """Give the values times 10^decimals, rounded; raises DataError beyond 2^53."""
    scaled = np.rint(values.astype(np.float64) * 10.0**decimals)
    if _largest(scaled) > LARGEST_INTEGER:
        raise DataError(
            f"{_largest(values):g} with {decimals} decimals does not fit 2^53; "
            "use fewer decimals or the form 'scientific'"
        )
    return scaled.astype(np.int64)


@dataclass(frozen=True)
class Shortest:
    """Write the shortest text that reads back as the same number of the same type."""

    each_alone: ClassVar[bool] = True

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        return values.astype(str).tolist()

    def read(self, cells: list[str]) -> Float[np.ndarray, "step"]:
        """Give the values back."""
        return _read_floats(cells)

    def max_error(self, values: Values) -> float:
        """Give 0: the form is exact once cast to the values' own type."""
        return 0.0

    def fit_scale(self, values: Values) -> "Shortest":
        """Give itself: the form has no scale."""
        return self


@dataclass(frozen=True)
class Fixed:
    """Write a fixed number of decimals; there is no minus zero."""

    each_alone: ClassVar[bool] = True

    decimals: int

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        if values.dtype.kind in "iu":
            zeros = f".{'0' * self.decimals}" if self.decimals else ""
            return [f"{value}{zeros}" for value in values.tolist()]
        rounded = np.round(values.astype(np.float64), self.decimals) + 0.0
        form = f"%.{self.decimals}f"
        return [form % value for value in rounded.tolist()]

    def read(self, cells: list[str]) -> Float[np.ndarray, "step"]:
        """Give the values back."""
        return _read_floats(cells)

    def max_error(self, values: Values) -> float:
        """Give half a unit of the last decimal."""
        return 0.5 * 10.0**-self.decimals + _rounding(values)

    def fit_scale(self, values: Values) -> "Fixed":
        """Give itself: the form has no scale."""
        return self


@dataclass(frozen=True)
class Significant:
    """Write a fixed number of significant digits without exponent (0.00123, 1.23, 1230)."""

    each_alone: ClassVar[bool] = True

    digits: int

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        numbers = values.astype(np.float64)
        tiny = np.abs(numbers[(numbers != 0) & (np.abs(numbers) < SMALLEST)])
        if tiny.size:
            raise DataError(f"{tiny[0]:g} is too small to write without exponent; use 'scientific'")
        decimals = self.digits - 1 - _exponent(numbers)
        rounded = np.rint(numbers * 10.0**decimals) / 10.0**decimals + 0.0
        # The exponent is taken again after rounding: 9.996 to three digits is 10.0.
        decimals = np.maximum(self.digits - 1 - _exponent(rounded), 0)
        cells: NDArray[Any] = np.empty(values.shape, dtype=object)
        for count in np.unique(decimals).astype(int).tolist():
            chosen, form = decimals == count, f"%.{count}f"
            cells[chosen] = [form % value for value in rounded[chosen].tolist()]
        return cells.tolist()

    def read(self, cells: list[str]) -> Float[np.ndarray, "step"]:
        """Give the values back."""
        return _read_floats(cells)

    def max_error(self, values: Values) -> float:
        """Give half a unit of the last digit of the largest value."""
        return _half_digit(values, self.digits)

    def fit_scale(self, values: Values) -> "Significant":
        """Give itself: the form has no scale."""
        return self


@dataclass(frozen=True)
class Scientific:
    """Write significant digits with an exponent (1.23e-03)."""

    each_alone: ClassVar[bool] = True

    digits: int

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        form = f"%.{self.digits - 1}e"
        return [form % value for value in (values.astype(np.float64) + 0.0).tolist()]

    def read(self, cells: list[str]) -> Float[np.ndarray, "step"]:
        """Give the values back."""
        return _read_floats(cells)

    def max_error(self, values: Values) -> float:
        """Give half a unit of the last digit of the largest value."""
        return _half_digit(values, self.digits)

    def fit_scale(self, values: Values) -> "Scientific":
        """Give itself: the form has no scale."""
        return self


def _exponent(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the power of ten of each number's first digit; 0 for zero."""
    magnitude = np.where(numbers == 0, 1.0, np.abs(numbers))
    # A hair above: the logarithm of 1000 is 2.9999999999999996 on some machines.
    return np.floor(np.log10(magnitude) + 1e-12)


def _half_digit(values: Values, digits: int) -> float:
    largest = _largest(values)
    exponent = np.floor(np.log10(largest)) if largest > 0 else 0.0
    return 0.5 * 10.0 ** (float(exponent) - digits + 1) + _rounding(values)


@dataclass(frozen=True)
class ScaledInteger:
    """Write (value - offset) / scale as an integer number of 10^-decimals.

    With `spaced`, digits stand apart (`1 2 3`), so that most tokenizers give each its own token;
    `fitted` then takes LLMTime's scaling: the 95th percentile of the values above an offset 0.3
    ranges under their smallest becomes 1 (Gruver et al. 2023, sec. 3).
    """

    each_alone: ClassVar[bool] = True

    decimals: int
    scale: float = 1.0
    offset: float = 0.0
    spaced: bool = False

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        numbers = _integers((values.astype(np.float64) - self.offset) / self.scale, self.decimals)
        cells = list(map(str, numbers.tolist()))
        if not self.spaced or not cells:
            return cells
        # All at once: a space between any two characters, commas included.
        return " ".join(",".join(cells)).split(" , ")

    def read(self, cells: list[str]) -> Float[np.ndarray, "step"]:
        """Give the values back."""
        numbers = [int(cell.replace(" ", "")) for cell in cells]
        return np.array(numbers, np.float64) / 10.0**self.decimals * self.scale + self.offset

    def max_error(self, values: Values) -> float:
        """Give half a step of the scaled integers."""
        rounding = _rounding(values) + 4 * np.finfo(np.float64).eps * abs(self.offset)
        return 0.5 * 10.0**-self.decimals * self.scale + float(rounding)

    def fit_scale(self, values: Values) -> "ScaledInteger":
        """Give the form with LLMTime's scale and offset; a plain scaled integer keeps its own."""
        if not self.spaced or not values.size:
            return self
        numbers = values.astype(np.float64)
        offset = float(numbers.min() - 0.3 * np.ptp(numbers))
        scale = float(np.quantile(numbers - offset, 0.95))
        return replace(self, offset=offset, scale=scale if scale > 0 else 1.0)


@dataclass(frozen=True)
class Bins:
    """Write the number of the equal bin that holds a value, in any base; its centre is read back.

    `fitted` takes Chronos' mean scaling: the mean absolute value is one scale.
    """

    each_alone: ClassVar[bool] = True

    config: SerialiserConfig

    @property
    def _width(self) -> float:
        return 2 * self.config.bin_limit / self.config.bins

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        scaled = (values.astype(np.float64) - self.config.offset) / self.config.scale
        numbers = np.floor((scaled + self.config.bin_limit) / self._width)
        numbers = np.clip(numbers, 0, self.config.bins - 1).astype(np.int64)
        used, place = np.unique(numbers, return_inverse=True)
        names: NDArray[Any] = np.array(
            [np.base_repr(number, self.config.bin_base) for number in used.tolist()], dtype=object
        )
        return names[place].tolist()

    def read(self, cells: list[str]) -> Float[np.ndarray, "step"]:
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
        beyond = _largest(scaled) - outermost
        return max(self._width / 2, beyond) * self.config.scale * (1 + 1e-9) + _rounding(values)

    def fit_scale(self, values: Values) -> "Bins":
        """Give the form with the mean absolute value as its scale."""
        scale = float(np.abs(values.astype(np.float64) - self.config.offset).mean() or 1.0)
        return Bins(replace(self.config, scale=scale))


@dataclass(frozen=True)
class Delta:
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

    def read(self, cells: list[str]) -> Float[np.ndarray, "step"]:
        """Give the values back."""
        return np.cumsum(_integers(_read_floats(cells), self.decimals)) / 10.0**self.decimals

    def max_error(self, values: Values) -> float:
        """Give half a unit of the last decimal."""
        return 0.5 * 10.0**-self.decimals + _rounding(values)

    def fit_scale(self, values: Values) -> "Delta":
        """Give itself: the form has no scale."""
        return self
