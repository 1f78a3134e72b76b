"""Rows that are windows: the steps of a channel stand beside each other in columns.

A channel's column is a pattern of names (`acc_x_*`) or a range in the file's order (`x1..x250`).
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.columns import column_names, numbers, read_columns, texts, times_s
from sensor2llm.signals.tables.description import SAMPLES, Table
from sensor2llm.signals.tables.formats.text import WORDS
from sensor2llm.signals.tables.formats.zipped import on_disk


def wide_arrays(path: Path, table: Table) -> dict[str, np.ndarray]:
    """Read a file as arrays: windows by modality, and labels, subjects and starts."""
    clock = table.clock
    named = {"labels": table.label if table.labelled else None, "subjects": table.subject}
    words = {what: rule[1] for what, rule in named.items() if rule and rule[0] == "column"}
    timed = clock.columns if clock.unit != SAMPLES else ()
    with on_disk(path) as place:
        there = column_names(place, table.layout)
        steps = {entry.modality.name: [_steps(path, column, there) for column in entry.columns]
                 for entry in table.modalities
                 if not entry.optional or _expand(entry.columns[0], there)}  # fmt: skip
        channels = [column for rows in steps.values() for row in rows for column in row]
        kinds = dict.fromkeys(words.values(), WORDS) | dict.fromkeys(timed)
        data = read_columns(place, [*channels, *words.values(), *timed], table.layout, kinds)
    arrays = {}
    for name, rows in steps.items():
        if len(set(map(len, rows))) > 1:
            counts = ", ".join(str(len(row)) for row in rows)
            raise DataError(f"{path.name}: the channels of {name!r} have {counts} steps in a row")
        arrays[name] = np.stack(
            [np.stack([numbers(data, c, path, table.layout) for c in row], axis=1) for row in rows],
            axis=1,
        )
    for what, column in words.items():
        cells = texts(data, column, path, table.layout)
        arrays[what] = np.array(["" if cell is None else cell for cell in cells])
    if timed:
        arrays["starts"] = times_s(data, clock, path, table.layout)
    return arrays


def _steps(path: Path, column: str, names: Sequence[str]) -> list[str]:
    columns = _expand(column, names)
    if not columns:
        raise DataError(
            f"{path.name}: no columns fit {column[:60]!r}; it has {listed(names)}; write a pattern "
            "(x_*) or a range (x1..x250)"
        )
    return columns


def _expand(column: str, names: Sequence[str]) -> list[str]:
    """Give the columns of a pattern or a range, in the file's order."""
    first, dots, last = column.partition("..")
    if dots and first in names and last in names:
        return list(names[names.index(first) : names.index(last) + 1])
    return [name for name in names if fnmatchcase(name, column)]
