"""Windows of the UCR and UEA archives' `.ts` files: an array `X`, and the classes `y`.

The format: lines that begin with # are comments, those with @ say what is there; below @data a line
is a window, its channels between colons, its steps between commas, its class last; ? is missing.
"""

import itertools
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.formats.stored_array import MappedArray, StoredArray

# What one line of a file may be.
_LONGEST_LINE = 1 << 26


def open_ts(
    path: Path, wanted: Collection[str], folder: Path
) -> tuple[list[str], dict[str, StoredArray]]:
    """Give the names, and where any is wanted the windows and classes.

    Windows, shape (window, channel, step), wait in a file of `folder`.
    """
    with path.open(encoding="utf-8", errors="replace") as stream:
        lines = enumerate(iter(lambda: stream.readline(_LONGEST_LINE), ""), start=1)
        names = ["X", "y"] if _has_classes(path, lines) else ["X"]
        if not wanted:
            return names, {}
        place, labels = folder / "X", list[str]()
        shape = _copy_windows(path, lines, place, labels if "y" in names else None)
    arrays: dict[str, StoredArray] = {
        "X": MappedArray(partial(np.memmap, place, np.float64, "r", 0, shape)),
        "y": np.array(labels),
    }
    return names, {name: arrays[name] for name in names if name in wanted}


def _copy_windows(
    path: Path, lines: Iterator[tuple[int, str]], place: Path, labels: list[str] | None
) -> tuple[int, ...]:
    """Write the windows as numbers, take their classes, and give the windows' shape."""
    count, shape = 0, (0, 0)
    with place.open("wb") as out:
        for number, line in _content(lines):
            parts = line.split(":")
            if labels is not None:
                labels.append(parts.pop().strip())
            window = _window(path, number, parts)
            shape = shape if count else window.shape
            if window.shape != shape:
                raise DataError(
                    f"{path.name}: line {number}: a window of shape {window.shape} below one "
                    f"of {shape}; windows of one length are read: cut or pad them"
                )
            out.write(window.tobytes())
            count += 1
    if not count:
        raise DataError(f"{path.name} has no window below @data")
    return count, *shape


def _content(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Leave out comments and empty lines."""
    for number, raw in lines:
        if (line := raw.strip()) and not line.startswith("#"):
            yield number, line


def _has_classes(path: Path, lines: Iterator[tuple[int, str]]) -> bool:
    """Read the lines up to @data, and say whether windows have classes."""
    head: dict[str, str] = {}
    for number, line in _content(lines):
        if not line.startswith("@"):
            raise DataError(f"{path.name}: line {number}: a line before @data begins with @")
        key, _, value = line[1:].partition(" ")
        head[key.lower()] = value.strip().lower()
        _check_head(path, head)
        if "data" in head:
            break
    return head.get("classlabel", "false").startswith("true")


def _check_head(path: Path, head: dict[str, str]) -> None:
    if head.get("timestamps") == "true":
        raise DataError(f"{path.name} holds (time, value) pairs; regular steps are read")
    if head.get("targetlabel", "").startswith("true"):
        raise DataError(f"{path.name} holds targets of a regression; classes are read")


def _window(path: Path, number: int, channels: list[str]) -> np.ndarray:
    rows = [channel.replace("?", "nan").split(",") for channel in channels]
    if len({len(row) for row in rows}) > 1:
        lengths = ", ".join(str(len(row)) for row in rows[:8])
        raise DataError(
            f"{path.name}: line {number}: channels of {lengths} steps; a window has one length"
        )
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError as error:
        cells = enumerate(itertools.chain(*rows), start=1)
        column, cell = next((i, cell) for i, cell in cells if not _is_number(cell))
        raise DataError(
            f"{path.name}: line {number}, value {column}: {cell[:60]!r} is not a number"
        ) from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
