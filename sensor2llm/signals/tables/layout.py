"""How a text file is written: what stands before its rows, between cells and in numbers.

Keys of a description (see `config`), all of them optional:

    delimiter: tab        # comma, semicolon, tab, space (one or several), pipe, or the character
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
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from sensor2llm.errors import DataError

AXES = ("window", "channel", "step")
WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "pipe": "|", "\\t": "\t"}
# Cells that are empty in every file.
EMPTY = ("", "NA", "N/A", "n/a", "#NA", "#N/A", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN", "null",
         "NULL", "Null", "None", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND")  # fmt: skip
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
_HEADER_BYTES, _MOST_COLUMNS, _LOOKED_AT, _PIECE_BYTES = 1 << 20, 10_000, 100, 1 << 21
_LONGEST_LINE = 1 << 26
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
    """Hold the names of a text file's columns, and where its rows begin."""

    path: Path
    layout: TableLayout
    names: tuple[str, ...]
    head: tuple[str, ...]
    """Its first lines, for messages."""
    skipped: int
    """Bytes before the rows, in UTF-8."""

    def blocks(self, size: int) -> Iterator[memoryview]:
        """Give the rows as UTF-8, about `size` bytes at a time; a block ends with a line."""
        skip, parts, length = self.skipped, list[bytes | memoryview](), 0
        for piece in _content(self.path, self.layout):
            parts.append(memoryview(piece)[skip:])
            skip, length = max(0, skip - len(piece)), length + len(parts[-1])
            if length >= size:
                block = b"".join(parts)
                # A longer line is read as none: it is refused where it is parsed.
                end = _last_line(block) or len(block) * (len(block) > _LONGEST_LINE)
                if end:
                    yield memoryview(block)[:end]
                parts, length = [block[end:]], len(block) - end
        if length:
            yield memoryview(b"".join(parts))


def _last_line(block: bytes) -> int:
    """Give where the last whole line of a block ends, 0 where none does."""
    # Lines that end with a lone carriage return: the last byte may be the first of two.
    return block.rfind(b"\n") + 1 or block.rfind(b"\r", 0, len(block) - 1) + 1


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
    start = b""
    for piece in _content(path, layout):
        start += piece
        if len(start) > _HEADER_BYTES:
            break
    longer, start = len(start) > _HEADER_BYTES, start[:_HEADER_BYTES]
    lines = start.splitlines(keepends=True)
    header = next((i for i, line in enumerate(lines) if i >= layout.skip_rows and line.strip()), -1)
    if longer and header in (-1, len(lines) - 1):
        raise DataError(f"{path.name}: its header is longer than a megabyte; is it a table?")
    if header < 0:
        raise DataError(f"{path.name} has no line below the first {layout.skip_rows} (skip_rows)")
    names = layout.names or _cells(lines[header], layout, path)
    titled = layout.header and not layout.names
    if not layout.header and not layout.names:
        names = tuple(str(number + 1) for number in range(len(names)))
    first = header + titled + layout.units_row
    below = next((line for line in lines[first:] if line.strip()), b"")
    if len(cells := _cells(below, layout, path)) == len(names) + 1 and not cells[-1]:
        # Each row ends with a delimiter, but for the header.
        names += ("",)
    head = tuple(line.decode("utf-8", "replace").rstrip() for line in lines[:_LOOKED_AT])
    return TextFile(path, layout, names, head, sum(map(len, lines[:first])))


def _cells(line: bytes, layout: TableLayout, path: Path) -> tuple[str, ...]:
    text = line.decode("utf-8", "replace").strip("\r\n")
    try:
        cells = next(csv.reader([text], delimiter=layout.delimiter, skipinitialspace=True), [])
    except csv.Error as error:
        raise DataError(f"{path.name}: its header cannot be read: {error}") from error
    if len(cells) > _MOST_COLUMNS:
        raise DataError(f"{path.name} has {len(cells)} columns; at most {_MOST_COLUMNS} are read")
    return tuple(cell.strip() for cell in cells)


def _content(path: Path, layout: TableLayout) -> Iterator[bytes]:
    """Give a file as UTF-8, piece by piece: unpacked, decoded, without comments."""
    pieces = _pieces(path)
    first = next(pieces, b"")
    encoding = layout.encoding or ("utf-16" if first.startswith(_UTF16) else "utf-8")
    _check_kind(path, first[:4096], encoding)
    pieces = chain([first], pieces)
    if codecs.lookup(encoding).name != "utf-8":
        pieces = _decoded(path, pieces, encoding)
        first = next(pieces, b"")
        pieces = chain([first], pieces)
    if first.startswith(codecs.BOM_UTF8):
        pieces = chain([next(pieces)[3:]], pieces)
    if layout.comment:
        pieces = _by_lines(pieces, partial(_uncommented, mark=layout.comment.encode()))
    return _by_lines(pieces, _single_blanks) if layout.delimiter == " " else pieces


def _pieces(path: Path) -> Iterator[bytes]:
    """Read a file piece by piece, unpacking it where it is packed."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    most = max(SMALLEST_BUDGET, EXPANSION * path.stat().st_size)
    size = 0
    try:
        with gzip.open(path) if packed else path.open("rb", buffering=0) as stream:
            while piece := stream.read(_PIECE_BYTES):
                size += len(piece)
                if packed and size > most:
                    raise DataError(
                        f"{path.name} unpacks to more than {EXPANSION} times its size "
                        f"({most >> 20} MB); unpack it yourself if that is right"
                    )
                yield piece
    except (OSError, EOFError, zlib.error) as error:
        if not packed:
            raise
        raise DataError(f"{path.name} cannot be unpacked, is it truncated? {error}") from error


def _decoded(path: Path, pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode()
        yield decoder.decode(b"", final=True).encode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise DataError(f"{path.name} is not in the encoding {encoding}: {error}") from error


def _check_kind(path: Path, start: bytes, encoding: str) -> None:
    """Refuse what is no text by its first bytes, and say what it is."""
    for mark, kind in _KINDS.items():
        if start.startswith(mark):
            raise DataError(f"{path.name} is {kind}; CSV, Parquet and .npz are read")
    if b"\0" in start and codecs.lookup(encoding).name == "utf-8":
        if not any(start[1:200:2]) or not any(start[:200:2]):
            raise DataError(f"{path.name} looks like UTF-16; write encoding: utf-16-le (or -be)")
        raise DataError(f"{path.name} holds bytes that are no text; CSV, Parquet and .npz are read")


def _by_lines(pieces: Iterator[bytes], change: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """Change pieces of whole lines."""
    rest = b""
    for piece in pieces:
        rest += piece
        end = _last_line(rest)
        yield change(rest[:end])
        rest = rest[end:]
    yield change(rest)


def _single_blanks(block: bytes) -> bytes:
    """Leave one blank between cells, where columns are aligned by several."""
    return re.sub(rb"(?m)^ +| +(?=[\r\n]|\Z)", b"", re.sub(rb" {2,}", b" ", block))


def _uncommented(block: bytes, mark: bytes) -> bytes:
    lines = block.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.lstrip().startswith(mark))
