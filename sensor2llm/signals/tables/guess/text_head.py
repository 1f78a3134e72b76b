"""How a text file is written, guessed from its first lines: delimiter, decimal mark, header, units.

The rows of numbers are what is sure; what stands above them is a header, units, or to be skipped.
"""

import csv
import gzip
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.layout import EMPTY

_SAMPLE_BYTES = 1 << 19
_DELIMITERS = {";": "semicolon", "\t": "tab", "|": "pipe", ",": "comma", " ": "space"}
# Rows at the end of the sample, which are rows for sure.
_LAST = 200
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_COMMA = re.compile(r"[-+]?\d+,\d+")
_POINT = re.compile(r"[-+]?\d*\.\d+")
_UNIT = re.compile(r"[\[(]?[A-Za-zµ°%/^*²\d().\- ]{0,12}[\])]?")


@dataclass(frozen=True)
class TableSample:
    """Hold the first rows of a file as texts, and the keys that say how it is written."""

    path: Path
    names: tuple[str, ...]
    columns: dict[str, list[str]]
    layout: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    """What the row of units says of each column."""
    head: str = ""
    """What stands above the rows."""

    def rows(self, keep: Sequence[bool]) -> "TableSample":
        """Give some of the rows."""
        columns = {name: list(compress(cells, keep)) for name, cells in self.columns.items()}
        return replace(self, columns=columns)


def read_text_head(path: Path, place: Path) -> TableSample:
    """Read the first rows of a text file.

    Raises:
        DataError: for a file without rows, or one that is no text.
    """
    text, layout = _decoded(path, place)
    lines = text.splitlines()
    mark = next((m for m in "#%" if lines and lines[0].lstrip().startswith(m)), "")
    if mark:
        layout["comment"] = mark
        lines = [line for line in lines if not line.lstrip().startswith(mark)]
    delimiter = _delimiter(lines)
    if delimiter == " ":
        lines = list(map(_single_blanks, lines))
    if delimiter != ",":
        layout["delimiter"] = _DELIMITERS[delimiter]
    rows = [next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
            for line in lines]  # fmt: skip
    rows = [[cell.strip() for cell in row] for row in rows]
    if delimiter != "," and _decimal_comma(rows):
        layout["decimal"] = ","
    return _with_header(path, rows, lines, layout)


def _decoded(path: Path, place: Path) -> tuple[str, dict[str, Any]]:
    with place.open("rb") as stream:
        start = stream.read(_SAMPLE_BYTES)
    if start.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(place) as stream:
                start = stream.read(_SAMPLE_BYTES)
        except (OSError, EOFError) as error:
            raise DataError(f"{path.name} cannot be unpacked, is it truncated? {error}") from error
    whole = len(start) < _SAMPLE_BYTES
    if start.startswith(_UTF16):
        return _whole_lines(start.decode("utf-16", "ignore"), whole), {}
    if b"\0" in start[:4096]:
        raise DataError(f"{path.name} holds bytes that are no text")
    try:
        text = start[: None if whole else start.rfind(b"\n") + 1].decode("utf-8-sig")
        return text, {}
    except UnicodeDecodeError:
        return _whole_lines(start.decode("cp1252", "replace"), whole), {"encoding": "cp1252"}


def _whole_lines(text: str, whole: bool) -> str:
    return text if whole else text[: text.rfind("\n") + 1]


def _delimiter(lines: list[str]) -> str:
    """Give the mark that cuts the last lines into the same number of cells, rarer marks first."""
    last = [line for line in lines[-_LAST:] if line.strip()]
    for mark in _DELIMITERS:
        cut = map(_single_blanks, last) if mark == " " else last
        counts = Counter(len(next(csv.reader([line], delimiter=mark), [])) for line in cut)
        cells, share = counts.most_common(1)[0] if counts else (1, 0)
        if cells > 1 and share >= 0.9 * len(last):
            return mark
    return ","


def _single_blanks(line: str) -> str:
    """Write a line whose columns are aligned by several blanks with one."""
    return re.sub(" +", " ", line.strip(" "))


