"""Describe one file whose columns bear a spec's channel names: what `classify` reads.

Columns are named like the channels (`watch_accel_x`), or `<modality>.<channel>` where two
modalities have channels of one name. A modality without any column is absent. The time stands in
`time_s`, `time_ms`, `time_us`, `time_ns`, or in `time` or `timestamp` (seconds, or ISO date
times); without one, rows come at the spec's rate. `subject` is read where it is there. Arrays of a
.npz bear the modalities' names (see `npz`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.tables.description import Table, TableModality
from sensor2llm.signals.tables.text_file import column_names, is_number, read_columns, texts

TIMES = {"time_s": "s", "time_ms": "ms", "time_us": "us", "time_ns": "ns"}


def table_for(path: Path, spec: SignalSpec, overlap: float = 0.0) -> Table:
    """Describe a file by the names of its columns.

    Raises:
        DataError: If no modality, or only a part of one, is there.
    """
    if path.suffix == ".npz":
        whole = tuple(_entry(m, m.channel_names) for m in spec.modalities)
        return Table(spec=spec, modalities=whole, labelled=False, overlap=overlap)
    names = column_names(path)
    matches = [_match(modality, spec, names, path) for modality in spec.modalities]
    entries = tuple(entry for entry in matches if entry is not None)
    if not entries:
        expected = ", ".join(_names(spec.modalities[0], spec)[0])
        raise DataError(
            f"{path.name} has the columns {listed(names)}; expected the spec's channels, for "
            f"example {expected}; rename them, or describe the file in a TABLE.yaml"
        )
    time, unit = _time(path, names)
    return Table(
        spec=spec.subset(entry.modality.name for entry in entries),
        modalities=entries,
        time=time,
        time_unit=unit,
        subject=("column", "subject") if "subject" in names else ("value", "unknown"),
        labelled=False,
        overlap=overlap,
    )


def _match(
    modality: Modality, spec: SignalSpec, names: Sequence[str], path: Path
) -> TableModality | None:
    for columns in _names(modality, spec):
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


def _time(path: Path, names: Sequence[str]) -> tuple[tuple[str, ...], str]:
    for name, unit in TIMES.items():
        if name in names:
            return (name,), unit
    for name in ("time", "timestamp"):
        if name in names:
            first = texts(read_columns(path, [name]), name, path)[0] or ""
            return (name,), "s" if is_number(first) else "iso"
    return (), "s"
