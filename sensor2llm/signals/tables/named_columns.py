"""A file, or a table in memory, whose columns bear a spec's channel names: what `classify` reads.

Columns are named like the channels (`watch_accel_x`), or `<modality>.<channel>` where two
modalities have channels of one name. A modality without any column is absent. The time stands in
`time_s`, `time_ms`, `time_us`, `time_ns`, or in `time` or `timestamp` (seconds, or ISO date
times); without one, rows come at the spec's rate. `subject` is read where it is there. Arrays of a
.npz bear the modalities' names (see `npz`).
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from sensor2llm.errors import ConfigError, DataError, SpecError, listed
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.segment import segment
from sensor2llm.signals.spec import Modality, SignalSpec
from sensor2llm.signals.tables.columns import column_chunks, column_names, texts
from sensor2llm.signals.tables.description import Table, TableClock, TableModality
from sensor2llm.signals.tables.formats.text import is_number
from sensor2llm.signals.tables.recordings import RecordingJoiner, Stream
from sensor2llm.signals.tables.rows.file_rows import read_rows
from sensor2llm.signals.tables.rows.people import runs_of_people
from sensor2llm.signals.tables.rows.rates import TOLERANCE, observed_rate_hz
from sensor2llm.signals.tables.rows.rows import TextNumbers, concat_rows
from sensor2llm.signals.window import Window

logger = logging.getLogger(__name__)
# Further off than this, the time's unit is more likely wrong than the rate unusual.
LARGEST_RATIO = 50.0
# What a sensor of three axes measures, by its name, and whether gravity is taken out.
KINDS = tuple(re.compile(words, re.IGNORECASE) for words in ("acc", "gyr|rot"))
WITHOUT_GRAVITY = re.compile("body|user|linear", re.IGNORECASE)
# A file's rate is seen in its first chunks of rows.
_CHUNKS_LOOKED_AT = 8

SAME_NAMES: Mapping[str, str] = MappingProxyType({})
TIMES = {"time_s": "s", "time_ms": "ms", "time_us": "us", "time_ns": "ns"}


def named_windows(
    path: Path,
    spec: SignalSpec,
    overlap: float,
    ledger: Ledger,
    *,
    rate_hz: float | None = None,
    renamed: Mapping[str, str] = SAME_NAMES,
    columns: pa.Table | None = None,
) -> Iterator[Window]:
    """Cut a CSV or Parquet file, or a table in memory, into windows of `spec`.

    Args:
        path: the file; for a table in memory, what messages call it.
        spec: what the windows are to be; modalities that are not there are absent.
        overlap: share of a window that the next one repeats, 0 up to below 1.
        ledger: counts what becomes of rows and windows, once all windows are taken.
        rate_hz: samples a second; the time column's where None, and of a file without one the
            spec's.
        renamed: `<modality>.<channel>` -> a column of another name.
        columns: the table in memory.
    """
    check_rate_hz(rate_hz)
    table = table_for(path, spec, overlap, renamed, columns)
    names = column_names(path) if columns is None else tuple(columns.column_names)
    _log_ignored_columns(path, table, names, spec if columns is None else None)
    if not (table.clock.columns or rate_hz):
        _tell_untimed(path, table, file=columns is None)
    return _cut(path, table, ledger, rate_hz, columns)


def check_rate_hz(rate_hz: float | None) -> None:
    """Refuse what is no rate."""
    if rate_hz is not None and not 0 < rate_hz < np.inf:
        raise ConfigError(f"rate_hz must be samples a second, above 0, got {rate_hz!r}")


def _log_ignored_columns(
    path: Path, table: Table, names: tuple[str, ...], mappable: SignalSpec | None
) -> None:
    """Tell which columns are not read: a clock or sensor of another name would be missed."""
    read = {column for entry in table.modalities for column in entry.columns}
    read |= {*table.clock.columns, "subject", "label"}
    if others := [name for name in names if name not in read]:
        absent = [n for n in mappable.names if n not in table.spec.names] if mappable else ()
        words = propose_map(others, mappable.subset(absent)) if mappable and absent else ""
        advice = f"; if they are its sensors, say --map {words}" * (words[:2] not in ("", "S="))
        logger.info("%s: the columns %s are not read%s", path.name, listed(others), advice)


def _tell_untimed(path: Path, table: Table, *, file: bool) -> None:
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
    chunks = read_rows(path, table, ledger, TextNumbers(), columns)
    if table.clock.columns and not rate_hz:
        first = concat_rows(list(islice(chunks, _CHUNKS_LOOKED_AT)))
        entries = (_observed(entry, first.times_s, first.values) for entry in table.modalities)
        table = replace(table, modalities=tuple(entries))
        chunks = chain([first], chunks)
    for run in runs_of_people(chunks, table):
        for recording, state in RecordingJoiner([Stream(run, table)], table, ledger).parts():
            yield from segment(
                recording, table.spec, overlap=table.overlap, label_rule="none", ledger=ledger,
                state=state,
            )  # fmt: skip


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


def table_for(
    path: Path,
    spec: SignalSpec,
    overlap: float = 0.0,
    renamed: Mapping[str, str] = SAME_NAMES,
    columns: pa.Table | None = None,
) -> Table:
    """Describe a file, or a table in memory, by the names of its columns."""
    channels = [f"{m.name}.{name}" for m in spec.modalities for name in m.channel_names]
    if strange := [name for name in renamed if name not in channels]:
        raise SpecError(f"unknown channel {strange[0]!r}; the spec has {listed(channels)}")
    if path.suffix == ".npz":
        whole = tuple(_entry(m, m.channel_names) for m in spec.modalities)
        return Table(spec=spec, modalities=whole, labelled=False, overlap=overlap)
    names = column_names(path) if columns is None else tuple(columns.column_names)
    if absent := [column for column in renamed.values() if column not in names]:
        raise DataError(f"{path.name}: no column {absent[0]!r}; it has {listed(names)}")
    advice = "describe the file in a TABLE.yaml"
    if proposal := propose_map(names, spec):
        advice = f"say --map {proposal}"
    if columns is not None:
        advice = f"say columns={{{channels[0]!r}: 'ITS COLUMN'}}"
    entries = match_columns(names, spec, path, renamed, advice)
    return Table(
        spec=spec.subset(entry.modality.name for entry in entries),
        modalities=entries,
        clock=_clock(path, names, columns),
        subject=("column", "subject") if "subject" in names else ("value", "unknown"),
        labelled=False,
        overlap=overlap,
    )


def match_columns(
    names: Sequence[str], spec: SignalSpec, path: Path, renamed: Mapping[str, str], advice: str
) -> tuple[TableModality, ...]:
    """Find the columns of the spec's modalities; those without any are left out.

    Raises:
        DataError: there are none, with the advice, or a modality lacks some.
    """
    matches = [_match(modality, spec, names, path, renamed) for modality in spec.modalities]
    entries = tuple(entry for entry in matches if entry is not None)
    if not entries:
        expected = ", ".join(_names(spec.modalities[0], spec)[0])
        raise DataError(
            f"{path.name} has the columns {listed(names)}; expected the spec's channels, for "
            f"example {expected}; rename them, or {advice}"
        )
    return entries


def propose_map(names: Sequence[str], spec: SignalSpec) -> str:
    """Name sensors of three axes in the columns, and what each may stand for; '' for none."""
    ours = [m.name for m in spec.modalities if len(m.channels) == 3]
    theirs = [
        name[:-1].rstrip("._")
        for name in names
        if name.endswith("x") and {name[:-1] + axis for axis in "yz"} <= set(names)
    ]
    theirs = [name for name in theirs if name]
    if not (ours and theirs):
        return ""
    pairs = [pair for kind in KINDS for pair in _pairs_of(kind, ours, theirs)]
    if not pairs and len(ours) == 1:
        pairs = [(ours[0], theirs[0])]
    if pairs:
        return " ".join(f"{mine}={other}" for mine, other in pairs)
    return f"S={theirs[0]}, S of {listed(ours)}"


def _pairs_of(
    kind: re.Pattern[str], ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Pair sensors of one kind, with gravity and without apart where there are both."""
    mine, others = ([n for n in names if kind.search(n)] for names in (ours, theirs))
    for name in mine:
        free = bool(WITHOUT_GRAVITY.search(name))
        like = [other for other in others if bool(WITHOUT_GRAVITY.search(other)) == free]
        if chosen := like or (others if len(mine) == 1 else []):
            other = chosen[0]
            others.remove(other)
            yield name, other


def _match(
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


def _clock(path: Path, names: Sequence[str], columns: pa.Table | None) -> TableClock:
    for name, unit in TIMES.items():
        if name in names:
            return TableClock(columns=(name,), unit=unit)
    for name in ("time", "timestamp"):
        if name in names:
            start = columns or next(column_chunks(path, [name], rows=1000))
            first = texts(start.slice(0, 1), name, path)[0] or ""
            return TableClock(columns=(name,), unit="s" if is_number(first) else "iso")
    return TableClock()
