"""The door to one's own files: a description, a recording or a store becomes windows.

    TABLE.yaml      a description of files whose columns have any names (see `config`)
    CSV, Parquet,   columns that bear the channels' names (see `named_columns`)
    Feather, xlsx
    .npz            ready windows: an array (window, channel, step) a modality (see `npz`)
    STORE           a window store: a window for each of its windows

Without a spec, windows are as the description says, with their labels. With the spec of an adapter,
a recording at another rate is brought to the spec's, and labels are not read: these windows are to
be classified. Values in columns without a description are taken to be in the spec's units. Where a
store, a description or a .npz says other units or rates they are converted, and of longer windows
the centre is kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sensor2llm.errors import ConfigError, DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.segment import segment
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.config import load
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.formats.described import holds_windows
from sensor2llm.signals.tables.formats.kinds import FEATHER, PARQUET, WORKBOOKS, is_array_file
from sensor2llm.signals.tables.join.files import find_files
from sensor2llm.signals.tables.join.intervals import LabelIntervals, read_intervals
from sensor2llm.signals.tables.join.streams import SensorsApart, person_streams
from sensor2llm.signals.tables.named_columns import (
    SAME_NAMES,
    check_rate_hz,
    named_windows,
    table_for,
)
from sensor2llm.signals.tables.npz import array_windows, npz_windows
from sensor2llm.signals.tables.npz_spec import npz_spec
from sensor2llm.signals.tables.recordings import RecordingJoiner, Stream
from sensor2llm.signals.tables.rows.file_rows import read_rows
from sensor2llm.signals.tables.rows.people import runs_of_people
from sensor2llm.signals.tables.rows.rows import TextNumbers
from sensor2llm.signals.tables.wide import wide_blocks
from sensor2llm.signals.views.conversion import convert_store, convert_windows
from sensor2llm.signals.window import Window

DESCRIPTIONS = (".yaml", ".yml")
SUFFIXES = (
    ".csv",
    ".csv.gz",
    ".tsv",
    ".txt",
    *PARQUET,
    *FEATHER,
    *WORKBOOKS,
    ".npz",
    *DESCRIPTIONS,
)


def read_windows(
    source: str | Path | Table,
    spec: SignalSpec | None = None,
    overlap: float | None = None,
    ledger: Ledger | None = None,
    *,
    window_s: float | None = None,
    folder: Path | None = None,
    rate_hz: float | None = None,
    renamed: Mapping[str, str] = SAME_NAMES,
) -> Reading:
    """Read one's own files, cut into windows in order of time.

    Args:
        source: a file or store as above, or a description that was made in Python.
        spec: what the windows are to be, modalities that the files lack being absent; None leaves
            them as the description or the store says.
        overlap: share of a window that the next one repeats, 0 up to below 1; None takes the
            description's, or 0 where there is a spec.
        ledger: counts what becomes of rows and windows, once all windows are taken.
        window_s: replaces the description's; a spec has its own.
        folder: where the description's files lie; by default beside it.
        rate_hz: samples a second of a CSV or Parquet file; the time column's, or else the spec's,
            where None.
        renamed: `<modality>.<channel>` -> a CSV's or Parquet's column of another name.

    Raises:
        DataError: for a missing, empty, truncated or unknown file, a missing column, a bad cell,
            naming file, row and column.
        SpecError: for a description or windows that cannot be, or cannot be brought to `spec`.
        ConfigError: a rate or names for a file that says its own, or a rate that cannot be.
    """
    ledger = Ledger() if ledger is None else ledger
    check_rate_hz(rate_hz)
    if isinstance(source, Table):
        return _described(source, "the description", spec, ledger)
    path = Path(source)
    if not path.exists() and path.suffix not in DESCRIPTIONS:
        raise DataError(f"{path} does not exist")
    if (rate_hz or renamed) and (path.is_dir() or path.suffix in (".npz", *DESCRIPTIONS)):
        raise ConfigError(
            f"{path.name} says its own rates and names; give rate_hz and names of columns for CSV "
            "and Parquet files only"
        )
    if path.is_dir():
        return _stored(WindowStore.open(path), spec, ledger)
    if not path.name.endswith(SUFFIXES):
        raise DataError(
            f"cannot read {path.name}; expected a window store or a file in {', '.join(SUFFIXES)}"
        )
    if spec is not None:
        window_s, overlap = spec.window_s, overlap or 0.0
    if path.suffix in DESCRIPTIONS:
        table = replace(load(path, window_s, overlap), root=folder or path.parent)
        return _described(table, path.name, spec, ledger)
    if spec is None:
        raise DataError(
            f"{path.name} does not say what its columns are; describe it in a TABLE.yaml"
        )
    windows = _named(path, spec, overlap or 0.0, ledger, rate_hz, renamed)
    return Reading(spec=spec, windows=windows, source=path.name, ledger=ledger)


def _stored(store: WindowStore, spec: SignalSpec | None, ledger: Ledger) -> Reading:
    windows = store if spec is None else convert_store(store, spec)
    ledger.read("windows", len(store))
    ledger.keep("windows", len(store))
    return Reading(spec=windows.spec, windows=iter(windows), source=store.source, ledger=ledger)


def _described(table: Table, name: str, spec: SignalSpec | None, ledger: Ledger) -> Reading:
    if spec is not None:
        table = _as_expected(table, name, spec)
    files = [path for part in (table.by_source() if table.joined else (table,))
             for path in find_files(part)]  # fmt: skip
    windows = _table_windows(table, ledger)
    return Reading(
        spec=spec or table.spec,
        windows=windows if spec is None else convert_windows(windows, table.spec, spec, name),
        source=f"{name}: {len(set(files))} files",
        label_names=_label_names(table),
        ledger=ledger,
    )


def _label_names(table: Table) -> tuple[str, ...] | None:
    texts = dict.fromkeys(table.labels.values()) if table.labels else {}
    return tuple(text for text in texts if text not in table.exclude) or None


def _as_expected(table: Table, name: str, spec: SignalSpec) -> Table:
    """Cut rows to the expected grid at once; only units are left to be converted."""
    entries = []
    for entry in table.modalities:
        if entry.modality.name not in spec:
            raise SpecError(
                f"{name} describes the unknown modality {entry.modality.name!r}; the adapter "
                f"expects {', '.join(spec.names)}"
            )
        ours, theirs = spec[entry.modality.name], entry.modality
        if theirs.axis == ours.axis:
            theirs = replace(theirs, steps=ours.steps, rate_hz=ours.rate_hz, window_s=ours.window_s)
        entries.append(replace(entry, modality=theirs))
    modalities = tuple(entry.modality for entry in entries)
    length = spec.subset(modality.name for modality in modalities).window_s
    cut = SignalSpec(modalities=modalities, window_s=length)
    return replace(table, spec=cut, modalities=tuple(entries), labels=None, labelled=False)


def _table_windows(table: Table, ledger: Ledger) -> Iterator[Window]:
    """Cut a description's files into windows; the ledger counts what becomes of their rows."""
    labels = read_intervals(table) if table.annotations and table.labelled else None
    if table.joined:
        for streams in person_streams(table, ledger):
            yield from _cut(streams, table, ledger, labels)
    else:
        apart = SensorsApart()
        for path in find_files(table):
            yield from _file_windows(path, table, ledger, labels, apart)
    if labels is not None:
        labels.account(ledger)


