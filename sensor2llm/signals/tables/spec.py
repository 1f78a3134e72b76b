"""Read one file whose columns bear a spec's channel names: what `classify` is given.

Columns are named like the channels (`watch_accel_x`), or `<modality>.<channel>` where two
modalities have channels of one name. A modality without any column is absent. The time stands in
`time_s`, `time_ms`, `time_us`, `time_ns`, or in `time` or `timestamp` (seconds, or ISO date
times); without one, rows come at the spec's rate. `subject` and `label` are read where they are
there. Arrays of a .npz bear the modalities' names (see `table_npz`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from sensor2llm.errors import DataError, SpecError, listed
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.tables.config import Table, TableModality
from sensor2llm.signals.tables.table import file_windows
from sensor2llm.signals.tables.text_file import column_names, is_number, read_columns, texts
from sensor2llm.signals.window import Window

SAME_NAMES: Mapping[str, str] = MappingProxyType({})
TIMES = {"time_s": "s", "time_ms": "ms", "time_us": "us", "time_ns": "ns"}


def spec_windows(path: Path, spec: SignalSpec, overlap: float = 0.0) -> Iterator[Window]:
    """Cut a CSV, Parquet or .npz file into windows of `spec`; what the file lacks is absent.

    Raises:
        DataError: If no modality, or only a part of one, is there; or for a bad cell (see `table`).
        SpecError: For values in another unit.
    """
    return file_windows(path, table_for(path, spec, overlap), Ledger())


def table_for(
    path: Path,
    spec: SignalSpec,
    overlap: float = 0.0,
    renamed: Mapping[str, str] = SAME_NAMES,
    columns: pa.Table | None = None,
) -> Table:
    """Describe a file, or a table in memory, by the names of its columns.

    Args:
        path: The file; for a table in memory, what messages call it.
        spec: What is expected.
        overlap: Share of a window that the next one repeats.
        renamed: `<modality>.<channel>` -> the column that holds it, where it has another name.
        columns: The table in memory.

    Raises:
        DataError: If no modality, or only a part of one, is there.
        SpecError: If a channel that is renamed is none of the spec's.
    """
    channels = [f"{m.name}.{name}" for m in spec.modalities for name in m.channel_names]
    if strange := [name for name in renamed if name not in channels]:
        raise SpecError(f"unknown channel {strange[0]!r}; the spec has {listed(channels)}")
    if path.suffix == ".npz":
        whole = tuple(_entry(m, m.channel_names) for m in spec.modalities)
        return Table(spec=spec, modalities=whole, overlap=overlap)
    names = column_names(path) if columns is None else tuple(columns.column_names)
    if absent := [column for column in renamed.values() if column not in names]:
        raise DataError(f"{path.name}: no column {absent[0]!r}; it has {listed(names)}")
    found = [_find(modality, spec, names, path, renamed) for modality in spec.modalities]
    entries = tuple(entry for entry in found if entry is not None)
    if not entries:
        expected = ", ".join(_names(spec.modalities[0], spec)[0])
        advice = "describe the file in a TABLE.yaml"
        if columns is not None:
            advice = f"say columns={{{channels[0]!r}: 'ITS COLUMN'}}"
        raise DataError(
            f"{path.name} has the columns {listed(names)}; expected the spec's channels, for "
            f"example {expected}; rename them, or {advice}"
        )
    time, unit = _time(path, names, columns)
    kept = spec.subset(entry.modality.name for entry in entries)
    return Table(
        spec=kept,
        modalities=entries,
        time=time,
        time_unit=unit,
        subject=("column", "subject") if "subject" in names else ("value", "unknown"),
        label="label" if "label" in names else None,
        overlap=overlap,
    )


def _find(
    modality: Modality,
    spec: SignalSpec,
    names: Sequence[str],
    path: Path,
    renamed: Mapping[str, str],
) -> TableModality | None:
    full = [f"{modality.name}.{channel}" for channel in modality.channel_names]
    for usual in _names(modality, spec):
        columns = tuple(renamed.get(key, name) for key, name in zip(full, usual, strict=True))
        missing = [column for column in columns if column not in names]
        if not missing:
            return _entry(modality, columns)
        if len(missing) < len(columns):
            raise DataError(
                f"{path.name}: no column {missing[0]!r} of modality '{modality.name}'; it has "
                f"{listed(names)}"
            )
    return None


def _names(modality: Modality, spec: SignalSpec) -> list[tuple[str, ...]]:
    full = tuple(f"{modality.name}.{channel}" for channel in modality.channel_names)
    others = {c for m in spec.modalities if m.name != modality.name for c in m.channel_names}
    return [full] if others & set(modality.channel_names) else [modality.channel_names, full]


def _entry(modality: Modality, columns: tuple[str, ...]) -> TableModality:
    entry = TableModality(modality=modality, columns=columns, rate_hz=modality.rate_hz)
    if modality.rate_hz is None:
        return entry
    return replace(entry, max_gap_s=max(entry.max_gap_s, 3 / modality.rate_hz))


def _time(
    path: Path, names: Sequence[str], columns: pa.Table | None
) -> tuple[tuple[str, ...], str]:
    for name, unit in TIMES.items():
        if name in names:
            return (name,), unit
    for name in ("time", "timestamp"):
        if name in names:
            data = read_columns(path, [name]) if columns is None else columns.slice(0, 1)
            first = texts(data, name, path)[0] or ""
            return (name,), "s" if is_number(first) else "iso"
    return (), "s"
