"""CSV and Parquet without a description: their numeric columns, streamed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from sensor2llm.errors import DataError
from sensor2llm.signals.table_file import PARQUET, column_names, numbers
from sensor2llm.signals.table_layout import EMPTY, Layout
from sensor2llm.signals.table_rates import observed_rate_hz
from sensor2llm.signals.table_spec import TIMES
from sensor2llm.signals.table_times import TIME_UNITS
from tokenization_study.cells import find_cells
from tokenization_study.config import InputConfig
from tokenization_study.windows import Part, choose_columns


def has_header(path: Path) -> bool:
    """Say whether the first row names columns: at least one cell is no number."""
    for name in column_names(path, Layout(delimiter=delimiter_of(path))):
        cells = find_cells(name)
        if len(cells) != 1 or int(cells.lengths[0]) != len(name):
            return True
    return False


def delimiter_of(path: Path) -> str:
    """Give what stands between the cells of a file."""
    return "\t" if path.suffix == ".tsv" else ","


class TableReader:
    """Read the numeric columns of a CSV or Parquet file in blocks of (column, row)."""

    def __init__(self, path: Path, config: InputConfig, notes: list[str]) -> None:
        self.rate_hz = config.rate_hz
        self._path = path
        self._config = config
        self._notes = notes
        self._names = column_names(path, Layout(delimiter=delimiter_of(path)))
        unknown = [name for name in config.columns if name not in self._names]
        if unknown:
            raise DataError(
                f"{path.name}: no column {unknown[0]!r}; it has {', '.join(self._names)}"
            )

    def blocks(self) -> Iterator[Part]:
        """Give the columns' values.

        Raises:
            DataError: For a bad cell, its row and column; for a truncated file.
        """
        rows = 0
        columns: Sequence[str] = self._config.columns
        try:
            for table in self._tables():
                if not columns:
                    columns = self._choose(table)
                yield np.stack([self._numbers(table, name, rows) for name in columns])
                rows += len(table)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OSError, UnicodeDecodeError) as error:
            why = " ".join(str(error).split())[:200]
            raise DataError(
                f"{self._path.name} cannot be read, is it truncated, or are encodings mixed? {why}"
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
            csv.ReadOptions(use_threads=False, block_size=1 << 20),
            csv.ParseOptions(delimiter=delimiter_of(self._path)),
            csv.ConvertOptions(
                column_types={n: pa.string() for n in self._raw_names()},
                null_values=EMPTY,
                strings_can_be_null=True,
            ),
        ) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch]).rename_columns(list(self._names))

    def _raw_names(self) -> list[str]:
        with self._path.open(encoding="utf-8-sig", newline="") as stream:
            line = stream.readline()
        options = csv.ParseOptions(delimiter=delimiter_of(self._path))
        return list(csv.read_csv(pa.py_buffer(line.encode()), parse_options=options).column_names)

    def _numbers(self, table: pa.Table, name: str, rows: int) -> np.ndarray:
        try:
            return numbers(table, name, self._path)
        except DataError as error:
            raise DataError(f"{error} (rows counted from {rows})" if rows else str(error)) from None

    def _choose(self, table: pa.Table) -> list[str]:
        numeric, rows = [], []
        for name in self._names:
            try:
                rows.append(numbers(table, name, self._path))
                numeric.append(name)
            except DataError as error:
                if "not finite" in str(error):
                    raise
                self._notes.append(f"column {name} left out: no numbers")
        if not numeric:
            raise DataError(
                f"{self._path.name} has no column of numbers; it has {', '.join(self._names)}"
            )
        clocks = {name for name in numeric if name in TIMES or name in ("time", "timestamp")}
        self._notes += [f"column {name} left out: a clock" for name in sorted(clocks)]
        kept = [i for i, name in enumerate(numeric) if name not in clocks] or [0]
        values, names = np.stack([rows[i] for i in kept]), [numeric[i] for i in kept]
        return [names[i] for i in choose_columns(values, names, self._notes)]
