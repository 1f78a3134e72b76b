"""The columns of a text file: numbers are read as such, and as texts where a cell is none.

The typed way is an order of magnitude quicker and smaller; the texts let a message name the cell.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.fields import shown
from sensor2llm.signals.tables.layout import EMPTY, TableLayout, TextFile, open_text

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
    for name in wanted:
        check_name(path, name, text.names, _hint(name, text, layout))
    for i, block in enumerate(text.blocks(block_bytes)):
        blank = bytes(block[:_LONGEST_CELL]).isspace() and bytes(block).isspace()
        # In a table of one column, an empty line is an empty cell.
        if blank and (len(text.names) > 1 or (not i and len(block) < _LONGEST_CELL)):
            continue
        yield _read_block(block, text, wanted, layout, kinds)


def _read_block(
    block: memoryview,
    text: TextFile,
    wanted: Sequence[str],
    layout: TableLayout,
    kinds: Mapping[str, pa.DataType | None],
) -> pa.Table:
    types = {name: kinds.get(name, pa.float64()) for name in wanted}
    try:
        typed = _read(block, text, wanted, layout, types)
    except pa.ArrowInvalid:
        typed = None
    clocks = [typed[name].type for name in wanted if kinds.get(name, 0) is None] if typed else []
    if typed and all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in clocks):
        return typed
    return _read(block, text, wanted, layout, dict.fromkeys(wanted, pa.string()))


def _read(
    block: memoryview,
    text: TextFile,
    wanted: Sequence[str],
    layout: TableLayout,
    kinds: Mapping[str, pa.DataType | None],
) -> pa.Table:
    # By number: names may be there twice, or be empty.
    numbers = [str(text.names.index(name)) for name in wanted]
    types = {number: kinds[name] for number, name in zip(numbers, wanted, strict=True)}
    table = csv.read_csv(
        pa.BufferReader(block),
        csv.ReadOptions(use_threads=False, column_names=list(map(str, range(len(text.names))))),
        csv.ParseOptions(delimiter=layout.delimiter, ignore_empty_lines=len(text.names) > 1),
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


def check_name(path: Path, name: str, names: Sequence[str], hint: str = "") -> None:
    """Refuse a name that no column has, or several."""
    times = Counter(names)[name]
    if not times:
        raise DataError(f"{path.name}: no column {shown(name)}; it has {listed(names)}{hint}")
    if times > 1:
        by_names = " (or by names: [...] in the description)" * (path.suffix != ".parquet")
        raise DataError(
            f"{path.name}: {times} columns are called {shown(name)}; give each its own name in the "
            f"file{by_names}"
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
