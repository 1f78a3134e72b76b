"""How a text file is written: what stands before its rows, between cells and in numbers.

Keys of a description (see `config`), all of them optional:

    delimiter: tab        # comma, semicolon, tab, space, pipe, or the character itself
    decimal: ","          # of numbers such as 0,25
    encoding: latin-1     # where it is not UTF-8; UTF-16 with its mark is recognised
    skip_rows: 10         # lines before the header
    comment: "#"          # lines that begin with it are left out
    units_row: true       # the line below the header holds units
    names: [t, x, y, z]   # of a file without a header
    header: false         # the same, its columns being called 1, 2, 3, ...
    missing: [-999]       # what stands for a missing value
    sheet: Walk           # of a workbook, where it is not the first
    axes: [window, step, channel]   # of arrays, where it is not [window, channel, step]

A file that is compressed with gzip is read as if it were not.
"""

import codecs
import csv
import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sensor2llm.errors import DataError

AXES = ("window", "channel", "step")
WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "pipe": "|", "\\t": "\t"}
# Cells that are empty in every file.
EMPTY = ("", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "-nan", "null", "NULL", "None")
# Of how a codec calls itself: those that people's files are in, none that runs for long.
_ENCODINGS = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859", "cp", "gb", "big5", "shift_jis",
              "euc", "koi8", "mac")  # fmt: skip
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_KINDS = {
    b"PK\x03\x04": "a zip archive, such as an Excel workbook; save the sheet as CSV",
    b"MATLAB": "a MATLAB file; write its arrays with numpy.savez, or as CSV",
    b"\x89HDF": "an HDF5 or MATLAB 7.3 file; write its arrays with numpy.savez, or as CSV",
    b"PAR1": "Parquet; name it .parquet",
    b"\x93NUMPY": "a single array; write numpy.savez(..., NAME=array) and name it .npz",
    b"BZh": "compressed with bzip2; unpack it",
    b"\xfd7zXZ": "compressed with xz; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it",
}
_HEADER_BYTES, _MOST_COLUMNS, _LOOKED_AT = 1 << 20, 10_000, 100
# What little a compressed file may unpack to at least, and how many times its size it may.
SMALLEST_BUDGET, EXPANSION = 1 << 26, 20


@dataclass(frozen=True, kw_only=True)
class TableLayout:
    """Say how a text file is written; see this module for the keys of a description."""

    delimiter: str = ","
    decimal: str = "."
    encoding: str | None = None
    skip_rows: int = 0
    comment: str = ""
    units_row: bool = False
    names: tuple[str, ...] = ()
    header: bool = True
    missing: tuple[str | float, ...] | None = None
    """Texts and numbers that stand for a missing value; `None` where nothing was said."""
    sheet: str = ""
    axes: tuple[str, ...] = ()

    @property
    def marks(self) -> tuple[str, ...]:
        """Give the texts that mark a missing value."""
        return tuple(text for text in self.missing or () if isinstance(text, str))


DEFAULT_LAYOUT = TableLayout()


@dataclass(frozen=True)
class TextFile:
    """Hold the names of a text file's columns, and its rows as UTF-8."""

    names: tuple[str, ...]
    rows: pa.Buffer
    head: tuple[str, ...]
    """Its first lines, for messages."""


def is_encoding(name: str) -> bool:
    """Say whether files in this encoding can be read."""
    try:
        return codecs.lookup(name).name.startswith(_ENCODINGS)
    except (LookupError, ValueError):
        return False


def open_text(path: Path, layout: TableLayout) -> TextFile:
    """Unpack and decode a file, and find its header."""
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; leave it out or record it again")
    content = _content(path, layout)
    start = bytes(memoryview(content)[:_HEADER_BYTES])
    lines = start.splitlines(keepends=True)
    header = next((i for i, line in enumerate(lines) if i >= layout.skip_rows and line.strip()), -1)
    if content.size > _HEADER_BYTES and header in (-1, len(lines) - 1):
        raise DataError(f"{path.name}: its header is longer than a megabyte; is it a table?")
    if header < 0:
        raise DataError(f"{path.name} has no line below the first {layout.skip_rows} (skip_rows)")
    names = layout.names or _cells(lines[header], layout, path)
    titled = layout.header and not layout.names
    if not layout.header and not layout.names:
        names = tuple(str(number + 1) for number in range(len(names)))
    first = header + titled + layout.units_row
    head = tuple(line.decode("utf-8", "replace").rstrip() for line in lines[:_LOOKED_AT])
    return TextFile(names, content.slice(sum(map(len, lines[:first]))), head)


def _cells(line: bytes, layout: TableLayout, path: Path) -> tuple[str, ...]:
    text = line.decode("utf-8", "replace").strip("\r\n")
    try:
        cells = next(csv.reader([text], delimiter=layout.delimiter, skipinitialspace=True), [])
    except csv.Error as error:
        raise DataError(f"{path.name}: its header cannot be read: {error}") from error
    if len(cells) > _MOST_COLUMNS:
        raise DataError(f"{path.name} has {len(cells)} columns; at most {_MOST_COLUMNS} are read")
    return tuple(cell.strip() for cell in cells)


def _content(path: Path, layout: TableLayout) -> pa.Buffer:
    with path.open("rb") as stream:
        start = stream.read(4096)
    if start.startswith(b"\x1f\x8b"):
        content = pa.py_buffer(_unpacked(path))
        start = bytes(memoryview(content)[:4096])
    else:
        with pa.memory_map(str(path)) as stream:
            content = stream.read_buffer()
    encoding = layout.encoding or ("utf-16" if start.startswith(_UTF16) else "utf-8")
    _check_kind(path, start, encoding)
    if codecs.lookup(encoding).name != "utf-8":
        try:
            content = pa.py_buffer(content.to_pybytes().decode(encoding).encode())
        except (UnicodeDecodeError, UnicodeEncodeError) as error:
            raise DataError(f"{path.name} is not in the encoding {encoding}: {error}") from error
    if bytes(memoryview(content)[:3]) == codecs.BOM_UTF8:
        content = content.slice(3)
    return _without_comments(content, layout.comment) if layout.comment else content


def _check_kind(path: Path, start: bytes, encoding: str) -> None:
    """Refuse what is no text by its first bytes, and say what it is."""
    for mark, kind in _KINDS.items():
        if start.startswith(mark):
            raise DataError(f"{path.name} is {kind}; CSV, Parquet and .npz are read")
    if b"\0" in start and codecs.lookup(encoding).name == "utf-8":
        if not any(start[1:200:2]) or not any(start[:200:2]):
            raise DataError(f"{path.name} looks like UTF-16; write encoding: utf-16-le (or -be)")
        raise DataError(f"{path.name} holds bytes that are no text; CSV, Parquet and .npz are read")


def _unpacked(path: Path) -> bytes:
    most = max(SMALLEST_BUDGET, EXPANSION * path.stat().st_size)
    try:
        with gzip.open(path) as stream:
            content = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be unpacked, is it truncated? {error}") from error
    if len(content) > most:
        raise DataError(
            f"{path.name} unpacks to more than {EXPANSION} times its size ({most >> 20} MB); "
            "unpack it yourself if that is right"
        )
    return content


def _without_comments(content: pa.Buffer, mark: str) -> pa.Buffer:
    lines = content.to_pybytes().splitlines(keepends=True)
    sign = mark.encode()
    return pa.py_buffer(b"".join(line for line in lines if not line.lstrip().startswith(sign)))
