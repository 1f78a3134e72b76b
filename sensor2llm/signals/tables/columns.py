"""Columns of a file as numbers, times and texts; a bad cell is named by its place.

Rows are counted from 1, without the header.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.description import TableClock
from sensor2llm.signals.tables.formats import parquet, text
from sensor2llm.signals.tables.formats.arrays import array_rows, open_arrays
from sensor2llm.signals.tables.formats.kinds import FEATHER, PARQUET, is_array_file, is_workbook
from sensor2llm.signals.tables.formats.text import is_number
from sensor2llm.signals.tables.formats.workbook import open_sheet
from sensor2llm.signals.tables.layout import DEFAULT_LAYOUT, TableLayout, open_text
from sensor2llm.signals.tables.times import (
    ClockState,
    Place,
    as_floats,
    as_text,
    cell_text,
    first_bad_cell,
    seconds,
)

_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_LONGEST_CELL = 1000
CHUNK_ROWS, _CHUNK_CELLS, _ROW_BYTES = 1 << 17, 1 << 20, 64
# A sheet's cells are Python objects before they are a column.
_SHEET_ROWS = 1 << 13


def column_names(path: Path, layout: TableLayout = DEFAULT_LAYOUT) -> tuple[str, ...]:
    """Give the names of a file's columns."""
    if path.suffix in (*PARQUET, *FEATHER):
        return parquet.stored_names(path)
    if is_array_file(path):
        with open_arrays(path, ()) as (names, _):
            return tuple(names)
    if path.is_file() and is_workbook(path):
        return open_sheet(path, layout).names
    return open_text(path, layout).names


