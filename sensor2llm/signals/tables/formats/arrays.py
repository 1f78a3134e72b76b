"""The arrays of a file by name, whatever its format, and as windows or as rows.

.npz           named arrays                         .mat, .h5    by their names
.npy           its own name; another .npy of its folder is an array beside it
.ts            X and y (see `ucr`)
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.formats.matlab import read_mat
from sensor2llm.signals.tables.formats.npz_arrays import load_array, load_arrays
from sensor2llm.signals.tables.formats.ucr import read_ts
from sensor2llm.signals.tables.layout import AXES


def open_arrays(path: Path, wanted: Collection[str]) -> tuple[list[str], dict[str, np.ndarray]]:
    """Give the names of all arrays, and those that are wanted."""
    if path.suffix == ".npz":
        return load_arrays(path, wanted)
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; write it again")
    if path.suffix == ".npy":
        beside = {name: path.with_name(f"{name}.npy") for name in wanted if "/" not in name}
        files = {path.stem: path} | {n: file for n, file in beside.items() if file.is_file()}
        return list(files), {n: load_array(file) for n, file in files.items() if n in wanted}
    if path.suffix == ".ts":
        arrays = read_ts(path)
        return list(arrays), {name: array for name, array in arrays.items() if name in wanted}
    return read_mat(path, wanted)


def to_windows(array: np.ndarray, axes: Sequence[str]) -> np.ndarray:
    """Give an array with its axes in the order window, channel, step.

    A channel that is not among its axes is one, and so is a window.
    """
    if not axes or len(axes) != array.ndim:
        return array
    present = [axis for axis in AXES if axis in axes]
    turned = np.transpose(array, [axes.index(axis) for axis in present])
    for place, axis in enumerate(AXES):
        if axis not in axes:
            turned = np.expand_dims(turned, place)
    return turned


def array_rows(path: Path, columns: Sequence[str], axes: Sequence[str]) -> pa.Table:
    """Read arrays as columns: one of its own, or `NAME[i]` of one of shape (row, channel)."""
    arrays_of = {column: column.rpartition("[")[0] or column for column in columns}
    names, arrays = open_arrays(path, set(arrays_of.values()))
    cells = {}
    for column, name in arrays_of.items():
        if name not in arrays:
            raise DataError(f"{path.name}: no array {name[:60]!r}; it has {listed(names)}")
        array = arrays[name]
        if column != name:
            cells[column] = _channel(path, name, array, int(column[len(name) + 1 : -1]), axes)
        elif array.size == max(array.shape, default=0):
            cells[column] = array.reshape(-1)
        else:
            raise DataError(
                f"{path.name}: {name[:60]!r} has shape {array.shape}; a column is one row of "
                "numbers: of several write array: NAME in the modality"
            )
    lengths = {name: len(array) for name, array in cells.items()}
    if len(set(lengths.values())) > 1:
        counts = listed([f"{name} {length}" for name, length in lengths.items()])
        raise DataError(f"{path.name}: its arrays have different numbers of rows: {counts}")
    return pa.table({name: _arrow(array) for name, array in cells.items()})


def _channel(
    path: Path, name: str, array: np.ndarray, channel: int, axes: Sequence[str]
) -> np.ndarray:
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim == 2 and tuple(axes) == ("channel", "step"):
        array = array.T
    if array.ndim != 2 or channel >= array.shape[1] or array.shape[1] > array.shape[0] > 1:
        turned = "; it looks turned: write axes: [channel, step]" * (
            array.ndim == 2 and array.shape[1] > array.shape[0]
        )
        raise DataError(
            f"{path.name}: {name[:60]!r} has shape {array.shape}; expected (row, channel) with a "
            f"channel {channel}{turned}"
        )
    return array[:, channel]


def _arrow(array: np.ndarray) -> pa.Array:
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    return pa.array(array.tolist() if array.dtype.kind == "U" else np.ascontiguousarray(array))
