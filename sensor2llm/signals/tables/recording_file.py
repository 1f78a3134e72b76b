"""A file of one's own, cut into the windows that an adapter expects.

    CSV, Parquet    columns that bear the channels' names (see `table_spec`)
    .npz            ready windows: an array (window, channel, step) a modality (see `table_npz`)
    TABLE.yaml      a description of files whose columns have other names (see `table_config`)
    STORE           a window store: a window for each of its windows

A recording at another rate is brought to the spec's; labels in the file are not read. Values in
columns without a description are taken to be in the spec's units. Where a store, a description or a
.npz says other units or rates they are converted, and of longer windows the centre is kept.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError, SpecError, listed
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.config import Table, TableModality, load
from sensor2llm.signals.tables.npz import npz_spec, npz_windows
from sensor2llm.signals.tables.rates import TOLERANCE, observed_rate_hz
from sensor2llm.signals.tables.spec import TIMES, table_for
from sensor2llm.signals.tables.table import file_windows, find_files, read_rows, recordings
from sensor2llm.signals.tables.text_file import column_names
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.views.conversion import convert_store, convert_windows
from sensor2llm.signals.window import Window

logger = logging.getLogger(__name__)
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet", ".pq", ".npz", ".yaml", ".yml")
# Further off than this, the time's unit is more likely wrong than the rate unusual.
LARGEST_RATIO = 50.0


def read_windows(
    path: str | Path, spec: SignalSpec, overlap: float = 0.0, ledger: Ledger | None = None
) -> Iterator[Window]:
    """Read a file and cut it into windows of `spec`, in order of time.

    Args:
        path: a file as above.
        spec: what the windows are to be; modalities that the file lacks are absent.
        overlap: share of a window that the next one repeats, 0 up to below 1.
        ledger: counts what becomes of rows and windows, once all windows are taken.

    Raises:
        DataError: for a missing, empty, truncated or unknown file, a missing column, a bad cell.
        SpecError: for a description or windows that cannot be brought to `spec`.
    """
    path, ledger = Path(path), Ledger() if ledger is None else ledger
    if not path.exists():
        raise DataError(f"{path} does not exist")
    if path.is_dir():
        return _stored(path, spec, ledger)
    if not path.name.endswith(SUFFIXES):
        raise DataError(
            f"cannot read {path.name}; expected a window store or a file in {', '.join(SUFFIXES)}"
        )
    if path.suffix in (".yaml", ".yml"):
        return _described(path, spec, overlap, ledger)
    return _named(path, spec, overlap, ledger)


def _stored(path: Path, spec: SignalSpec, ledger: Ledger) -> Iterator[Window]:
    store = convert_store(WindowStore.open(path), spec)
    ledger.read("windows", len(store))
    ledger.keep("windows", len(store))
    return iter(store)


def _described(path: Path, spec: SignalSpec, overlap: float, ledger: Ledger) -> Iterator[Window]:
    table = load(path, spec.window_s, overlap)
    entries = []
    for entry in table.modalities:
        if entry.modality.name not in spec:
            raise SpecError(
                f"{path.name} describes the unknown modality {entry.modality.name!r}; the adapter "
                f"expects {', '.join(spec.names)}"
            )
        ours, theirs = spec[entry.modality.name], entry.modality
        if theirs.axis == ours.axis:
            # Rows are cut to the expected grid at once; only units are left to be converted.
            theirs = replace(theirs, steps=ours.steps, rate_hz=ours.rate_hz, window_s=ours.window_s)
        entries.append(replace(entry, modality=theirs))
    kept = tuple(entry.modality for entry in entries)
    length = spec.subset(modality.name for modality in kept).window_s
    given = SignalSpec(modalities=kept, window_s=length)
    # Whatever the labels are, they are not read: these windows are to be classified.
    table = replace(table, spec=given, modalities=tuple(entries), labelled=False, root=path.parent)
    files = find_files(table)
    windows = (window for file in files for window in file_windows(file, table, ledger))
    return convert_windows(windows, given, spec, path.name)


def _named(path: Path, spec: SignalSpec, overlap: float, ledger: Ledger) -> Iterator[Window]:
    table = replace(table_for(path, spec, overlap), labelled=False)
    if path.suffix == ".npz":
        stated = npz_spec(path, spec)
        return convert_windows(npz_windows(path, table, ledger, stated), stated, spec, path.name)
    _say_what_is_ignored(path, table)
    if not table.time:
        return file_windows(path, table, ledger)
    return _timed(path, table, ledger)


def _say_what_is_ignored(path: Path, table: Table) -> None:
    """Tell which columns are not read: a clock of another name among them would be missed."""
    read = {column for entry in table.modalities for column in entry.columns}
    known = read | {*table.time, "subject", "label"}
    if others := [name for name in column_names(path) if name not in known]:
        logger.info("%s: the columns %s are not read", path.name, listed(others))
    if not table.time:
        logger.info(
            "%s: no time column (%s, time or timestamp); rows are taken to come at the adapter's "
            "rate, without pauses", path.name, ", ".join(TIMES),
        )  # fmt: skip


def _timed(path: Path, table: Table, ledger: Ledger) -> Iterator[Window]:
    rows = read_rows(path, table, ledger)
    entries = (_observed(entry, rows.times_s, rows.values) for entry in table.modalities)
    table = replace(table, modalities=tuple(entries))
    for recording in recordings(rows, table, ledger):
        yield from segment(
            recording, table.spec, overlap=table.overlap, label_rule="none", ledger=ledger
        )


def _observed(
    entry: TableModality, times_s: np.ndarray, values: dict[str, np.ndarray]
) -> TableModality:
    name, rate_hz = entry.modality.name, entry.rate_hz
    if rate_hz is None or name not in values:
        return entry
    stamps = times_s[np.isfinite(values[name]).all(axis=0)]
    if len(stamps) < 8 or not (np.diff(stamps) > 0).all():
        return entry
    seen = observed_rate_hz(stamps)
    far = max(seen / rate_hz, rate_hz / seen) > LARGEST_RATIO
    if far or abs(seen / rate_hz - 1) <= TOLERANCE:
        return entry
    return replace(entry, rate_hz=seen, max_gap_s=max(entry.max_gap_s, 3 / seen))
