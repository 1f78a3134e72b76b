"""The columns of Parquet and Feather files, in their own types; claims are checked beforehand."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.formats.kinds import FEATHER
from sensor2llm.signals.tables.formats.text import check_names
from sensor2llm.signals.tables.layout import EXPANSION, SMALLEST_BUDGET


def stored_names(path: Path) -> tuple[str, ...]:
    """Give the names of a file's columns."""
    return tuple(name.strip() for name in _schema(path).names)


def read_stored(path: Path, wanted: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Read the named columns, at most so many rows at a time; texts of Parquet in codes."""
    schema = _schema(path)
    stripped = [name.strip() for name in schema.names]
    check_names(path, wanted, stripped)
    raw = [schema.names[stripped.index(name)] for name in wanted]
    most = max(SMALLEST_BUDGET // 8, EXPANSION // 5 * path.stat().st_size)
    if path.suffix in FEATHER:
        for table in _feather_tables(path, raw, most):
            for first in range(0, len(table), rows):
                yield table.slice(first, rows).rename_columns(list(wanted))
        return
    words = [name for name in raw if pa.types.is_string(schema.field(name).type)]
    with pq.ParquetFile(path, read_dictionary=words) as stored:
        meta = stored.metadata
        size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        _check_claims(path, meta.num_rows * len(wanted), size, most)
        for batch in stored.iter_batches(min(rows, max(1, meta.num_rows)), columns=raw,
                                         use_threads=False):  # fmt: skip
            yield pa.Table.from_batches([batch]).select(raw).rename_columns(list(wanted))


def first_rows(path: Path, rows: int) -> pa.Table:
    """Read the first rows of all columns, as many as there are up to `rows`."""
    names = _schema(path).names
    try:
        if path.suffix in FEATHER:
            with pa.memory_map(str(path)) as stream, pa.ipc.open_file(stream) as reader:
                batches = [reader.get_batch(0)] if reader.num_record_batches else []
        else:
            batches = list(islice(pq.ParquetFile(path).iter_batches(rows), 1))
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
    if not batches or not batches[0].num_rows:
        raise DataError(f"{path.name} has a header and no rows; leave it out")
    table = pa.Table.from_batches(batches).slice(0, rows)
    return table.rename_columns([name.strip() for name in names])


def _feather_tables(path: Path, raw: list[str], most: int) -> Iterator[pa.Table]:
    cells = 0
    with pa.OSFile(str(path)) as stream, pa.ipc.open_file(stream) as reader:
        for i in range(reader.num_record_batches):
            batch = reader.get_batch(i).select(raw)
            cells += batch.num_rows * len(raw)
            _check_claims(path, cells, 8 * cells, most)
            yield pa.Table.from_batches([batch])


def _check_claims(path: Path, cells: int, size: int, most: int) -> None:
    if cells > most or size > 8 * most:
        raise DataError(
            f"{path.name} claims {cells} cells ({size} bytes), but has {path.stat().st_size} "
            f"bytes; at most {most} cells are read from it: write it uncompressed if that is right"
        )


def _schema(path: Path) -> pa.Schema:
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty; leave it out or record it again")
    try:
        if path.suffix in FEATHER:
            with pa.memory_map(str(path)) as stream, pa.ipc.open_file(stream) as reader:
                schema = reader.schema
        else:
            schema = pq.read_schema(path)
        _ = schema.names  # names that are no text fail where they are looked at
        return schema
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """Say why a file cannot be read."""
    kind = "Feather (version 2)" if path.suffix in FEATHER else "Parquet"
    why = " ".join(str(error).split())[:150]
    return DataError(f"{path.name} cannot be read as {kind}, is it truncated? {why}")
