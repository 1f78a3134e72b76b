"""The columns of a text file: numbers are read as such, and as texts where a cell is none.

The typed way is an order of magnitude quicker and smaller; the texts let a message name the cell.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.fields import shown
from sensor2llm.signals.tables.layout import EMPTY, TableLayout, TextFile, open_text

logger = logging.getLogger(__name__)
_LONGEST_CELL = 1000


WORDS = pa.dictionary(pa.int32(), pa.string())
"""The type of a column of labels or people."""


def read_text(
    path: Path,
    wanted: Sequence[str],
    layout: TableLayout,
    kinds: Mapping[str, pa.DataType | None],
    block_bytes: int,
) -> Iterator[pa.Table]:
    """Read the named columns, some bytes at a time.

    They are numbers, or what `kinds` says; `None` is a clock of whole numbers. Where a block has
    anything else, all of its columns are texts.
    """
    text = open_text(path, layout)
    check_names(path, wanted, text.names, lambda name: _hint(name, text, layout))
    first_row = 0
    for i, block in enumerate(text.blocks(block_bytes)):
        blank = bytes(block[:_LONGEST_CELL]).isspace() and bytes(block).isspace()
        # In a table of one column, an empty line is an empty cell.
        if blank and (len(text.names) > 1 or (not i and len(block) < _LONGEST_CELL)):
            continue
        table = _read_block(block, text, wanted, layout, kinds, first_row)
        first_row += len(table)
        yield table


def _read_block(
    block: memoryview,
    text: TextFile,
    wanted: Sequence[str],
    layout: TableLayout,
    kinds: Mapping[str, pa.DataType | None],
    first_row: int,
) -> pa.Table:
    types = {name: kinds.get(name, pa.float64()) for name in wanted}
    lines = _OddLines(block)
    try:
        try:
            typed = _read(block, text, wanted, layout, types, lines)
        except pa.ArrowInvalid:
            typed = None
        clocks = [typed[n].type for n in wanted if kinds.get(n, 0) is None] if typed else []
        if not (typed and all(map(_is_numeric, clocks))):
            typed = _read(block, text, wanted, layout, dict.fromkeys(wanted, pa.string()), lines)
    except pa.ArrowInvalid as error:
        raise (lines.error(text.path, first_row) or error) from error
    typed = _without_headers(typed, text.path)
    if lines.cut is not None:
        logger.warning(
            "%s: its last line is cut short and left out: %s", text.path.name, shown(lines.cut)
        )
    return typed


def _without_headers(table: pa.Table, path: Path) -> pa.Table:
    """Leave out lines that are the header again, as in files that were put together."""
    if not all(pa.types.is_string(kind) for kind in table.schema.types):
        return table
    again = None
    for name in table.column_names:
        same = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(table[name]), name), False)
        again = same if again is None else pc.and_(again, same)
    if again is None or not (count := pc.sum(again).as_py()):
        return table
    logger.warning("%s: %d lines are the header again, and left out", path.name, count)
    return table.filter(pc.invert(again))


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_text(block: memoryview) -> bool:
    try:
        str(block, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _OddLines:
    """Say what becomes of a line with more or fewer cells than there are columns."""

    def __init__(self, block: memoryview) -> None:
        # Where a recorder stopped, the last line of a file is not whole, or zeros follow.
        last = bytes(block[-_LONGEST_CELL:]).decode("utf-8", "replace")
        self._cut = re.split("[\r\n]", last)[-1]
        self._odd: csv.InvalidRow | None = None
        self.cut: str | None = None

    def __call__(self, row: csv.InvalidRow) -> str:
        """Leave out a last line that is cut short; any other is an error."""
        short = row.actual_columns < row.expected_columns
        if short and self._cut and row.text[-_LONGEST_CELL:] == self._cut:
            self.cut = row.text.strip("\0")
            return "skip"
        self._odd = row
        return "error"

    def error(self, path: Path, first_row: int) -> DataError | None:
        """Name the line that is an error, if there is one."""
        if (row := self._odd) is None:
            return None
        text = row.text.strip()
        hint = "mend the line"
        if text[:1] in ("#", "%", ";", "/"):
            hint = f"if such lines are remarks, write comment: {text[0]!r}"
        return DataError(
            f"{path.name}: row {first_row + (row.number or 0)} has {row.actual_columns} cells and "
            f"there are {row.expected_columns} columns: {shown(text)}; {hint}"
        )


def _read(
    block: memoryview,
    text: TextFile,
    wanted: Sequence[str],
    layout: TableLayout,
    kinds: Mapping[str, pa.DataType | None],
    lines: _OddLines,
) -> pa.Table:
    # By number: names may be there twice, or be empty.
    places = {name: str(place) for place, name in enumerate(text.names)}
    numbers = [places[name] for name in wanted]
    types = {number: kinds[name] for number, name in zip(numbers, wanted, strict=True)}
    table = csv.read_csv(
        pa.BufferReader(block),
        csv.ReadOptions(use_threads=False, column_names=list(map(str, range(len(text.names))))),
        csv.ParseOptions(
            delimiter=layout.delimiter,
            ignore_empty_lines=len(text.names) > 1,
            # pyarrow decodes a line before it is shown, and prints what it cannot decode.
            invalid_row_handler=lines if _is_text(block) else None,
        ),
        csv.ConvertOptions(
            include_columns=numbers,
            column_types={number: kind for number, kind in types.items() if kind is not None},
            # Numbers that mark a missing value are counted, so they are read as numbers.
            null_values=[*EMPTY, *(mark for mark in layout.marks if not is_number(mark))],
            strings_can_be_null=True,
            decimal_point=layout.decimal,
        ),
    )
    return table.rename_columns(list(wanted))


def check_names(
    path: Path,
    wanted: Sequence[str],
    names: Sequence[str],
    hint: Callable[[str], str] = lambda name: "",
) -> None:
    """Refuse a name that no column has, with a hint, or several."""
    counts = Counter(names)
    for name in wanted:
        if not counts[name]:
            raise DataError(
                f"{path.name}: no column {shown(name)}; it has {listed(names)}{hint(name)}"
            )
        if counts[name] > 1:
            by_names = " (or by names: [...] in the description)" * (path.suffix != ".parquet")
            raise DataError(
                f"{path.name}: {counts[name]} columns are called {shown(name)}; give each its own "
                f"name in the file{by_names}"
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


def unreadable(path: Path, error: Exception) -> DataError:
    """Say why a text file cannot be read, naming the first line that is not in its encoding."""
    if not isinstance(error, OSError) and (place := _not_utf8(path)):
        return DataError(
            f"{path.name}: line {place[0]} is not UTF-8 (byte 0x{place[1]:02X}); are encodings "
            "mixed? convert the file to UTF-8, or write encoding: latin-1 (or what it is in)"
        )
    why = " ".join(str(error).split())[:150]
    return DataError(f"{path.name} cannot be read as CSV, is it truncated? {why}")


def _not_utf8(path: Path) -> tuple[int, int] | None:
    """Give the first line that is no UTF-8, counted from 1, and its first wrong byte."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return None
