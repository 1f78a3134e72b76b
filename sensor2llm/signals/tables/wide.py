"""Rows that are windows: the steps of a channel stand beside each other in columns.

A channel's column is a pattern of names (`acc_x_*`) or a range in the file's order (`x1..x250`).
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.columns import column_chunks, column_names, numbers, texts, times_s
from sensor2llm.signals.tables.description import SAMPLES, Table
from sensor2llm.signals.tables.formats.text import WORDS
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.layout import TableLayout
from sensor2llm.signals.tables.times import ClockState, Place


def wide_blocks(path: Path, table: Table) -> Iterator[dict[str, np.ndarray]]:
    """Read a file as arrays, some rows at a time: windows by modality, labels, subjects, starts."""
    clock = table.clock
    named = {"labels": table.label if table.labelled else None, "subjects": table.subject}
    words = {what: rule[1] for what, rule in named.items() if rule and rule[0] == "column"}
    timed = clock.columns if clock.unit != SAMPLES else ()
    with on_disk(path) as place:
        there = column_names(place, table.layout)
        steps = {entry.modality.name: [_steps(path, column, there) for column in entry.columns]
                 for entry in table.modalities
                 if not entry.optional or _expand(entry.columns[0], there)}  # fmt: skip
        for name, rows in steps.items():
            if len(set(map(len, rows))) > 1:
                counts = ", ".join(str(len(row)) for row in rows)
                raise DataError(
                    f"{path.name}: the channels of {name!r} have {counts} steps in a row"
                )
        channels = [column for rows in steps.values() for row in rows for column in row]
        kinds = dict.fromkeys(words.values(), WORDS) | dict.fromkeys(timed)
        columns = [*channels, *words.values(), *timed]
        first_row, state = 0, ClockState()
        for data in column_chunks(place, columns, table.layout, kinds):
            block = {
                name: _windows(data, rows, path, table.layout, first_row)
                for name, rows in steps.items()
            }
            for what, column in words.items():
                cells = texts(data, column, path, table.layout)
                block[what] = np.array(["" if cell is None else cell for cell in cells])
            if timed:
                block["starts"] = times_s(data, clock, path, table.layout, first_row, state)
            yield block
            first_row += len(data)
    state.warn(Place(path.name, clock.name), clock.zone)


def _windows(
    data: pa.Table, rows: list[list[str]], path: Path, layout: TableLayout, first_row: int
) -> np.ndarray:
    """Give one modality of a block, shape (window, channel, step)."""
    steps = [[numbers(data, column, path, layout, first_row) for column in row] for row in rows]
    return np.stack([np.stack(row, axis=1) for row in steps], axis=1)


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