def column_chunks(
    path: Path,
    names: Sequence[str],
    layout: TableLayout = DEFAULT_LAYOUT,
    kinds: Mapping[str, pa.DataType | None] = MappingProxyType({}),
    *,
    rows: int = CHUNK_ROWS,
) -> Iterator[pa.Table]:
    """Read the named columns about so many rows at a time, fewer of many columns.

    They come in their own types; of a text file as numbers, or as `kinds` says. Where a chunk of a
    text file holds anything else, all of its columns are texts.
    """
    wanted = list(dict.fromkeys(names))
    stored = path.suffix in (*PARQUET, *FEATHER)
    block_bytes, count = rows * _ROW_BYTES, 0
    rows = max(1, min(rows, _CHUNK_CELLS // max(1, len(wanted))))
    try:
        if stored:
            tables = parquet.read_stored(path, wanted, rows)
        elif is_array_file(path):
            tables = array_rows(path, wanted, layout.axes, rows)
        elif path.is_file() and is_workbook(path):
            tables = _of_sheet(path, wanted, layout, min(rows, _SHEET_ROWS))
        else:
            tables = text.read_text(path, wanted, layout, kinds, block_bytes)
        for table in tables:
            count += len(table)
            if len(table):
                yield table
    except (pa.ArrowException, OSError) as error:
        raise (parquet if stored else text).unreadable(path, error) from error
    if not count:
        raise DataError(f"{path.name} has a header and no rows; leave it out")


def _of_sheet(
    path: Path, wanted: Sequence[str], layout: TableLayout, rows: int
) -> Iterator[pa.Table]:
    sheet = open_sheet(path, layout)
    text.check_names(path, wanted, sheet.names)
    for table in sheet.tables(rows):
        yield table.select(list(wanted))


def numbers(
    table: pa.Table,
    name: str,
    path: Path,
    layout: TableLayout = DEFAULT_LAYOUT,
    first_row: int = 0,
) -> Float64[np.ndarray, " row"]:
    """Give a column as float64, NaN where a cell is empty; `first_row` is for messages."""
    column, place = _plain(table[name], layout), Place(path.name, name, first_row)
    try:
        out = as_floats(column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _no_number(column, place, layout) from error
    infinite = np.flatnonzero(np.isinf(out))
    if infinite.size:
        row = int(infinite[0])
        raise place.error(row, f"{out[row]} is not finite")
    return out


def times_s(
    table: pa.Table,
    clock: TableClock,
    path: Path,
    layout: TableLayout = DEFAULT_LAYOUT,
    first_row: int = 0,
    state: ClockState | None = None,
) -> Float64[np.ndarray, " row"]:
    """Give the time in seconds from one column, or from the date and the time in two.

    `first_row` is for messages, `state` carries the clock from the rows before.
    """
    place, column = Place(path.name, clock.name, first_row), _plain(table[clock.columns[0]], layout)
    if len(clock.columns) > 1:
        parts = (as_text(_of_day(_plain(table[name], layout)), place) for name in clock.columns)
        column = pc.binary_join_element_wise(*parts, " ")
    return seconds(column, clock.unit, place, clock.form, clock.zone, state) + clock.offset_s


def _of_day(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write a workbook's dates and times of day as the texts that they stand for."""
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, "%Y-%m-%d")
    if pa.types.is_duration(column.type):
        midnight = pc.cast(pc.cast(column, pa.int64()), pa.timestamp(column.type.unit))
        return pc.strftime(midnight, "%H:%M:%S")
    return column


class CodedTexts(NamedTuple):
    """Hold a column of texts: the number of each row's text; the last, `None`, is of no text."""

    codes: np.ndarray
    words: list[str | None]


def texts(
    table: pa.Table, name: str, path: Path, layout: TableLayout = DEFAULT_LAYOUT
) -> np.ndarray:
    """Give a column as trimmed texts, `None` where a cell is empty: objects, equal ones shared."""
    codes, words = coded_texts(table, name, path, layout)
    return np.array(words, dtype=object)[codes]


def coded_texts(
    table: pa.Table, name: str, path: Path, layout: TableLayout = DEFAULT_LAYOUT
) -> CodedTexts:
    """Give a column as trimmed texts, in codes."""
    column, place = table[name], Place(path.name, name)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    if not pa.types.is_dictionary(column.type):
        column = as_text(column, place).dictionary_encode()
    coded = column.unify_dictionaries().combine_chunks()
    cells = as_text(coded.dictionary, place).to_pylist()
    # A CSV's cell with a blank before its quotes keeps them.
    words = [None if cell is None else cell.strip().strip('"').strip() or None for cell in cells]
    words = [None if word in layout.marks else word for word in words]
    codes = _numbers_of(coded.indices, len(words))
    return CodedTexts(codes, [*words, None])


def _numbers_of(indices: pa.Array, absent: int) -> np.ndarray:
    """Give codes, `absent` where there is none."""
    if not indices.null_count:
        return np.from_dlpack(indices)
    # `fill_null` and `to_numpy` import pandas, which takes half a second.
    codes = np.full(len(indices), absent, dtype=np.int32)
    codes[np.from_dlpack(pc.cast(indices.is_valid(), pa.uint8())).astype(bool)] = np.from_dlpack(
        indices.drop_null()
    )
    return codes


def _plain(column: pa.ChunkedArray, layout: TableLayout) -> pa.ChunkedArray:
    """Give a column without a dictionary; of text, trimmed and with a point in its numbers."""
    column = _decoded(column)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    column = pc.utf8_trim_whitespace(column)
    if layout.decimal != ".":
        column = pc.replace_substring(column, layout.decimal, ".")
    return column


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write a Parquet's texts out; one long text a thousand times over is no column of numbers."""
    if not pa.types.is_dictionary(column.type):
        return column
    longest = max((pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0)
                  for chunk in column.chunks) if column.num_chunks else 0  # fmt: skip
    if longest > _LONGEST_CELL:
        raise DataError(f"a cell of {longest} characters is no number; choose other columns")
    return pc.cast(column, column.type.value_type)


def _no_number(column: pa.ChunkedArray, place: Place, layout: TableLayout) -> DataError:
    row = first_bad_cell(column, pa.float64())
    text, below = (
        cell_text(column[row]),
        cell_text(column[row + 1]) if row + 1 < len(column) else "",
    )
    if _DECIMAL_COMMA.fullmatch(text):
        hint = "; write decimal: ',' (and the delimiter)"
    elif text in ("?", "-", ".", "*", "--", "missing"):
        hint = f"; if it marks a missing value, write missing: [{text!r}]"
    elif row == 0 and is_number(below) and not layout.units_row:
        hint = "; if the line below the header holds units, write units_row: true"
    else:
        hint = ""
    return place.error(row, f"{text!r} is not a number{hint}")
