"""Rows that are put aside on the disk, to be read back in another order."""

from collections.abc import Hashable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import BinaryIO

import numpy as np

from sensor2llm.signals.tables.rows.rows import TableRows

# Values that are held in memory before any are written.
_HELD_VALUES = 1 << 21


class RowSpill:
    """Hold rows by key, on the disk where they are many; a context, which takes them away."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._held: dict[Hashable, list[TableRows]] = {}
        self._written: dict[Hashable, list[TableRows]] = {}
        self._size = 0

    def __enter__(self) -> "RowSpill":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def keys(self) -> list[Hashable]:
        """Give the keys in order of appearance."""
        return list(self._held)

    @property
    def where(self) -> str:
        """Say where rows are."""
        return "memory" if self._folder is None else self._folder.name

    def add(self, key: Hashable, rows: TableRows) -> None:
        """Put rows behind those of the same key."""
        self._held.setdefault(key, []).append(rows)
        self._size += len(rows.times_s) * (2 + sum(map(len, rows.values.values())))
        if self._size > _HELD_VALUES:
            self._write()

    def rows(self, key: Hashable) -> Iterator[TableRows]:
        """Give the rows of a key, chunk by chunk, once."""
        if key in self._written:
            with self._file(key).open("rb") as stream:
                for rows in self._written[key]:
                    yield _read(stream, rows)
        yield from self._held[key]

    def _write(self) -> None:
        self._folder = self._folder or TemporaryDirectory(prefix="sensor2llm-")
        for key, parts in self._held.items():
            if parts:
                with self._file(key).open("ab") as stream:
                    self._written.setdefault(key, []).extend(_write(stream, p) for p in parts)
            self._held[key] = []
        self._size = 0

    def _file(self, key: Hashable) -> Path:
        assert self._folder is not None, "rows were written"
        return Path(self._folder.name) / str(list(self._held).index(key))


def _write(stream: BinaryIO, rows: TableRows) -> TableRows:
    """Write rows, and give what stays in memory of them: no row."""
    for array in (rows.times_s, rows.labels, rows.subjects, *rows.values.values()):
        np.save(stream, array)
    return replace(rows.part(slice(0, 0)), first_row=rows.first_row)


def _read(stream: BinaryIO, rows: TableRows) -> TableRows:
    times, labels, subjects, *values = (np.load(stream) for _ in range(3 + len(rows.values)))
    return replace(
        rows,
        times_s=times,
        labels=labels,
        subjects=subjects,
        values=dict(zip(rows.values, values, strict=True)),
    )
