"""Number forms: a row of finite values as a list of texts, and back.

Every form bounds its own error: `max_error(values)` is the largest distance between a value and
what is read back, rounding of the values' own type included.
"""

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray

from sensor2llm.errors import DataError
from sensor2llm.signals.serialisation.integer_texts import LIMIT, IntegerTexts

Values = Shaped[np.ndarray, "step"]
ALIKE = (1e-4, 1e6)
"""Sizes between which pyarrow and numpy write a fraction alike."""
SMALLEST = 1e-280
"""Below it, a power of ten that makes three digits of a number is no float."""


class NumberForm(ABC):
    """Write finite numbers as texts and read them back."""

    each_alone: ClassVar[bool] = True
    """Whether a number's text depends on that number only."""

    @abstractmethod
    def write(self, values: Values) -> list[str]:
        """Give one text a value."""

    def read(self, cells: list[str]) -> Float[np.ndarray, " step"]:
        """Give the values back; raises ValueError for a cell that is no number."""
        return read_floats(cells)

    @abstractmethod
    def max_error(self, values: Values) -> float:
        """Bound the error of a round trip of these finite values."""

    def fit_scale(self, values: Values) -> "NumberForm":
        """Give the form whose scale suits these finite values; itself where it has no scale."""
        return self


def read_floats(cells: list[str]) -> NDArray[np.float64]:
    """Read numbers; raises ValueError for what is none."""
    return np.fromiter(map(float, cells), np.float64, len(cells))


def largest(values: Values) -> float:
    """Give the largest absolute value; 0 of none."""
    return float(np.abs(values.astype(np.float64)).max(initial=0.0))


def rounding(values: Values) -> float:
    """Bound what the values' own type loses on the way (4 units in the last place)."""
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    return 4 * float(np.finfo(kind).eps) * largest(values)


@dataclass(frozen=True)
class Shortest(NumberForm):
    """Write the shortest text that reads back as the same number of the same type."""

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        if values.dtype not in (np.float32, np.float64):
            return values.astype(str).tolist()
        # Importing it takes a moment, which the other forms do without.
        import pyarrow as pa

        kind, data = pa.from_numpy_dtype(values.dtype), pa.py_buffer(np.ascontiguousarray(values))
        texts = pa.Array.from_buffers(kind, len(values), [None, data]).cast(pa.string()).to_pylist()
        # Four times as fast as numpy and of the same digits, but whole, tiny and huge numbers look
        # different (1 for 1.0, 0.00001 for 1e-05).
        size = np.abs(values)
        unlike = (size <= ALIKE[0]) | (size >= ALIKE[1]) | (values == np.rint(values))
        places = np.flatnonzero(unlike)
        for place, text in zip(places.tolist(), values[places].astype(str).tolist(), strict=True):
            texts[place] = text
        return list(texts)

    def max_error(self, values: Values) -> float:
        """Give 0: the form is exact once cast to the values' own type."""
        return 0.0


@dataclass(frozen=True)
class Fixed(NumberForm):
    """Write a fixed number of decimals; there is no minus zero."""

    decimals: int

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        if values.dtype.kind in "iu":
            zeros = f".{'0' * self.decimals}" if self.decimals else ""
            return [f"{value}{zeros}" for value in values.tolist()]
        steps = np.rint(values.astype(np.float64) * 10.0**self.decimals)
        if largest(steps) < LIMIT:
            return _fixed_texts(self.decimals).write(steps.astype(np.int64))
        rounded = np.round(values.astype(np.float64), self.decimals) + 0.0
        form = f"%.{self.decimals}f"
        return [form % value for value in rounded.tolist()]

    def max_error(self, values: Values) -> float:
        """Give half a unit of the last decimal."""
        return 0.5 * 10.0**-self.decimals + rounding(values)


@functools.cache
def _fixed_texts(decimals: int) -> IntegerTexts:
    return IntegerTexts(lambda step: f"{step / 10.0**decimals:.{decimals}f}")


@dataclass(frozen=True)
class Significant(NumberForm):
    """Write a fixed number of significant digits without exponent (0.00123, 1.23, 1230)."""

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

    def max_error(self, values: Values) -> float:
        """Give half a unit of the last digit of the largest value."""
        return _half_digit(values, self.digits)


@dataclass(frozen=True)
class Scientific(NumberForm):
    """Write significant digits with an exponent (1.23e-03)."""

    digits: int

    def write(self, values: Values) -> list[str]:
        """Give one text a value."""
        form = f"%.{self.digits - 1}e"
        return [form % value for value in (values.astype(np.float64) + 0.0).tolist()]

    def max_error(self, values: Values) -> float:
        """Give half a unit of the last digit of the largest value."""
        return _half_digit(values, self.digits)


def _exponent(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the power of ten of each number's first digit; 0 for zero."""
    magnitude = np.where(numbers == 0, 1.0, np.abs(numbers))
    # A hair above: the logarithm of 1000 is 2.9999999999999996 on some machines.
    return np.floor(np.log10(magnitude) + 1e-12)


def _half_digit(values: Values, digits: int) -> float:
    most = largest(values)
    exponent = np.floor(np.log10(most)) if most > 0 else 0.0
    return 0.5 * 10.0 ** (float(exponent) - digits + 1) + rounding(values)
