"""Text as it is: raw lines from a file, standard input or a list."""

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from sensor2llm.errors import DataError
from tokenization_study.config import InputConfig
from tokenization_study.reading.cells import MINUS, Cells, find_cells
from tokenization_study.reading.hashes import HashedStream
from tokenization_study.reading.windows import (
    EXACT,
    Chunk,
    Part,
    Window,
    check_exact,
    choose_columns,
    cut_rows,
)

BLOCK_BYTES = 1 << 19
PACKED = {
    b"\x1f\x8b": ("compressed by gzip", "gunzip -k"),
    b"BZh": ("compressed by bzip2", "bunzip2 -k"),
    b"\xfd7zXZ": ("compressed by xz", "unxz -k"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unzstd"),
    b"PK\x03\x04": ("a zip archive (an Excel file is one, too)", "unzip"),
}
TEXT_CHARACTERS = 1 << 16
"""Texts handed to a tokenizer at once: a file below this length is one text."""


def check_head(head: bytes, name: str) -> None:
    """Raise DataError for a file whose first bytes tell that it is no plain text."""
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise DataError(f"{name} is UTF-16; convert it: iconv -f UTF-16 -t UTF-8")
    for magic, (what, program) in PACKED.items():
        if head.startswith(magic):
            raise DataError(f"{name} is {what}; unpack it first: {program} {name}")


def read_blocks(stream: BinaryIO | HashedStream, name: str) -> Iterator[str]:
    """Read a stream as UTF-8 in blocks of whole lines; DataError names a line that is none."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest, lines, is_first = "", 0, True
    while True:
        data = stream.read(BLOCK_BYTES)
        if is_first:
            check_head(data, name)
            data = data.removeprefix(codecs.BOM_UTF8)
        if (place := data.find(b"\0")) >= 0:
            line = lines + rest.count("\n") + data[:place].count(b"\n") + 1
            raise DataError(
                f"{name}: line {line} holds a NUL byte; it is no text, or is UTF-16: "
                "iconv -f UTF-16 -t UTF-8"
            )
        is_first = False
        try:
            block = rest + decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line = lines + rest.count("\n") + error.object[: error.start].count(b"\n") + 1
            byte = error.object[error.start]
            raise DataError(
                f"{name}: line {line} is not UTF-8 (byte 0x{byte:02X}); are encodings mixed? "
                "convert the file to UTF-8"
            ) from None
        end = block.rfind("\n") + 1 or (len(block) if len(block) > 4 * BLOCK_BYTES else 0)
        end = end if data else len(block)
        lines += block.count("\n", 0, end)
        if end:
            yield block[:end]
        rest = block[end:]
        if not data:
            return


def cut_texts(block: str) -> list[str]:
    """Cut a block at line ends into texts of bounded length."""
    texts, start = [], 0
    while start < len(block):
        stop = block.rfind("\n", start, start + TEXT_CHARACTERS) + 1
        stop = stop if stop > start else start + TEXT_CHARACTERS
        texts.append(block[start:stop])
        start = stop
    return texts


class LineReader:
    """Turn blocks of text into chunks: their texts, and the numbers of their lines as windows."""

    def __init__(self, config: InputConfig, notes: list[str], as_values: bool) -> None:
        self._config = config
        self._notes = notes
        self._as_values = as_values
        self.names: list[str] = []
        """Names of the columns that are read, once the first ones are."""
        self._columns: list[int] = []
        self._width = 0
        self._odd: Counter[str] = Counter()

    def chunks(self, blocks: Iterable[str]) -> Iterator[Chunk]:
        """Give a chunk a block; raises DataError where no number is found at all."""
        steps, has_number = 0, False
        held: list[Part] = []
        limit = self._config.max_windows
        for block in blocks:
            if limit is not None:
                block = _first_lines(block, limit * self._config.window_steps - steps)
            steps += block.count("\n")
            has_number = has_number or re.search(r"[0-9]", block) is not None
            windows = self._windows(block, held) if self._as_values else []
            yield Chunk(windows=windows, texts=cut_texts(block))
            if limit is not None and steps >= limit * self._config.window_steps:
                break
        if held:
            yield Chunk(windows=list(cut_rows(held, self._config.window_steps)))
        if not has_number:
            raise DataError("there is no number in the text")
        if self._odd["lines"]:
            self._notes.append(f"{self._odd['lines']} lines have another number of numbers")

    def _windows(self, block: str, held: list[Part]) -> list[Window]:
        rows = self._rows(block, find_cells(block))
        if rows.size:
            held.append(rows)
        windows = list(cut_rows(held, self._config.window_steps))
        held.clear()
        if windows and windows[-1][0].shape[1] < self._config.window_steps:
            held.append(windows.pop()[0])
        return windows

    def _rows(self, block: str, cells: Cells) -> Part:
        """Give the numbers of the lines that have the usual number of them: (column, line)."""
        ends = np.array([m.start() for m in re.finditer("\n", block)], dtype=np.int64)
        counts = np.bincount(np.searchsorted(ends, cells.starts), minlength=len(ends) + 1)
        filled = counts[counts > 0]
        if not filled.size:
            return np.empty((0, 0))
        self._width = self._width or int(np.bincount(filled).argmax())
        self._odd["lines"] += int((filled != self._width).sum())
        usual = np.repeat(counts == self._width, counts)
        spans = zip(cells.starts[usual].tolist(), cells.stops[usual].tolist(), strict=True)
        texts = [block[start:stop].replace(MINUS, "-") for start, stop in spans]
        values = np.array(texts, dtype=np.float64).reshape(-1, self._width).T
        infinite = np.argwhere(np.isinf(values))
        if infinite.size:
            raise DataError(
                f"{texts[int(infinite[0, 1]) * self._width + int(infinite[0, 0])][:40]!r} is too "
                "large for a number; audit the text as_written"
            )
        huge = self._huge(texts, values)
        if not self._columns:
            self._columns = self._chosen(values, huge)
            self.names += [f"number {i + 1} of a line" for i in self._columns]
        if wrong := [huge[i] for i in self._columns if i in huge]:
            raise DataError(wrong[0].replace("left out", "cannot be read"))
        return values[self._columns]

    def _huge(self, texts: list[str], values: Part) -> dict[int, str]:
        """Give the columns that hold integers which a float would round, each with its reason."""
        places = np.flatnonzero((np.abs(values) >= EXACT).any(axis=1)).tolist()
        columns = {i: [t for t in texts[i :: self._width] if t.lstrip("+-").isdigit()]
                   for i in places}  # fmt: skip
        reasons = {i: check_exact(str(i + 1), list(map(int, own))) for i, own in columns.items()}
        return {i: reason for i, reason in reasons.items() if reason}

    def _chosen(self, values: Part, huge: dict[int, str]) -> list[int]:
        if not self._config.columns:
            columns = [i for i in range(self._width) if i not in huge]
            self._notes += huge.values()
            names = [str(i + 1) for i in columns]
            return [columns[i] for i in choose_columns(values[columns], names, self._notes)]
        try:
            chosen = [int(column) - 1 for column in self._config.columns]
        except ValueError:
            raise DataError(
                f"columns of a text are numbers from 1, got {', '.join(self._config.columns)}"
            ) from None
        if min(chosen) < 0 or max(chosen) >= self._width:
            raise DataError(f"lines have {self._width} numbers; columns go from 1 to {self._width}")
        return chosen


def _first_lines(block: str, count: int) -> str:
    """Give so many lines of a block."""
    if block.count("\n") <= count:
        return block
    return "\n".join(block.split("\n", count)[:count]) + "\n"
