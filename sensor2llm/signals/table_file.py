"""Columns of a CSV or Parquet file as numbers, times and texts; a bad cell is named by its place.

Rows are counted from 1, without the header.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float64
from pyarrow import csv

from sensor2llm.errors import DataError
from sensor2llm.signals.table_config import TIME_UNITS

PARQUET = (".parquet", ".pq")
EMPTY = ("", "NA", "N/A", "NaN", "nan", "-nan", "null", "NULL", "None")


def column_names(path: Path, delimiter: str = ",") -> tuple[str, ...]:
    """Give the names of a file's columns.

    Raises:
        DataError: If the file is missing, empty, truncated or of another kind.
    """
    return tuple(name.strip() for name in _raw_names(path, delimiter))


def read_columns(path: Path, names: Sequence[str], delimiter: str = ",") -> pa.Table:
    """Read the named columns; of a CSV as text, of Parquet in their own types.

    Raises:
        DataError: For a missing column, naming those that are there, and for a file without rows.
    """
    raw = {name.strip(): name for name in _raw_names(path, delimiter)}
    for name in names:
        if name not in raw:
            raise DataError(f"{path.name}: no column {name!r}; it has {', '.join(raw)}")
    wanted = [raw[name] for name in dict.fromkeys(names)]
    try:
        table = _read(path, wanted, delimiter)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise _unreadable(path, error) from error
    if not len(table):
        raise DataError(f"{path.name} has a header and no rows; leave it out")
    return table.rename_columns([name.strip() for name in table.column_names])


def _read(path: Path, names: list[str], delimiter: str) -> pa.Table:
    if path.suffix in PARQUET:
        return pq.read_table(path, columns=names, use_threads=False)
    return csv.read_csv(
        path,
        csv.ReadOptions(use_threads=False),
        csv.ParseOptions(delimiter=delimiter),
        csv.ConvertOptions(
            include_columns=names,
            column_types=dict.fromkeys(names, pa.string()),
            null_values=EMPTY,
            strings_can_be_null=True,
        ),
    )


def _raw_names(path: Path, delimiter: str) -> list[str]:
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; leave it out or record it again")
    try:
        if path.suffix in PARQUET:
            return pq.read_schema(path).names
        with path.open(encoding="utf-8-sig", newline="") as stream:
            line = stream.readline()
        header = csv.read_csv(
            pa.py_buffer(line.encode()), parse_options=csv.ParseOptions(delimiter=delimiter)
        )
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    return header.column_names


def _unreadable(path: Path, error: Exception) -> DataError:
    kind = "Parquet" if path.suffix in PARQUET else "CSV"
    if kind == "CSV" and not isinstance(error, OSError) and (place := _not_utf8(path)):
        return DataError(
            f"{path.name}: line {place[0]} is not UTF-8 (byte 0x{place[1]:02X}); are encodings "
            "mixed? convert the file to UTF-8"
        )
    why = " ".join(str(error).split())[:200]
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


def numbers(table: pa.Table, name: str, path: Path) -> Float64[np.ndarray, " row"]:
    """Give a column as float64, NaN where a cell is empty.

    Raises:
        DataError: For a cell that is no finite number: its row, column and text.
    """
    column = table[name]
    if _is_text(column):
        column = pc.utf8_trim_whitespace(column)
    try:
        values = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _bad_cell(column, name, path, pa.float64(), "is not a number") from error
    out = values.to_numpy(zero_copy_only=False).astype(np.float64)
    infinite = np.flatnonzero(np.isinf(out))
    if infinite.size:
        row = int(infinite[0])
        raise DataError(f"{path.name}: row {row + 1}, column {name!r}: {out[row]} is not finite")
    return out


def times_s(table: pa.Table, name: str, unit: str, path: Path) -> Float64[np.ndarray, " row"]:
    """Give the time column in seconds; date times count from 1970 (UTC where no zone is given).

    Raises:
        DataError: For an empty or unreadable cell: its row, column and text.
    """
    column = table[name]
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py() + 1
        raise DataError(f"{path.name}: row {row}, column {name!r}: the time is missing")
    if unit == "iso" or pa.types.is_timestamp(column.type):
        return _seconds(pc.cast(_date_times(column, name, path), pa.int64()).to_numpy(), 1e-9)
    text = pc.utf8_trim_whitespace(column) if _is_text(column) else column
    try:
        return _seconds(pc.cast(text, pa.int64()).to_numpy(), TIME_UNITS[unit])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return numbers(table, name, path) * TIME_UNITS[unit]


def _seconds(ticks: np.ndarray, tick_s: float) -> np.ndarray:
    """Scale whole ticks; nanoseconds since 1970 do not fit a double, their difference does."""
    per_second = round(1 / tick_s)
    second = int(ticks[0]) // per_second
    return (ticks - second * per_second) * tick_s + second


def _date_times(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    kinds = (pa.timestamp("ns"), pa.timestamp("ns", tz="UTC"))
    if pa.types.is_timestamp(column.type):
        return pc.cast(column, pa.timestamp("ns", tz=column.type.tz))
    for kind in kinds:
        try:
            return pc.cast(pc.utf8_trim_whitespace(column), kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    zoned = pc.match_substring_regex(column[:1].cast(pa.string()), r"(Z|[+-]\d\d:?\d\d)\s*$")
    kind = kinds[1] if zoned[0].as_py() else kinds[0]
    raise _bad_cell(column, name, path, kind, "is no ISO date time")


def texts(table: pa.Table, name: str) -> list[str | None]:
    """Give a column as trimmed texts, `None` where a cell is empty."""
    return pc.utf8_trim_whitespace(pc.cast(table[name], pa.string())).to_pylist()


def _is_text(column: pa.ChunkedArray) -> bool:
    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def _bad_cell(
    column: pa.ChunkedArray, name: str, path: Path, kind: pa.DataType, why: str
) -> DataError:
    """Find the first cell that cannot be cast: looked for only once casting has failed."""
    for row in range(len(column)):
        try:
            pc.cast(column[row : row + 1], kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            cell = column[row].as_py()
            return DataError(f"{path.name}: row {row + 1}, column {name!r}: {cell!r} {why}")
    return DataError(f"{path.name}: column {name!r} of type {column.type} {why}")
