"""CSV and Parquet without a description: their numeric columns, streamed."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from sensor2llm.errors import DataError, one_line
from sensor2llm.signals.tables.columns import numbers
from sensor2llm.signals.tables.formats.kinds import PARQUET
from sensor2llm.signals.tables.layout import EMPTY
from sensor2llm.signals.tables.named_columns import TIMES
from sensor2llm.signals.tables.rows.rates import observed_rate_hz
from sensor2llm.signals.tables.times import TIME_UNITS
from tokenization_study.config import InputConfig
from tokenization_study.reading.cells import find_cells
from tokenization_study.reading.lines import check_head, read_blocks
from tokenization_study.reading.windows import Part, check_exact, choose_columns

MOST_COLUMNS = 10_000
LONGEST_HEADER = 1 << 20
LONGEST_INTEGER = 400
"""Digits beyond which an integer is infinite as a float."""


def has_header(path: Path) -> bool:
    """Say whether the first row names columns: at least one cell is no number."""
    for name in read_header(path):
        cells = find_cells(name)
        if len(cells) != 1 or int(cells.lengths[0]) != len(name):
            return True
    return False


def read_header(path: Path) -> list[str]:
    """Read a file's first row; raises DataError if it cannot be read, or holds too many cells."""
    try:
        names = pq.read_schema(path).names if path.suffix in PARQUET else _first_row(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        kind = "Parquet" if path.suffix in PARQUET else "CSV"
        raise DataError(
            f"{path.name} cannot be read as {kind}, is it truncated? {one_line(error, 150)}"
        ) from None
    if len(names) > MOST_COLUMNS:
        raise DataError(f"{path.name} has {len(names)} columns; an audit takes {MOST_COLUMNS}")
    return [name.strip() for name in names]


def _first_row(path: Path) -> list[str]:
    with path.open("rb") as stream:
        line = stream.readline(LONGEST_HEADER)
    check_head(line, path.name)
    if len(line) == LONGEST_HEADER:
        raise DataError(f"{path.name}: the first line is longer than 1 MiB; is it a table?")
    # Lines end and bytes are wrong as for every other line.
    text = "".join(read_blocks(io.BytesIO(line), path.name))
    if text.count(delimiter_of(path)) >= MOST_COLUMNS:
        raise DataError(f"{path.name} has more than {MOST_COLUMNS} columns; is it a table?")
    options = csv.ParseOptions(delimiter=delimiter_of(path))
    return list(csv.read_csv(pa.py_buffer(text.encode()), parse_options=options).column_names)


def delimiter_of(path: Path) -> str:
    """Give what stands between the cells of a file."""
    return "\t" if path.suffix == ".tsv" else ","


def tell_apart(names: Sequence[str], notes: list[str]) -> list[str]:
    """Give every column a name of its own: by its place where it has none, or another's."""
    own: list[str] = []
    for place, name in enumerate(names, start=1):
        unique = name or f"no. {place}"
        if name in own:
            unique = f"{name} (no. {place})"
        while unique in own:
            unique += "'"
        if name in own:
            notes.append(f"two columns are called {name!r}: the second one is '{unique}'")
        own.append(unique)
    return own


class TableReader:
    """Read the numeric columns of a CSV or Parquet file in blocks of (column, row)."""

    def __init__(self, path: Path, config: InputConfig, notes: list[str]) -> None:
        self.rate_hz = config.rate_hz
        self.columns: list[str] = []
        """Names of the columns that are read, once the first ones are."""
        self._path = path
        self._config = config
        self._notes = notes
        self._names = tell_apart(read_header(path), notes)
        unknown = [name for name in config.columns if name not in self._names]
        if unknown:
            raise DataError(
                f"{path.name}: no column {unknown[0]!r}; it has {', '.join(self._names)}"
            )

    def blocks(self) -> Iterator[Part]:
        """Give the columns' values; raises DataError for a bad cell, or a truncated file."""
        rows = 0
        try:
            for table in self._tables():
                if not self.columns:
                    self.columns += self._config.columns or self._choose(table)
                yield np.stack([self._numbers(table, name, rows) for name in self.columns])
                rows += len(table)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{self._path.name} cannot be read, is it truncated, or are encodings mixed? "
                f"{one_line(error, 150)}"
            ) from error
        if not rows:
            raise DataError(f"{self._path.name} has a header and no rows; there is no number")

    def rate(self) -> float | None:
        """Give the rows a second: as configured, or from a column such as time_s."""
        for name, unit in TIMES.items():
            if self.rate_hz is None and name in self._names:
                first = next(self._tables(), None)
                if first is not None and len(first) > 2:
                    times = self._numbers(first, name, 0) * TIME_UNITS[unit]
                    self.rate_hz = float(f"{observed_rate_hz(times):.4g}")
        return self.rate_hz

    def _tables(self) -> Iterator[pa.Table]:
        if self._path.suffix in PARQUET:
            file = pq.ParquetFile(self._path)
            for batch in file.iter_batches(batch_size=16_384, use_threads=False):
                yield pa.Table.from_batches([batch]).rename_columns(list(self._names))
            return
        with csv.open_csv(
            self._path,
            csv.ReadOptions(
                use_threads=False, block_size=1 << 20, skip_rows=1, column_names=self._names
            ),
            csv.ParseOptions(delimiter=delimiter_of(self._path)),
            csv.ConvertOptions(
                column_types=dict.fromkeys(self._names, pa.string()),
                null_values=EMPTY,
                strings_can_be_null=True,
            ),
        ) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def _numbers(self, table: pa.Table, name: str, rows: int) -> np.ndarray:
        if reason := _inexact(table[name], name):
            raise DataError(f"{self._path.name}: {reason.replace('left out', 'cannot be read')}")
        try:
            return numbers(table, name, self._path)
        except DataError as error:
            raise DataError(f"{error} (rows counted from {rows})" if rows else str(error)) from None

    def _choose(self, table: pa.Table) -> list[str]:
        numeric, rows = [], []
        for name in self._names:
            if reason := _inexact(table[name], name):
                self._notes.append(reason)
                continue
            try:
                rows.append(numbers(table, name, self._path))
                numeric.append(name)
            except DataError as error:
                if "not finite" in str(error):
                    raise
                self._notes.append(f"column {name} left out: no numbers")
        if not numeric:
            why = self._notes[-1] if self._notes else "it has none"
            raise DataError(
                f"{self._path.name} has no column of numbers ({why}); it has "
                f"{', '.join(self._names)}"
            )
        clocks = {name for name in numeric if name in TIMES or name in ("time", "timestamp")}
        self._notes += [f"column {name} left out: a clock" for name in sorted(clocks)]
        columns = [i for i, name in enumerate(numeric) if name not in clocks] or [0]
        values, names = np.stack([rows[i] for i in columns]), [numeric[i] for i in columns]
        return [names[i] for i in choose_columns(values, names, self._notes)]


def _inexact(column: pa.ChunkedArray, name: str) -> str:
    """Say why integers that a float would round are left out; empty where none is rounded."""
    if pa.types.is_string(column.type):
        if not pc.any(pc.greater(pc.binary_length(column), 15)).as_py():
            return ""
        trimmed = pc.utf8_trim_whitespace(column)
        column = trimmed.filter(pc.match_substring_regex(trimmed, r"^[+-]?\d+$"))
    elif not pa.types.is_integer(column.type):
        return ""
    longest = pc.max(pc.utf8_length(pc.cast(column, pa.string()))).as_py() or 0
    if longest > LONGEST_INTEGER:
        return f"column {name} left out: a number of {longest} digits"
    return check_exact(name, [int(cell) for cell in column.drop_null().to_pylist()])
