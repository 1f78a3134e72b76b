"""Arrays that stay in their files: some rows are read at a time, whichever axis these lie on."""

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np


class StoredArray(Protocol):
    """An array in memory or in a file, which is read by slices, one an axis."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the length of each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Give the kind of its numbers or texts."""

    def __getitem__(self, key: tuple[slice, ...], /) -> np.ndarray:
        """Read a part into memory."""


class MappedArray:
    """Read an array by a memory map, which is closed after each part.

    What was read of a file counts as memory as long as the map is open.
    """

    def __init__(self, open_map: Callable[[], np.ndarray]) -> None:
        self._open_map = open_map
        array = open_map()
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key: tuple[slice, ...], /) -> np.ndarray:
        """Read a part into memory."""
        return np.array(self._open_map()[key])


def take(array: StoredArray, axis: int, rows: slice) -> np.ndarray:
    """Read the rows of an axis."""
    key = [slice(None)] * len(array.shape)
    key[axis] = rows
    return np.asarray(array[tuple(key)])


def is_vector(shape: tuple[int, ...]) -> bool:
    """Say whether an array is a row of values, which MATLAB stores with two axes."""
    return len(shape) > 0 and math.prod(shape) == max(shape)
