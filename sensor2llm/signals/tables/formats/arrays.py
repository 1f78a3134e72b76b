"""The arrays of a file by name, whatever its format, and as windows or as rows.

.npz           named arrays                         .mat, .h5    by their names
.npy           its own name; another .npy of its folder is an array beside it
.ts            X and y (see `ucr`)

They stay in their files, some rows being read at a time.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.formats.matlab import open_mat
from sensor2llm.signals.tables.formats.npz_arrays import open_npy, open_npz
from sensor2llm.signals.tables.formats.stored_array import StoredArray, is_vector, take
from sensor2llm.signals.tables.formats.ucr import open_ts
from sensor2llm.signals.tables.layout import AXES


class NamedArrays(NamedTuple):
    """Hold the names of all arrays of a file, and those of them that are wanted."""

    names: list[str]
    arrays: dict[str, StoredArray]


@contextmanager
def open_arrays(path: Path, wanted: Collection[str]) -> Iterator[NamedArrays]:
    """Open the arrays of a file; they can be read as long as it is open."""
    with TemporaryDirectory(prefix="sensor2llm-") as folder:
        yield NamedArrays(*_open(path, wanted, Path(folder)))


def _open(
    path: Path, wanted: Collection[str], folder: Path
) -> tuple[list[str], dict[str, StoredArray]]:
    if path.suffix == ".npz":
        names, packed = open_npz(path, wanted, folder)
        return names, dict(packed)
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; write it again")
    if path.suffix == ".npy":
        beside = {name: path.with_name(f"{name}.npy") for name in wanted if "/" not in name}
        files = {path.stem: path} | {n: file for n, file in beside.items() if file.is_file()}
        return list(files), {n: open_npy(file) for n, file in files.items() if n in wanted}
    return open_ts(path, wanted, folder) if path.suffix == ".ts" else open_mat(path, wanted)


class WindowArray:
    """Read an array some windows at a time, with its axes in the order window, channel, step.

    A channel that is not among its axes is one, and so is a window.
    """

    def __init__(
        self, array: StoredArray, axes: Sequence[str], channels: tuple[int, ...] | None = None
    ) -> None:
        self._array, self._channels = array, channels
        self._axes = tuple(axes) if len(axes) == len(array.shape) else ()
        # No number is read for the shape.
        empty = np.broadcast_to(np.empty((), array.dtype), array.shape)
        self.whole_shape: tuple[int, ...] = self._turned(empty).shape
        """The shape with all channels of the array."""

    @property
    def has_channels(self) -> bool:
        """Say whether the array has the channels that are chosen of it."""
        chosen, shape = self._channels, self.whole_shape
        return chosen is None or (len(shape) == 3 and max(chosen) < shape[1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape, (window, channel, step)."""
        if self._channels is None:
            return self.whole_shape
        return (self.whole_shape[0], len(self._channels), *self.whole_shape[2:])

    def windows(self, rows: slice) -> np.ndarray:
        """Read some windows."""
        if self._axes and "window" not in self._axes:
            part = self._turned(np.asarray(self._array[(slice(None),) * len(self._axes)]))[rows]
        else:
            axis = self._axes.index("window") if self._axes else 0
            part = self._turned(take(self._array, axis, rows))
        return part if self._channels is None else part[:, list(self._channels)]

    def _turned(self, array: np.ndarray) -> np.ndarray:
        if not self._axes:
            return array
        present = [axis for axis in AXES if axis in self._axes]
        turned = np.transpose(array, [self._axes.index(axis) for axis in present])
        for place, axis in enumerate(AXES):
            if axis not in self._axes:
                turned = np.expand_dims(turned, place)
        return turned


class _RowColumn(NamedTuple):
    """Say where the cells of a column are."""

    array: str
    axis: int
    channel: int | None


def array_rows(
    path: Path, columns: Sequence[str], axes: Sequence[str], rows: int
) -> Iterator[pa.Table]:
    """Read arrays as columns: one of its own, or `NAME[i]` of one of shape (row, channel)."""
    arrays_of = {column: column.rpartition("[")[0] or column for column in columns}
    with open_arrays(path, set(arrays_of.values())) as (names, arrays):
        places = {}
        for column, name in arrays_of.items():
            if name not in arrays:
                raise DataError(f"{path.name}: no array {name[:60]!r}; it has {listed(names)}")
            places[column] = _place(path, column, name, arrays[name].shape, axes)
        lengths = {column: arrays[at.array].shape[at.axis] for column, at in places.items()}
        if len(set(lengths.values())) > 1:
            counts = listed([f"{name} {length}" for name, length in lengths.items()])
            raise DataError(f"{path.name}: its arrays have different numbers of rows: {counts}")
        for first in range(0, next(iter(lengths.values()), 0), rows):
            part = slice(first, first + rows)
            read = {(at.array, at.axis): take(arrays[at.array], at.axis, part)
                    for at in places.values()}  # fmt: skip
            yield pa.table({column: _arrow(_cells(read[at.array, at.axis], at))
                            for column, at in places.items()})  # fmt: skip


def _cells(part: np.ndarray, at: _RowColumn) -> np.ndarray:
    return part.reshape(-1) if at.channel is None else part.take(at.channel, axis=1 - at.axis)


def _place(
    path: Path, column: str, name: str, shape: tuple[int, ...], axes: Sequence[str]
) -> _RowColumn:
    """Say where a column's cells are, or why the array has no such."""
    if column == name:
        if is_vector(shape):
            return _RowColumn(name, int(np.argmax(shape)), None)
        raise DataError(
            f"{path.name}: {name[:60]!r} has shape {shape}; a column is one row of numbers: of "
            "several write array: NAME in the modality"
        )
    channel = int(column[len(name) + 1 : -1])
    if len(shape) == 1 and channel == 0:
        return _RowColumn(name, 0, None)
    axis = 1 if tuple(axes) == ("channel", "step") else 0
    rows, channels = (shape[axis], shape[1 - axis]) if len(shape) == 2 else (0, 0)
    if channel >= channels or channels > rows > 1:
        turned = "; it looks turned: write axes: [channel, step]" * (channels > rows)
        raise DataError(
            f"{path.name}: {name[:60]!r} has shape {shape}; expected (row, channel) with a "
            f"channel {channel}{turned}"
        )
    return _RowColumn(name, axis, channel)


def _arrow(array: np.ndarray) -> pa.Array:
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    return pa.array(array.tolist() if array.dtype.kind == "U" else np.ascontiguousarray(array))
