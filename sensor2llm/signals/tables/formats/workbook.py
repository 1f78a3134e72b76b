"""The sheet of a workbook (Excel, LibreOffice) as columns, by the extra `[xlsx]`."""

import datetime
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sensor2llm.errors import DataError, listed, one_line
from sensor2llm.signals.tables.layout import EXPANSION, SMALLEST_BUDGET, TableLayout

# Sheets are repetitive texts: they unpack to more times their size than a CSV does.
_MORE = 5


class Sheet(NamedTuple):
    """Hold the names of a sheet's columns, which may be there twice, and its rows below them."""

    names: tuple[str, ...]
    rows: Iterator[list[Any]]

    def tables(self, rows: int) -> Iterator[pa.Table]:
        """Give so many rows at a time; in each, cells of several kinds become texts."""
        while part := list(islice(self.rows, rows)):
            cells = [[row[i] if i < len(row) else None for row in part]
                     for i in range(len(self.names))]  # fmt: skip
            yield pa.Table.from_arrays(list(map(_column, cells)), names=list(self.names))


def open_sheet(path: Path, layout: TableLayout) -> Sheet:
    """Open a sheet, below the rows that are skipped."""
    rows = _rows(path, layout)
    names = layout.names
    if not names and layout.header:
        names = tuple("" if cell is None else str(cell).strip() for cell in next(rows, ()))
    if layout.units_row:
        next(rows, None)
    first = next(rows, None)
    if not names:
        names = tuple(str(i + 1) for i in range(len(first or ())))
    return Sheet(names, rows if first is None else chain([first], rows))


def _rows(path: Path, layout: TableLayout) -> Iterator[list[Any]]:
    """Give the rows below those that are skipped, without comments and empty ones."""
    sheet = _sheet(path, layout)
    if sheet.total_height <= layout.skip_rows:
        raise DataError(f"{path.name} has no line below the first {layout.skip_rows} (skip_rows)")
    # The reader leaves out empty columns before the first that is none.
    before = [None] * (sheet.start[1] if sheet.start else 0)
    rows = ([None if cell == "" else cell for cell in row]
            for row in islice(sheet.iter_rows(), layout.skip_rows, None))  # fmt: skip
    mark = layout.comment
    return (
        [*before, *row]
        for row in rows
        if any(cell is not None for cell in row)
        and not (mark and str([*before, *row][0]).lstrip().startswith(mark))
    )


def _sheet(path: Path, layout: TableLayout) -> Any:
    """Give a sheet, which its reader holds in memory."""
    try:
        from python_calamine import CalamineWorkbook
    except ImportError as error:
        raise DataError(
            f"{path.name} is a workbook; reading it needs python-calamine: pip install "
            "'sensor2llm[xlsx]'; or save the sheet as CSV"
        ) from error
    _check_size(path)
    try:
        with path.open("rb") as stream:
            book = CalamineWorkbook.from_filelike(stream)
            names = book.sheet_names
            name = layout.sheet or names[0]
            if name in names:
                return book.get_sheet_by_name(name)
    except Exception as error:
        # Broken workbooks make the reader raise whatever there is, panics among it.
        raise DataError(
            f"{path.name} cannot be read as a workbook: {one_line(error, 150)}"
        ) from error
    raise DataError(f"{path.name} has no sheet {name!r}; it has {listed(names)}")


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    most = max(SMALLEST_BUDGET, _MORE * EXPANSION * size)
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as stored:
                claimed = sum(info.file_size for info in stored.infolist())
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise DataError(f"{path.name} cannot be read as a workbook: {error}") from error
        if claimed > most:
            raise DataError(
                f"{path.name} claims to unpack to {claimed >> 20} MB; at most {most >> 20} MB are "
                "read from it: save the sheet as CSV"
            )


def _column(cells: Sequence[Any]) -> pa.ChunkedArray:
    """Give cells as numbers, as dates or durations, or as texts where there is anything else."""
    kinds = {type(cell) for cell in cells if cell is not None}
    array: pa.Array
    if kinds and kinds <= {int, float}:
        array = pa.array([np.nan if cell is None else float(cell) for cell in cells])
        array = pa.array(array.to_numpy(), from_pandas=True)
    elif kinds and kinds <= {datetime.datetime, datetime.date}:
        array = pa.array([None if cell is None else _moment(cell) for cell in cells])
    elif kinds == {datetime.timedelta}:
        array = pa.array(cells, pa.duration("us"))
    elif kinds == {datetime.time}:
        array = pa.array([None if cell is None else _since_midnight(cell) for cell in cells])
    else:
        array = pa.array([None if cell is None else _text(cell) for cell in cells], pa.string())
    return pa.chunked_array([array])


def _moment(date: datetime.date) -> datetime.datetime:
    if isinstance(date, datetime.datetime):
        return date
    return datetime.datetime.combine(date, datetime.time())


def _since_midnight(time: datetime.time) -> datetime.timedelta:
    return datetime.datetime.combine(datetime.date.min, time) - datetime.datetime.min


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
