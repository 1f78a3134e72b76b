"""Windows of the UCR and UEA archives' `.ts` files: an array `X`, and the classes `y`.

The format: lines that begin with # are comments, those with @ say what is there; below @data a line
is a window, its channels between colons, its steps between commas, its class last; ? is missing.
"""

import itertools
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError

# What one line of a file may be.
_LONGEST_LINE = 1 << 26


def read_ts(path: Path) -> dict[str, np.ndarray]:
    """Give the windows, shape (window, channel, step), and their classes where there are any."""
    head: dict[str, str] = {}
    windows, labels = [], []
    with path.open(encoding="utf-8", errors="replace") as stream:
        lines = iter(lambda: stream.readline(_LONGEST_LINE), "")
        for number, raw in enumerate(lines, start=1):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            if "data" not in head:
                if not line.startswith("@"):
                    raise DataError(
                        f"{path.name}: line {number}: a line before @data begins with @"
                    )
                key, _, value = line[1:].partition(" ")
                head[key.lower()] = value.strip().lower()
                _check_head(path, head)
                continue
            parts = line.split(":")
            if head.get("classlabel", "false").startswith("true"):
                labels.append(parts.pop().strip())
            windows.append(_window(path, number, parts))
            if windows[-1].shape != windows[0].shape:
                raise DataError(
                    f"{path.name}: line {number}: a window of shape {windows[-1].shape} below one "
                    f"of {windows[0].shape}; windows of one length are read: cut or pad them"
                )
    if not windows:
        raise DataError(f"{path.name} has no window below @data")
    arrays = {"X": np.stack(windows)}
    return arrays | ({"y": np.array(labels)} if labels else {})


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