def _decimal_comma(rows: list[list[str]]) -> bool:
    cells = [cell for row in rows[-50:] for cell in row]
    return any(map(_COMMA.fullmatch, cells)) and not any(map(_POINT.fullmatch, cells))


def as_number(cell: str, comma: bool = False) -> float:
    """Give a cell as a number, NaN where it is empty.

    Raises:
        ValueError: for anything else.
    """
    if cell in EMPTY:
        return float("nan")
    return float(cell.replace(",", ".") if comma else cell)


def numbers_of(cells: Sequence[str], comma: bool) -> tuple[np.ndarray, list[str]]:
    """Give cells as numbers, NaN where one is none, and the different cells that are none."""
    values, others = np.full(len(cells), np.nan), dict[str, None]()
    for i, cell in enumerate(cells):
        try:
            values[i] = as_number(cell, comma)
        except ValueError:
            others[cell] = None
    return values, list(others)


def _is_number(cell: str, comma: bool) -> bool:
    try:
        as_number(cell, comma)
    except ValueError:
        return False
    return True


def _with_header(
    path: Path, rows: list[list[str]], lines: list[str], layout: dict[str, Any]
) -> TableSample:
    comma = layout.get("decimal") == ","
    width, first, numeric = _first_measured(path, rows, comma)
    above = [i for i in range(first) if any(rows[i])]
    titles = [i for i in above if _is_title(rows[i], width)]
    units: dict[str, str] = {}
    if len(titles) > 1 and all(map(_UNIT.fullmatch, rows[titles[-1]])) and titles[-1] == above[-1]:
        layout["units_row"] = True
        unit_cells = rows[titles.pop()]
        units = dict(zip(rows[titles[-1]], unit_cells, strict=False))
    if titles and titles[-1] >= first - 2:
        # A delimiter at the end of rows, or a column of numbers that pandas writes, has no name.
        names, skip = tuple(rows[titles[-1]]), titles[-1]
        names += ("",) * (width - len(names))
    else:
        names, skip = tuple(str(i + 1) for i in range(width)), first if above else 0
        layout["header"] = False
    if len({*names} - {""}) < len([name for name in names if name]):
        # Names that are there twice are told apart by their place.
        names = tuple(n if names.index(n) == i else f"{n}_{i + 1}" for i, n in enumerate(names))
        layout["names"], skip = list(names), skip + 1
    if skip:
        layout["skip_rows"] = skip
    data = [row for row in rows[first:] if len(row) == width and _measured(row, numeric, comma)]
    if not data:
        raise DataError(f"{path.name} has a header and no rows; leave it out")
    columns = {name: [row[i] for row in data] for i, name in enumerate(names) if name}
    return TableSample(path, tuple(columns), columns, layout, units, "\n".join(lines[:first]))


def _is_title(row: list[str], width: int) -> bool:
    """Say whether cells are names: all but one at an end, which delimiters there leave empty."""
    named = [i for i, cell in enumerate(row) if cell]
    return (
        len(named) >= min(2, width)
        and len(row) in (width - 1, width)
        and (len(named) >= width - 1 and named[-1] - named[0] == len(named) - 1)
    )


def _measured(row: list[str], numeric: list[int], comma: bool) -> bool:
    """Say whether a row holds numbers: no header again, no remark, no sum below the rows."""
    cells = [row[i] for i in numeric if row[i]]
    return 2 * sum(_is_number(cell, comma) for cell in cells) >= len(cells)


def _first_measured(path: Path, rows: list[list[str]], comma: bool) -> tuple[int, int, list[int]]:
    """Give how many cells a row has, the first row of numbers, and which columns are such."""
    filled = [row for row in rows if any(row)][-_LAST:]
    if not filled:
        raise DataError(f"{path.name} has no rows; leave it out")
    width = Counter(map(len, filled)).most_common(1)[0][0]
    last = [row for row in filled if len(row) == width]
    half = len(last) // 2
    numeric = [i for i in range(width) if sum(_is_number(row[i], comma) for row in last) > half]
    for number, row in enumerate(rows if numeric else ()):
        there = len(row) == width and any(row[i] for i in numeric)
        if there and all(_is_number(row[i], comma) for i in numeric):
            return width, number, numeric
    return width, 0 if numeric else 1, numeric
