"""Steps that readers of motion tables share: text to numbers, runs of one activity, windows.

A bout is what one person's sensors measured during one activity, in one go.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Float32, Float64, Int64
from pyarrow import csv

from sensor2llm.errors import DataError
from sensor2llm.signals.ledger import Ledger
from sensor2llm.signals.segment import SHORT
from sensor2llm.signals.shared_stamps import spread_stamps
from sensor2llm.signals.sources.possible import possible_values
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Annotation, Recording, Track, Window

SLOW = "of a sensor slower than the longest pause that is bridged"
EARLIER = "with an earlier time stamp than one before"
COPY = "that repeat the one before"
SHARED = "that share a time stamp, spread up to the next one"
NO_ACTIVITY = "without an activity"
# A row with a time of its own takes about a byte of a compressed file.
MAX_ROWS_A_BYTE, ROWS_AT_LEAST = 2, 1_000_000
BLOCK_BYTES = 1 << 20  # pyarrow reads some 32 blocks ahead: this bounds the memory


@dataclass(frozen=True, eq=False)
class Bout:
    """Hold one activity of one person: modality name to values, all starting at `start_s`.

    `times_s` are the times of the samples that it was made of, in order and on the same clock.
    """

    subject: str
    label: str
    start_s: float
    values: Mapping[str, Float[np.ndarray, "channel step"]]
    times_s: Float64[np.ndarray, " sample"]


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
        fault = str(error).strip('"').splitlines()[0][:120]
        # pyarrow counts rows from 1, and columns from 0.
        fault = re.sub(r"In CSV column #(\d+)", lambda m: f"column {int(m[1]) + 1}", fault)
        listed = ", ".join(types)
        listed = listed if len(listed) <= 80 else f"{listed[:79]}…"
        wanted = f"{len(names)} columns" if names else f"columns {listed}"
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
        text = path.read_bytes().replace(b"\t", b" ").replace(b"\r\n", b"\n")
        while b"  " in text:
            text = text.replace(b"  ", b" ")
        text = text.replace(b" \n", b"\n").replace(b"\n ", b"\n").strip()
        return pa.Table.from_batches(read_batches(path, types, names, " ", text))


def read_cells(path: Path, text: bytes, names: Sequence[str], trim: str) -> tuple[pa.Table, int]:
    """Read all cells of a table without header as text, and count the lines of other widths.

    Args:
        path: Where the text comes from, for the error.
        text: The table; cells are apart by commas.
        names: The names of all columns.
        trim: What is taken off the ends of a cell.

    Raises:
        DataError: For a line of a megabyte or more.
    """
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


def equal_runs(codes: np.ndarray) -> list[tuple[int, int]]:
    """Give the runs of neighbouring equal codes as (start, stop)."""
    cuts = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    edges = [0, *cuts.tolist(), len(codes)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def number_files(root: Path, pattern: str, prefix: str) -> dict[int, Path]:
    """List the files `<prefix><number>` by their numbers, which name people.

    Raises:
        DataError: For a name without a number, and two files of one number.
    """
    files: dict[int, Path] = {}
    for path in sorted(root.glob(pattern)):
        number = path.stem.removeprefix(prefix)
        if not re.fullmatch("[0-9]{1,6}", number):
            raise DataError(f"{path.name[:60]} names no person; expected {prefix}1{path.suffix}")
        if int(number) in files:
            raise DataError(
                f"{path.name} and {files[int(number)].name} are of one person; keep one of them"
            )
        files[int(number)] = path
    return dict(sorted(files.items()))


def leave_out(ledger: Ledger, samples: int, reason: str) -> None:
    """Count samples that were read and come to no window."""
    ledger.read("samples", samples)
    ledger.drop("samples", samples, reason)


def long_runs(
    times_s: Float64[np.ndarray, " sample"],
    codes: np.ndarray,
    window_s: float,
    rate_hz: float,
    ledger: Ledger,
    labelled: Bool[np.ndarray, " sample"] | None = None,
) -> Iterator[tuple[int, int]]:
    """Give the runs of equal codes, as (start, stop), that may hold a window; count the others.

    Args:
        times_s: Of the samples, never going back within a run.
        codes: What the samples of a run have in common.
        window_s: Length of a window.
        rate_hz: Rate of a window.
        ledger: Counts the samples of runs that are too short.
        labelled: Which codes are wanted; the others are neither given nor counted. By default all.
    """
    if not len(codes):
        return
    bounds = np.r_[0, np.flatnonzero(codes[1:] != codes[:-1]) + 1, len(codes)]
    first, last = bounds[:-1], bounds[1:] - 1
    if labelled is not None:
        first, last = first[labelled[first]], last[labelled[first]]
    # Two steps of slack: whether the rest is long enough, `segment` says.
    long = times_s[last] - times_s[first] + 2 / rate_hz >= window_s
    leave_out(ledger, int((last - first + 1)[~long].sum()), SHORT)
    yield from zip(first[long].tolist(), (last + 1)[long].tolist(), strict=True)


def in_order(
    times_s: Float64[np.ndarray, " sample"],
    values: Float[np.ndarray, "channel sample"],
    ledger: Ledger,
) -> tuple[Int64[np.ndarray, " stay"], Float64[np.ndarray, " stay"]]:
    """Leave out samples earlier than one before, and copies; spread those that share a stamp.

    A copy has the stamp and the values of the sample before it. Where most samples share a stamp,
    the clock is coarse, and equal values are no copies.

    Returns:
        Which samples stay, as indices, and the times of these.
    """
    if (times_s[1:] > times_s[:-1]).all():
        return np.arange(len(times_s)), times_s
    stay = np.flatnonzero(times_s >= np.maximum.accumulate(times_s))
    leave_out(ledger, len(times_s) - len(stay), EARLIER)
    shared = np.diff(times_s[stay], prepend=-np.inf) == 0
    if shared.any() and shared.mean() < 0.5:
        before = np.roll(stay, 1)
        same = np.isclose(values[:, stay], values[:, before], 0, 0, equal_nan=True)
        copies = shared & same.all(axis=0)
        leave_out(ledger, int(copies.sum()), COPY)
        stay = stay[~copies]
    if len(stay) > 1 and times_s[stay[0]] == times_s[stay[-1]]:
        leave_out(ledger, len(stay) - 1, "at the only time of their bout, all but one")
        return stay[:1], times_s[stay[:1]]
    every = np.ones((1, len(stay)), bool)
    spread_s, count = spread_stamps(times_s[stay], every) if len(stay) else (times_s[stay], 0)
    ledger.change("samples", count, SHARED)
    return stay, spread_s


def is_slow(times_s: Float64[np.ndarray, " sample"], max_gap_s: float) -> bool:
    """Say whether most samples are so far apart that nothing between them was measured."""
    return len(times_s) > 1 and float(np.median(np.diff(times_s))) > max_gap_s


def bout_windows(bout: Bout, spec: SignalSpec, overlap: float, ledger: Ledger) -> Iterator[Window]:
    """Cut a bout into windows; its samples and windows are counted in `ledger`.

    Raises:
        SpecError: For a channel whose values cannot be in its unit.
    """
    tracks, where = {}, f"{bout.subject}, {bout.label}"
    for name, values in bout.values.items():
        possible = possible_values(where, values, spec[name], ledger)
        tracks[name] = Track(modality=spec[name], values=possible, start_s=bout.start_s)
    stop_s = bout.start_s + max(
        part.shape[1] / float(spec[name].rate_hz or 1.0) for name, part in bout.values.items()
    )
    recording = Recording(
        subject=bout.subject,
        tracks=tracks,
        annotations=(Annotation(start_s=bout.start_s, stop_s=stop_s, label=bout.label),),
        name=f"{bout.subject} {bout.label}",
        row_times_s=bout.times_s,
    )
    yield from segment(recording, spec, overlap=overlap, ledger=ledger, rows_unit="samples")


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
