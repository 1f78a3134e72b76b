"""Read text tables of numbers: with a header or without, `.gz` too, piece by piece."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32
from pyarrow import csv

from sensor2llm.errors import DataError

# A row with a time of its own takes about a byte of a compressed file.
MAX_ROWS_A_BYTE, ROWS_AT_LEAST = 2, 1_000_000
BLOCK_BYTES = 1 << 20  # pyarrow reads some 32 blocks ahead: this bounds the memory


def read_batches(
    path: Path,
    types: Mapping[str, pa.DataType],
    names: Sequence[str] | None = None,
    delimiter: str = ",",
    text: bytes | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read some columns of a table in pieces, `.gz` too; memory holds a piece at a time.

    Args:
        path: The file.
        types: The columns that are wanted, and what they hold.
        names: The names of all columns where the file has no header.
        delimiter: What stands between two cells.
        text: What to read in place of the file's own text.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; unpack the whole archive again")
    if names is None:
        _refuse_repeated(path, types, delimiter)
    try:
        reader = csv.open_csv(
            str(path) if text is None else io.BytesIO(text),
            csv.ReadOptions(
                column_names=list(names) if names else None,
                block_size=BLOCK_BYTES,
                use_threads=False,  # with threads, faults come without their row
            ),
            csv.ParseOptions(delimiter=delimiter),
            csv.ConvertOptions(column_types=dict(types), include_columns=list(types)),
        )
        rows, most = 0, MAX_ROWS_A_BYTE * path.stat().st_size + ROWS_AT_LEAST
        for batch in reader:
            rows += len(batch)
            if rows > most:
                raise DataError(
                    f"{path.name} is compressed so that a byte gives over {MAX_ROWS_A_BYTE} rows, "
                    "which no measurement does; download it again"
                )
            _refuse_empty(batch, path)
            yield batch
    except (pa.ArrowException, OSError) as error:
        listed = ", ".join(types)
        listed = listed if len(listed) <= 80 else f"{listed[:79]}…"
        wanted = f"{len(names)} columns" if names else f"columns {listed}"
        raise DataError(
            f"{path.name}: {_fault(error)}; expected {wanted}; unpack the archive again"
        ) from error


def _fault(error: Exception) -> str:
    """Give an error's first line; pyarrow counts rows from 1, and columns from 0."""
    fault = str(error).strip('"').splitlines()[0][:120]
    return re.sub(r"In CSV column #(\d+)", lambda m: f"column {int(m[1]) + 1}", fault)


def read_numbers(path: Path, names: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
    """Read some columns of a table without header whose cells are apart by spaces or tabs."""
    if not path.is_file():
        raise DataError(f"{path} is missing; unpack the whole archive again")
    with path.open("rb") as file:
        delimiter = "\t" if b"\t" in file.readline() else " "
    try:
        return pa.Table.from_batches(read_batches(path, types, names, delimiter))
    except DataError:
        # One blank a cell is read as it is; a copy with other blanks is brought to that first.
        text = path.read_bytes().replace(b"\t", b" ").replace(b"\r\n", b"\n")
        while b"  " in text:
            text = text.replace(b"  ", b" ")
        text = text.replace(b" \n", b"\n").replace(b"\n ", b"\n").strip()
        return pa.Table.from_batches(read_batches(path, types, names, " ", text))


def read_cells(path: Path, text: bytes, names: Sequence[str], trim: str) -> tuple[pa.Table, int]:
    """Read all cells of a table without header as text, and count the lines of other widths."""
    ragged = 0

    def skip(row: csv.InvalidRow) -> str:
        nonlocal ragged
        ragged += 1
        return "skip"

    # pyarrow gives a broken line to `skip` as text, which it has to be.
    ascii_text = text if text.isascii() else text.translate(bytes(range(128)) + b"?" * 128)
    try:
        table = csv.read_csv(
            pa.BufferReader(ascii_text),
            csv.ReadOptions(column_names=list(names), use_threads=False),
            csv.ParseOptions(invalid_row_handler=skip, quote_char=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), null_values=[]),
        )
    except pa.ArrowException as error:
        raise DataError(
            f"{path.name}: {str(error)[:120]}; expected {len(names)} cells a line; unpack the "
            "archive again"
        ) from error
    return pa.table({name: pc.ascii_trim(table[name], trim) for name in names}), ragged


def stack_floats(
    table: pa.Table | pa.RecordBatch, names: Sequence[str]
) -> Float32[np.ndarray, "channel sample"]:
    """Stack columns of numbers; an empty cell is NaN."""
    columns = [np.asarray(table[name].to_numpy(zero_copy_only=False)) for name in names]
    return np.stack(columns).astype(np.float32)


def _refuse_repeated(path: Path, types: Mapping[str, pa.DataType], delimiter: str) -> None:
    """Refuse a header that names a wanted column twice: nothing says which of them is meant."""
    try:
        with pa.input_stream(str(path)) as stream:
            head = stream.read(1 << 16).decode("utf-8", errors="replace")
    except (pa.ArrowException, OSError):
        return  # said by the reader of the whole file
    names = [name.strip('"\ufeff ') for name in head.partition("\n")[0].strip().split(delimiter)]
    twice = next((name for name in types if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path.name} has the column {twice!r} twice; expected it once")


def _refuse_empty(batch: pa.RecordBatch, path: Path) -> None:
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_integer(field.type) and column.null_count:
            raise DataError(
                f"{path.name}: {column.null_count} cells of {field.name!r} are empty, expected "
                "whole numbers; unpack the archive again"
            )
