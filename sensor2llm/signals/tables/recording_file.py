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
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.errors import ConfigError, DataError, SpecError, listed
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.tables.config import Table, TableModality, load
from sensor2llm.signals.tables.npz import npz_spec, npz_windows
from sensor2llm.signals.tables.rates import TOLERANCE, observed_rate_hz
from sensor2llm.signals.tables.spec import SAME_NAMES, TIMES, table_for
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
    path: str | Path,
    spec: SignalSpec,
    overlap: float = 0.0,
    ledger: Ledger | None = None,
    *,
    rate_hz: float | None = None,
    renamed: Mapping[str, str] = SAME_NAMES,
) -> Iterator[Window]:
    """Read a file and cut it into windows of `spec`, in order of time.

    Args:
        path: a file as above.
        spec: what the windows are to be; modalities that the file lacks are absent.
        overlap: share of a window that the next one repeats, 0 up to below 1.
        ledger: counts what becomes of rows and windows, once all windows are taken.
        rate_hz: samples a second of a CSV or Parquet file; the time column's, or else the
            spec's, where None.
        renamed: `<modality>.<channel>` -> a CSV's or Parquet's column of another name.

    Raises:
        DataError: for a missing, empty, truncated or unknown file, a missing column, a bad cell.
        SpecError: for a description or windows that cannot be brought to `spec`.
        ConfigError: a rate or names for a file that says its own, or a rate that cannot be.
    """
    path, ledger = Path(path), Ledger() if ledger is None else ledger
    check_rate_hz(rate_hz)
    if not path.exists():
        raise DataError(f"{path} does not exist")
    if (rate_hz or renamed) and (path.is_dir() or path.suffix in (".npz", ".yaml", ".yml")):
        raise ConfigError(
            f"{path.name} says its own rates and names; give rate_hz and names of columns for CSV "
            "and Parquet files only"
        )
    if path.is_dir():
        return _stored(path, spec, ledger)
    if not path.name.endswith(SUFFIXES):
        raise DataError(
            f"cannot read {path.name}; expected a window store or a file in {', '.join(SUFFIXES)}"
        )
    if path.suffix in (".yaml", ".yml"):
        return _described(path, spec, overlap, ledger)
    return _named(path, spec, overlap, ledger, rate_hz, renamed)


def table_windows(
    columns: pa.Table,
    name: str,
    spec: SignalSpec,
    overlap: float = 0.0,
    ledger: Ledger | None = None,
    *,
    rate_hz: float | None = None,
    renamed: Mapping[str, str] = SAME_NAMES,
) -> Iterator[Window]:
    """Cut a table in memory into windows of `spec`, as `read_windows` does a CSV.

    Args:
        columns: named as the spec's channels, with a time if there is one.
        name: what messages call it.
        spec: what the windows are to be; modalities that the table lacks are absent.
        overlap: share of a window that the next one repeats, 0 up to below 1.
        ledger: counts what becomes of rows and windows, once all windows are taken.
        rate_hz: samples a second; the time column's where None.
        renamed: `<modality>.<channel>` -> a column of another name.

    Raises:
        DataError: no row, neither a time column nor a rate, a missing column, a bad cell.
        SpecError: for values in another unit.
    """
    check_rate_hz(rate_hz)
    ledger = Ledger() if ledger is None else ledger
    return _named(Path(name), spec, overlap, ledger, rate_hz, renamed, columns)


def check_rate_hz(rate_hz: float | None) -> None:
    """Refuse what is no rate.

    Raises:
        ConfigError: it is not a number above 0.
    """
    if rate_hz is not None and not 0 < rate_hz < np.inf:
        raise ConfigError(f"rate_hz must be samples a second, above 0, got {rate_hz!r}")


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


def _named(
    path: Path,
    spec: SignalSpec,
    overlap: float,
    ledger: Ledger,
    rate_hz: float | None,
    renamed: Mapping[str, str],
    columns: pa.Table | None = None,
) -> Iterator[Window]:
    table = replace(table_for(path, spec, overlap, renamed, columns), labelled=False)
    if path.suffix == ".npz":
        stated = npz_spec(path, spec)
        return convert_windows(npz_windows(path, table, ledger, stated), stated, spec, path.name)
    names = column_names(path) if columns is None else tuple(columns.column_names)
    _say_what_is_ignored(path, table, names)
    if not (table.time or rate_hz):
        _untimed(path, table, file=columns is None)
    return _cut(path, table, ledger, rate_hz, columns)


def _say_what_is_ignored(path: Path, table: Table, names: tuple[str, ...]) -> None:
    """Tell which columns are not read: a clock of another name among them would be missed."""
    read = {column for entry in table.modalities for column in entry.columns}
    known = read | {*table.time, "subject", "label"}
    if others := [name for name in names if name not in known]:
        logger.info("%s: the columns %s are not read", path.name, listed(others))


def _untimed(path: Path, table: Table, *, file: bool) -> None:
    """Tell that a file's rows are taken to come at the adapter's rate; refuse a table's."""
    times = f"{', '.join(TIMES)}, time or timestamp"
    if file:
        logger.info(
            "%s: no time column (%s); rows are taken to come at the adapter's rate, without pauses",
            path.name, times,
        )  # fmt: skip
    elif rates := {entry.rate_hz: None for entry in table.modalities if entry.rate_hz}:
        hears = " and ".join(f"{rate:g}" for rate in rates)
        raise DataError(
            f"{path.name} has no time column ({times}) and no rate; say rate_hz=..., its samples "
            f"a second (they are brought to the adapter's {hears} Hz)"
        )


def _cut(
    path: Path, table: Table, ledger: Ledger, rate_hz: float | None, columns: pa.Table | None
) -> Iterator[Window]:
    if rate_hz:
        entries = (_at_rate(entry, rate_hz) for entry in table.modalities)
        table = replace(table, modalities=tuple(entries))
    rows = read_rows(path, table, ledger, columns)
    if table.time and not rate_hz:
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
    return _at_rate(entry, seen)


def _at_rate(entry: TableModality, rate_hz: float) -> TableModality:
    if entry.rate_hz is None:
        return entry
    return replace(entry, rate_hz=rate_hz, max_gap_s=max(entry.max_gap_s, 3 / rate_hz))
