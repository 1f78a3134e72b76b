"""The arrays that a description names, called as its modalities, `labels`, `subjects`, `starts`."""

import logging
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.formats.arrays import open_arrays, to_windows
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.times import TIME_UNITS

logger = logging.getLogger(__name__)


def holds_windows(path: Path, table: Table) -> bool:
    """Say whether the arrays of a file are ready windows, or columns of rows."""
    arrays_of = {entry.modality.name: entry.array for entry in table.modalities}
    with on_disk(path) as place:
        names, arrays = open_arrays(place, {array or name for name, array in arrays_of.items()})
    if not arrays:
        return not all(set(entry.columns) <= set(names) for entry in table.modalities)
    flat = all(array is not None for array in arrays_of.values()) and all(
        array.ndim <= 2 for array in arrays.values()
    )
    return not flat or "window" in table.layout.axes


def arrays_of(path: Path, table: Table) -> dict[str, np.ndarray]:
    """Give a file's arrays by modality, and its labels, subjects and starts by these names."""
    expected = {name: name for name in table.spec.names}
    expected |= {e.modality.name: e.array for e in table.modalities if e.array is not None}
    extras = _extras(table)
    with on_disk(path) as place:
        wanted = {*expected.values(), *(name for names in extras.values() for name in names)}
        names, stored = open_arrays(place, wanted)
    arrays = {name: to_windows(stored[array], table.layout.axes)
              for name, array in expected.items() if array in stored}  # fmt: skip
    if not arrays:
        first = next(iter(expected))
        raise DataError(
            f"{path.name} has the arrays {listed(names)}; expected one a modality: "
            f"{', '.join(expected.values())}; write array: NAME into the modality, or name them so "
            f"with numpy.savez({first}=...)"
        )
    for entry in table.modalities:
        name = entry.modality.name
        if entry.channels is not None and name in arrays:
            arrays[name] = _channels(path, entry.array or name, arrays[name], entry.channels)
    windows = len(next(iter(arrays.values()))) if all(a.ndim for a in arrays.values()) else 0
    for what, choices in extras.items():
        there = [name for name in choices if name in stored]
        if what == "starts":
            # A clock's array of another length holds the times of steps.
            there = [name for name in there if name == what or stored[name].size == windows]
        if there:
            arrays[what] = stored[there[0]]
            if what == "starts" and there[0] != what:
                arrays[what] = arrays[what] * TIME_UNITS.get(table.clock.unit, 1.0)
    if table.labelled and table.label and table.label[0] == "column" and "labels" not in arrays:
        logger.warning("%s has no array %r: its windows have no labels", path.name, table.label[1])
    _check_lengths(path, arrays)
    return arrays


def _extras(table: Table) -> dict[str, list[str]]:
    """Give the names of the arrays that may hold labels, subjects and starts."""
    named = {"labels": table.label, "subjects": table.subject,
             "starts": ("column", table.clock.name)}  # fmt: skip
    return {
        what: ([rule[1]] if rule and rule[0] == "column" and rule[1] else []) + [what]
        for what, rule in named.items()
        if what != "labels" or table.labelled
    }


def _channels(path: Path, name: str, array: np.ndarray, chosen: tuple[int, ...]) -> np.ndarray:
    if array.ndim != 3 or max(chosen) >= array.shape[1]:
        raise DataError(
            f"{path.name}: {name!r} has shape {array.shape} (window, channel, step), and no "
            f"channel {max(chosen)}; is axes right?"
        )
    return array[:, list(chosen)]


def _check_lengths(path: Path, arrays: dict[str, np.ndarray]) -> None:
    if single := [name for name, array in arrays.items() if not array.ndim]:
        raise DataError(f"{path.name}: {single[0]!r} is a single value; expected one a window")
    # MATLAB's vectors are rows or columns.
    lengths = {name: array.size if 1 in array.shape and array.ndim == 2 else len(array)
               for name, array in arrays.items()}  # fmt: skip
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"{path.name}: its arrays have different numbers of windows: {counts}")
