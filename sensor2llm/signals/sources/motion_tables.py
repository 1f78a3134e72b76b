"""Steps that readers of motion tables share: text to numbers, runs of one activity, windows.

A bout is what one person's sensors measured during one activity, in one go.
"""

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Float32
from pyarrow import csv

from sensor2llm.errors import DataError
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Annotation, Recording, Track, Window

REPEATED = "samples with a repeated or earlier time stamp"
SHORT = "bouts shorter than a window"
BLOCK_BYTES = 1 << 20  # pyarrow reads some 32 blocks ahead: this bounds the memory


@dataclass(frozen=True, eq=False)
class Bout:
    """Hold one activity of one person: modality name to values, all starting at `start_s`."""

    subject: str
    label: str
    start_s: float
    values: Mapping[str, Float[np.ndarray, "channel step"]]


def find_root(folder: Path, below: Sequence[str], holds: str, download: str) -> Path:
    """Find the published folder at `folder` or at one of the places `below` it.

    Args:
        folder: What the person gave.
        below: Relative paths to look at too, the published one first.
        holds: A glob pattern that the right folder has a match for.
        download: The page to name where there is none.

    Raises:
        DataError: Where there is none, with the page to download it from.
    """
    for root in (folder, *(folder / path for path in below)):
        if root.is_dir() and any(root.glob(holds)):
            return root
    raise DataError(f"no '{below[0]}/{holds}' in {folder}; unpack the archive of {download} there")


def motion_modality(
    name: str, axes: Sequence[str], unit: str, rate_hz: float, window_s: float
) -> Modality:
    """Describe one sensor whose channels share a unit and are named `<name>_<axis>`."""
    return Modality(
        name=name,
        channels=tuple(Channel(name=f"{name}_{axis}", unit=unit) for axis in axes),
        steps=round(window_s * rate_hz),
        rate_hz=rate_hz,
    )


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

    Raises:
        DataError: For a missing, empty or broken file, a missing column, a line with another number
            of cells, a cell of another kind, and an empty cell in a column of whole numbers.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; unpack the whole archive again")
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
        for batch in reader:
            _refuse_empty(batch, path)
            yield batch
    except (pa.ArrowException, OSError) as error:
        fault = str(error).strip('"').splitlines()[0][:200]
        # pyarrow counts rows from 1, and columns from 0.
        fault = re.sub(r"In CSV column #(\d+)", lambda m: f"column {int(m[1]) + 1}", fault)
        wanted = f"{len(names)} columns" if names else f"columns {', '.join(types)}"
        raise DataError(
            f"{path.name}: {fault}; expected {wanted}; unpack the archive again"
        ) from error


def read_numbers(path: Path, names: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
    """Read some columns of a table without header whose cells are apart by spaces or tabs.

    Args:
        path: The file.
        names: The names of all columns.
        types: The columns that are wanted, and what they hold.

    Raises:
        DataError: As `read_batches`.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; unpack the whole archive again")
    with path.open("rb") as file:
        delimiter = "\t" if b"\t" in file.readline() else " "
    try:
        return pa.Table.from_batches(read_batches(path, types, names, delimiter))
    except DataError:
        # One blank a cell is read as it is; a copy with other blanks is brought to that first.
        text = re.sub(rb"[ \t]+", b" ", path.read_bytes())
        text = re.sub(rb" ?(\r?\n) ?", rb"\1", text).strip()
        return pa.Table.from_batches(read_batches(path, types, names, " ", text))


def stack_floats(
    table: pa.Table | pa.RecordBatch, names: Sequence[str]
) -> Float32[np.ndarray, "channel sample"]:
    """Stack columns of numbers; empty and infinite cells become NaN."""
    columns = [np.asarray(table[name].to_numpy(zero_copy_only=False)) for name in names]
    values = np.stack(columns).astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    return values


def equal_runs(codes: np.ndarray) -> list[tuple[int, int]]:
    """Give the runs of neighbouring equal codes as (start, stop)."""
    cuts = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    edges = [0, *cuts.tolist(), len(codes)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def bout_windows(
    bout: Bout, spec: SignalSpec, overlap: float, notes: Counter[str]
) -> Iterator[Window]:
    """Cut a bout into windows; one that is too short for any is counted in `notes`."""
    tracks = {
        name: Track(modality=spec[name], values=values, start_s=bout.start_s)
        for name, values in bout.values.items()
    }
    duration_s = max(
        part.shape[1] / float(spec[name].rate_hz or 1.0) for name, part in bout.values.items()
    )
    stop_s = bout.start_s + duration_s
    recording = Recording(
        subject=bout.subject,
        tracks=tracks,
        annotations=(Annotation(start_s=bout.start_s, stop_s=stop_s, label=bout.label),),
        name=f"{bout.subject} {bout.label}",
    )
    notes[SHORT] += duration_s < float(spec.window_s or 0.0) - 0.5 / max(
        float(m.rate_hz or 1.0) for m in spec.modalities
    )
    yield from segment(recording, spec, overlap=overlap)


def is_later(times: np.ndarray) -> Bool[np.ndarray, " sample"]:
    """Mark the times that are later than every time before them."""
    return np.r_[True, times[1:] > np.maximum.accumulate(times)[:-1]]


def _refuse_empty(batch: pa.RecordBatch, path: Path) -> None:
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_integer(field.type) and column.null_count:
            raise DataError(
                f"{path.name}: {column.null_count} cells of {field.name!r} are empty, expected "
                "whole numbers; unpack the archive again"
            )
