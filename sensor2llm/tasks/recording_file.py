"""A file of one's own, cut into the windows that an adapter expects.

    CSV, Parquet    columns `modality.channel`, or the channel's name where only one modality has
                    it; `time_s` (or time_ms, time_us, time_ns, time_iso) if there is one
    .npz            ready windows: an array (window, channel, step) a modality
    TABLE.yaml      a description of files whose columns have other names (`table_config`)

Without a time column, rows follow each other at the spec's rate. With one, each modality is put
on the spec's clock whatever rate it was recorded at. Values are taken to be in the spec's units.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.table import file_windows, find_files, read_rows, recordings
from sensor2llm.signals.table_config import TIME_UNITS, Table, TableModality, load
from sensor2llm.signals.table_file import column_names
from sensor2llm.signals.table_rates import TOLERANCE, observed_rate_hz
from sensor2llm.signals.transforms import segment
from sensor2llm.signals.window import Window

SUFFIXES = (".csv", ".parquet", ".pq", ".npz", ".yaml", ".yml")
# Further off than this, the time's unit is more likely wrong than the rate unusual.
LARGEST_RATIO = 50.0


def read_windows(path: str | Path, spec: SignalSpec, overlap: float = 0.0) -> Iterator[Window]:
    """Read a file and cut it into windows of `spec`, in order of time.

    Args:
        path: a file as above.
        spec: what the windows are to be; modalities that the file lacks are absent.
        overlap: share of a window that the next one repeats, 0 up to below 1.

    Raises:
        DataError: for a missing, empty, truncated or unknown file, a missing column, a bad cell.
        SpecError: for a description or windows that do not fit `spec`.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist")
    if path.suffix not in SUFFIXES:
        raise DataError(f"cannot read {path.name}; expected a file in {', '.join(SUFFIXES)}")
    if path.suffix in (".yaml", ".yml"):
        return _described(path, spec, overlap)
    if path.suffix == ".npz":
        table = Table(spec=spec, modalities=tuple(_entry(m, ()) for m in spec.modalities))
        return file_windows(path, table, Counter())
    return _bare(path, spec, overlap)


def _described(path: Path, spec: SignalSpec, overlap: float) -> Iterator[Window]:
    table = load(path, spec.window_s, overlap)
    entries = []
    for entry in table.modalities:
        if entry.modality.name not in spec:
            raise SpecError(
                f"{path.name} describes the unknown modality {entry.modality.name!r}; the adapter "
                f"expects {', '.join(spec.names)}"
            )
        ours = spec[entry.modality.name]
        given = replace(entry.modality, steps=ours.steps, rate_hz=ours.rate_hz)
        ours.check_compatible(given)
        entries.append(replace(entry, modality=ours))
    spec = spec.subset(entry.modality.name for entry in entries)
    # Whatever the labels are, they are not read: these windows are to be classified.
    table = replace(table, spec=spec, modalities=tuple(entries), label=None, labels=None)
    files = find_files(table, path.parent)
    return (window for file in files for window in file_windows(file, table, Counter()))


def _bare(path: Path, spec: SignalSpec, overlap: float) -> Iterator[Window]:
    there = column_names(path)
    entries = [
        _entry(m, columns) for m in spec.modalities if (columns := _columns(m, spec, there, path))
    ]
    if not entries:
        wanted = ", ".join(f"{m.name}.{c}" for m in spec.modalities for c in m.channel_names)
        raise DataError(f"{path.name} has the columns {', '.join(there)}; expected {wanted}")
    unit = next((unit for unit in TIME_UNITS if f"time_{unit}" in there), None)
    table = Table(
        spec=spec,
        modalities=tuple(entries),
        time=None if unit is None else f"time_{unit}",
        time_unit=unit or "s",
        overlap=overlap,
    )
    if all(entry.modality.axis == "none" for entry in entries):
        return file_windows(path, table, Counter())
    return _cut(path, table)


def _columns(
    modality: Modality, spec: SignalSpec, there: tuple[str, ...], path: Path
) -> tuple[str, ...]:
    """Find the column of each channel; none at all is a missing sensor, some is a mistake."""
    found: list[str] = []
    for channel in modality.channel_names:
        alone = sum(channel in other.channel_names for other in spec.modalities) == 1
        names = [f"{modality.name}.{channel}", *([channel] if alone else [])]
        found += [name for name in names if name in there][:1] or [""]
    if any(found) and not all(found):
        lacking = modality.channel_names[found.index("")]
        raise DataError(
            f"{path.name}: no column '{modality.name}.{lacking}', though other channels of "
            f"{modality.name!r} are there; it has {', '.join(there)}"
        )
    return tuple(found) if all(found) else ()


def _entry(modality: Modality, columns: tuple[str, ...]) -> TableModality:
    rate_hz = modality.rate_hz
    gap = max(0.1, 3 / rate_hz) if rate_hz else 0.1
    return TableModality(modality=modality, columns=columns, rate_hz=rate_hz, max_gap_s=gap)


def _cut(path: Path, table: Table) -> Iterator[Window]:
    rows = read_rows(path, table)
    if table.time is None:
        rates = {m.modality.rate_hz for m in table.modalities if m.modality.name in rows.values}
        timed = sorted(rate for rate in rates if rate)
        if len(timed) > 1:
            raise DataError(
                f"{path.name} has no time column, and its modalities have the rates "
                f"{', '.join(f'{rate:g} Hz' for rate in timed)}; add a column time_s in seconds"
            )
        rows = replace(rows, times_s=rows.times_s / (timed[0] if timed else 1.0))
        # Times exist now, so that the rows are cut by them as if they had been in the file.
        table = replace(table, time="row" if timed else None)
    else:
        entries = (_observed(m, rows.times_s, rows.values) for m in table.modalities)
        table = replace(table, modalities=tuple(entries))
    for recording in recordings(rows, table, Counter()):
        yield from segment(recording, table.spec, overlap=table.overlap, label_rule="none")


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
