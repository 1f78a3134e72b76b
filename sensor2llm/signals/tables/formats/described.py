"""The arrays that a description names, called as its modalities, `labels`, `subjects`, `starts`."""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.formats.arrays import WindowArray, open_arrays
from sensor2llm.signals.tables.formats.stored_array import StoredArray, take
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.times import TIME_UNITS

logger = logging.getLogger(__name__)
# How many numbers of the sensors are read at once.
_BLOCK_CELLS = 1 << 20


class WindowBlocks(NamedTuple):
    """Hold how many windows there are, and their arrays, some windows at a time."""

    windows: int
    blocks: Iterator[dict[str, np.ndarray]]


def holds_windows(path: Path, table: Table) -> bool:
    """Say whether the arrays of a file are ready windows, or columns of rows."""
    if path.suffix == ".ts":
        # It holds nothing else, and is read to its end before its arrays can be looked at.
        return True
    arrays_of = {entry.modality.name: entry.array for entry in table.modalities}
    wanted = {array or name for name, array in arrays_of.items()}
    with on_disk(path) as place, open_arrays(place, wanted) as (names, arrays):
        if not arrays:
            return not all(set(entry.columns) <= set(names) for entry in table.modalities)
        flat = all(array is not None for array in arrays_of.values()) and all(
            len(array.shape) <= 2 for array in arrays.values()
        )
    return not flat or "window" in table.layout.axes


@contextmanager
def open_windows(path: Path, table: Table) -> Iterator[WindowBlocks]:
    """Open a file's arrays: by modality, and its labels, subjects and starts by these names."""
    array_names = {name: name for name in table.spec.names}
    array_names |= {e.modality.name: e.array for e in table.modalities if e.array is not None}
    extras = _extras(table)
    wanted = {*array_names.values(), *(name for names in extras.values() for name in names)}
    with on_disk(path) as place, open_arrays(place, wanted) as (names, stored):
        sensors = _sensors(path, table, stored, array_names)
        if not sensors:
            first = next(iter(array_names))
            raise DataError(
                f"{path.name} has the arrays {listed(names)}; expected one a modality: "
                f"{', '.join(array_names.values())}; write array: NAME into the modality, or name "
                f"them so with numpy.savez({first}=...)"
            )
        shapes = {name: array.shape for name, array in sensors.items()}
        windows = next(iter(shapes.values()))[0] if all(shapes.values()) else 0
        vectors = _present(extras, stored, windows)
        column = table.label[1] if table.label and table.label[0] == "column" else None
        if table.labelled and column is not None and "labels" not in vectors:
            logger.warning("%s has no array %r: its windows have no labels", path.name, column)
        _check_lengths(path, shapes | {what: stored[name].shape for what, name in vectors.items()})
        if vectors.get("starts", "starts") == "starts":
            unit_s = 1.0
        else:
            unit_s = TIME_UNITS.get(table.clock.unit, 1.0)
        arrays = {what: stored[name] for what, name in vectors.items()}
        yield WindowBlocks(windows, _blocks(sensors, arrays, windows, unit_s))


def _sensors(
    path: Path,
    table: Table,
    stored: Mapping[str, StoredArray],
    array_names: Mapping[str, str],
) -> dict[str, WindowArray]:
    """Give the arrays of the modalities that are there."""
    channels = {entry.modality.name: entry.channels for entry in table.modalities}
    sensors = {}
    for name, array in array_names.items():
        if array in stored:
            sensor = WindowArray(stored[array], table.layout.axes, channels.get(name))
            if not sensor.has_channels:
                raise DataError(
                    f"{path.name}: {array!r} has shape {sensor.whole_shape} (window, channel, "
                    f"step), and no channel {max(channels[name] or (0,))}; is axes right?"
                )
            sensors[name] = sensor
    return sensors


def _blocks(
    sensors: Mapping[str, WindowArray],
    vectors: Mapping[str, StoredArray],
    windows: int,
    unit_s: float,
) -> Iterator[dict[str, np.ndarray]]:
    cells = sum(math.prod(array.whole_shape[1:]) for array in sensors.values())
    step = max(1, _BLOCK_CELLS // max(1, cells))
    # Where there is no window, the arrays are looked at too.
    for first in range(0, max(1, windows), step):
        rows = slice(first, first + step)
        block = {name: array.windows(rows) for name, array in sensors.items()}
        for what, vector in vectors.items():
            # MATLAB's vectors are rows or columns.
            axis = 1 if len(vector.shape) == 2 and vector.shape[0] == 1 != windows else 0
            block[what] = take(vector, axis, rows)
        if unit_s != 1.0:
            block["starts"] = block["starts"] * unit_s
        yield block


def _present(
    extras: Mapping[str, list[str]], stored: Mapping[str, StoredArray], windows: int
) -> dict[str, str]:
    """Give the arrays that hold labels, subjects and starts."""
    sources = {}
    for what, choices in extras.items():
        there = [name for name in choices if name in stored]
        if what == "starts":
            # A clock's array of another length holds the times of steps.
            there = [n for n in there if n == what or math.prod(stored[n].shape) == windows]
        if there:
            sources[what] = there[0]
    return sources


def _extras(table: Table) -> dict[str, list[str]]:
    """Give the names of the arrays that may hold labels, subjects and starts."""
    named = {"labels": table.label, "subjects": table.subject,
             "starts": ("column", table.clock.name)}  # fmt: skip
    return {
        what: ([rule[1]] if rule and rule[0] == "column" and rule[1] else []) + [what]
        for what, rule in named.items()
        if what != "labels" or table.labelled
    }


def _check_lengths(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    if single := [name for name, shape in shapes.items() if not shape]:
        raise DataError(f"{path.name}: {single[0]!r} is a single value; expected one a window")
    # MATLAB's vectors are rows or columns.
    lengths = {name: math.prod(shape) if 1 in shape and len(shape) == 2 else shape[0]
               for name, shape in shapes.items()}  # fmt: skip
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"{path.name}: its arrays have different numbers of windows: {counts}")
