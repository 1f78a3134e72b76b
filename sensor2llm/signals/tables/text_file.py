"""Columns of a CSV or Parquet file as numbers, times and texts; a bad cell is named by its place.

Rows are counted from 1, without the header.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float64
from pyarrow import csv

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.fields import shown
from sensor2llm.signals.tables.layout import (
    DEFAULT_LAYOUT,
    EMPTY,
    EXPANSION,
    SMALLEST_BUDGET,
    TableLayout,
    TextFile,
    open_text,
)
from sensor2llm.signals.tables.times import (
    Place,
    as_floats,
    as_text,
    cell_text,
    first_bad_cell,
    seconds,
)

PARQUET = (".parquet", ".pq")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_LONGEST_CELL = 1000


def column_names(path: Path, layout: TableLayout = DEFAULT_LAYOUT) -> tuple[str, ...]:
    """Give the names of a file's columns."""
    if path.suffix in PARQUET:
        return tuple(name.strip() for name in _schema(path).names)
    return open_text(path, layout).names


def read_columns(
    path: Path, names: Sequence[str], layout: TableLayout = DEFAULT_LAYOUT
) -> pa.Table:
    """Read the named columns; of a CSV as text, of Parquet in their own types."""
    wanted = list(dict.fromkeys(names))
    try:
        if path.suffix in PARQUET:
            table = _read_parquet(path, wanted)
        else:
            table = _read_csv(path, open_text(path, layout), wanted, layout)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    if not len(table):
        raise _no_rows(path)
    return table


def _no_rows(path: Path) -> DataError:
    return DataError(f"{path.name} has a header and no rows; leave it out")


def _read_csv(path: Path, text: TextFile, wanted: list[str], layout: TableLayout) -> pa.Table:
    for name in wanted:
        _check_name(path, name, text.names, _hint(name, text, layout))
    if text.rows.size < _LONGEST_CELL and not bytes(text.rows).strip():
        raise _no_rows(path)
    # By number: names may be there twice, or be empty.
    numbers = [str(text.names.index(name)) for name in wanted]
    table = csv.read_csv(
        pa.BufferReader(text.rows),
        csv.ReadOptions(use_threads=False, column_names=list(map(str, range(len(text.names))))),
        # In a table of one column, an empty line is an empty cell.
        csv.ParseOptions(delimiter=layout.delimiter, ignore_empty_lines=len(text.names) > 1),
        csv.ConvertOptions(
            include_columns=numbers,
            column_types=dict.fromkeys(numbers, pa.string()),
            # Numbers that mark a missing value are counted, so they are read as numbers.
            null_values=[*EMPTY, *(mark for mark in layout.marks if not is_number(mark))],
            strings_can_be_null=True,
        ),
    )
    return table.rename_columns(wanted)


def _read_parquet(path: Path, wanted: list[str]) -> pa.Table:
    schema = _schema(path)
    stripped = [name.strip() for name in schema.names]
    for name in wanted:
        _check_name(path, name, stripped)
    raw = [schema.names[stripped.index(name)] for name in wanted]
    meta = pq.read_metadata(path)
    cells = meta.num_rows * len(wanted)
    most = max(SMALLEST_BUDGET // 8, EXPANSION // 5 * path.stat().st_size)
    size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    if cells > most or size > 8 * most:
        raise DataError(
            f"{path.name} claims {cells} cells ({size} bytes), but has {path.stat().st_size} "
            f"bytes; at most {most} cells are read from it: write it uncompressed if that is right"
        )
    words = [name for name in raw if pa.types.is_string(schema.field(name).type)]
    table = pq.read_table(path, columns=raw, use_threads=False, read_dictionary=words)
    return table.select(raw).rename_columns(wanted)


def _schema(path: Path) -> pa.Schema:
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; leave it out or record it again")
    try:
        schema = pq.read_schema(path)
        _ = schema.names  # names that are no text fail where they are looked at
        return schema
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _check_name(path: Path, name: str, names: Sequence[str], hint: str = "") -> None:
    times = Counter(names)[name]
    if not times:
        raise DataError(f"{path.name}: no column {shown(name)}; it has {listed(names)}{hint}")
    if times > 1:
        raise DataError(
            f"{path.name}: {times} columns are called {shown(name)}; give each its own "
            "name in the file"
            + " (or by names: [...] in the description)"
            * (path.suffix not in PARQUET)
        )


def _hint(name: str, text: TextFile, layout: TableLayout) -> str:
    """Say what to write where a column is not found because the header is not the first line."""
    if 2 * sum(map(is_number, text.names)) >= max(1, len(text.names)):
        return "; its first line is numbers: name the columns with names: [time, x, ...]"
    if len(text.names) == 1 and (marks := [m for m in ";\t|," if m in text.names[0]]):
        return f"; write delimiter: {marks[0]!r}"
    for number, line in enumerate(text.head):
        cells = [cell.strip(' "') for cell in line.split(layout.delimiter)]
        if number > layout.skip_rows and name in cells:
            return f"; line {number + 1} names it: write skip_rows: {number}"
    return ""


def is_number(text: str) -> bool:
    """Say whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _unreadable(path: Path, error: Exception) -> DataError:
    kind = "Parquet" if path.suffix in PARQUET else "CSV"
    if kind == "CSV" and not isinstance(error, OSError) and (place := _not_utf8(path)):
        return DataError(
            f"{path.name}: line {place[0]} is not UTF-8 (byte 0x{place[1]:02X}); are encodings "
            "mixed? convert the file to UTF-8, or write encoding: latin-1 (or what it is in)"
        )
    why = " ".join(str(error).split())[:150]
    return DataError(f"{path.name} cannot be read as {kind}, is it truncated? {why}")


def _not_utf8(path: Path) -> tuple[int, int] | None:
    """Give the first line that is no UTF-8, counted from 1, and its first wrong byte."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return None


def numbers(
    table: pa.Table, name: str, path: Path, layout: TableLayout = DEFAULT_LAYOUT
) -> Float64[np.ndarray, " row"]:
    """Give a column as float64, NaN where a cell is empty."""
    column, place = _plain(table[name], layout), Place(path.name, name)
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
    names: Sequence[str],
    unit: str,
    path: Path,
    layout: TableLayout = DEFAULT_LAYOUT,
) -> Float64[np.ndarray, " row"]:
    """Give the time in seconds from one column, or from the date and the time in two."""
    place, column = Place(path.name, " ".join(names)), _plain(table[names[0]], layout)
    if len(names) > 1:
        parts = (as_text(_plain(table[name], layout), place) for name in names)
        column = pc.binary_join_element_wise(*parts, " ")
    return seconds(column, unit, place)


def texts(
    table: pa.Table, name: str, path: Path, layout: TableLayout = DEFAULT_LAYOUT
) -> np.ndarray:
    """Give a column as trimmed texts, `None` where a cell is empty: objects, equal ones shared."""
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
    codes = pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)
    return np.array([*words, None], dtype=object)[codes]


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
