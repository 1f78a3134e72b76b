"""An archive's labels summed up, recording by recording: OUT/summary.csv and OUT/bouts.csv."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

from sensor2llm.archive.bouts import SUMS
from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import DataError

logger = logging.getLogger(__name__)


def sums_of(out: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    """Name what is wanted, and what an earlier run summed up: there may be more windows now."""
    return tuple(name for name in SUMS if name in wanted or (out / f"{name}.csv").is_file())


def write_sums(
    out: Path, names: Sequence[str], recordings: Mapping[str, Sequence[Path]], window_s: float
) -> None:
    """Write a file for each sum; the old one stays whole until the new one is.

    Args:
        out: the archive's folder.
        names: of `SUMS`.
        recordings: by name, the Parquet files of its windows.
        window_s: how long a window is.

    Raises:
        DiskFullError: naming path and size.
    """
    for name in names:
        with replace_file(out / f"{name}.csv") as part, contextlib.ExitStack() as stack:
            writer = None
            for table in _tables(name, recordings, window_s):
                writer = writer or stack.enter_context(csv.CSVWriter(part, table.schema))
                writer.write_table(table)
            if writer is None:
                part.touch()


def _tables(
    name: str, recordings: Mapping[str, Sequence[Path]], window_s: float
) -> Iterator[pa.Table]:
    """Sum up each recording; one whose windows have no times is left out with a line."""
    for recording, paths in recordings.items():
        labels = pa.concat_tables(map(parquet.read_table, paths)).sort_by("window")
        try:
            yield SUMS[name](labels, window_s)
        except DataError as error:
            logger.warning("%s has no %s: %s", recording, name, error)