def _file_windows(
    path: Path,
    table: Table,
    ledger: Ledger,
    labels: LabelIntervals | None,
    apart: SensorsApart,
) -> Iterator[Window]:
    if table.rows_are_windows:
        yield from array_windows(path, wide_blocks(path, table), table, ledger)
    elif is_array_file(path) and holds_windows(path, table):
        if labels is not None:
            raise DataError(
                f"{path.name} holds ready windows, and annotations are for rows: write the labels "
                "beside the windows, and name them by label"
            )
        if path.suffix == ".npz":
            table.spec.check_compatible(npz_spec(path, table.spec))
        yield from npz_windows(path, table, ledger)
    else:
        chunks = apart.watch(read_rows(path, table, ledger, TextNumbers()))
        for run in runs_of_people(chunks, table):
            yield from _cut([Stream(run, table)], table, ledger, labels)


def _cut(
    streams: Sequence[Stream], table: Table, ledger: Ledger, labels: LabelIntervals | None
) -> Iterator[Window]:
    for recording, state in RecordingJoiner(streams, table, ledger, labels).parts():
        yield from segment(
            recording,
            table.spec,
            overlap=table.overlap,
            exclude=table.exclude,
            ledger=ledger,
            state=state,
        )


def _named(
    path: Path,
    spec: SignalSpec,
    overlap: float,
    ledger: Ledger,
    rate_hz: float | None,
    renamed: Mapping[str, str],
) -> Iterator[Window]:
    if path.suffix != ".npz":
        return named_windows(path, spec, overlap, ledger, rate_hz=rate_hz, renamed=renamed)
    stated = npz_spec(path, spec)
    windows = npz_windows(path, table_for(path, spec, overlap), ledger, stated)
    return convert_windows(windows, stated, spec, path.name)
