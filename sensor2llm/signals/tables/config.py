r"""The YAML description of one's own table: where the time, the sensors and the labels are.

The description lies beside the files, or names their folder:

    files: "walks/*.csv"              # CSV, Parquet, or .npz of ready windows; beside this file
    time: {column: t, unit: ms}       # or a format, a zone, a counter, a rate: see `keys.clock`
    subject: {column: person}         # or {value: anna}, or {file: "(p\d+)"}: from file or folder
    label: activity                   # a column, or a pattern on the path; may be left out
    labels: {1: walking, 2: sitting}  # or a list of the texts; may be left out
    exclude: [transition]             # labels whose windows are left out
    annotations: {file: labels.csv, start: start, stop: stop, label: label}   # see `keys.origin`
    missing: [-999]                   # what marks a missing value; more such keys: `layout`
    window_s: 5
    overlap: 0.5
    modalities:
      wrist_accel:
        rate_hz: 50
        columns: {ax: m/s^2, ay: m/s^2, az: m/s^2}   # column: unit
      chest_accel:
        files: "chest/*.txt"          # a file a device: joined on time, person by person
        offset_s: 3600                # where its clock is an hour late; it may have its own `time`
        rate_hz: 100
        columns: [{column: x, unit: g, scale: 0.015625}]   # counts of 1/64 g
      heart:
        axis: event                   # one row a beat
        steps: 60
        columns: [{column: rr, name: interval, unit: ms}]
      person:
        axis: none                    # a row of values; low and high say what can be
        columns: [{column: age, unit: years, low: 20, high: 80}]

Arrays have the modality's name, or `array: X`; with `rows: windows`, each row is a window, and a
column is a pattern (`x_*`) or a range (`x1..x250`). Anything else is an error that names what is
known.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from sensor2llm.errors import SpecError
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.tables.description import Table, TableModality, TableSource
from sensor2llm.signals.tables.fields import (
    check_keys,
    mapping,
    number,
    read_description,
    shown,
    text,
    texts,
)
from sensor2llm.signals.tables.formats.kinds import ARRAYS
from sensor2llm.signals.tables.keys.clock import NEEDED, clock
from sensor2llm.signals.tables.keys.layout import KEYS as LAYOUT_KEYS
from sensor2llm.signals.tables.keys.layout import table_layout
from sensor2llm.signals.tables.keys.modality import table_modality
from sensor2llm.signals.tables.keys.origin import annotations, files, labels, own_source, rule

_KEYS = ("files", "time", "subject", "label", "labels", "exclude", "annotations", "window_s",
         "overlap", "rows", "modalities", *LAYOUT_KEYS)  # fmt: skip


def load(path: Path, window_s: float | None = None, overlap: float | None = None) -> Table:
    """Read a description; `window_s` and `overlap` replace the ones in the file.

    Raises:
        SpecError: For a key, unit, axis or rate that cannot be; names what is expected.
        DataError: For a file that is missing or no YAML.
    """
    plain = read_description(path)
    check_keys(plain, _KEYS, required=("modalities",), where=path.name)
    length = window_s if window_s is not None else plain.get("window_s")
    source = TableSource(
        files=_files(plain, path.name),
        clock=clock(plain.get("time"), needed=False),
        subject=rule(plain.get("subject"), "subject"),
        layout=table_layout(plain),
    )
    whole_rows = _rows(plain.get("rows"))
    modalities = _modalities(plain["modalities"], length, source, timed_rows=not whole_rows)
    timed = any(entry.modality.axis == "time" for entry in modalities)
    if whole_rows and (plain.get("annotations") or any(entry.source for entry in modalities)):
        raise SpecError(
            "with rows: windows each row has its label and all sensors; leave annotations and the "
            "modalities' own files and time out"
        )
    label = plain.get("label")
    excluded = plain.get("exclude")
    return Table(
        spec=SignalSpec(
            modalities=tuple(entry.modality for entry in modalities),
            window_s=float(length) if timed else None,
        ),
        modalities=modalities,
        files=source.files,
        clock=source.clock,
        subject=source.subject,
        layout=source.layout,
        label=None if label is None else rule(label, "label"),
        labels=labels(plain.get("labels")),
        exclude=() if excluded is None else texts(excluded, "exclude"),
        annotations=annotations(plain.get("annotations"), source),
        rows_are_windows=whole_rows,
        overlap=_overlap(plain.get("overlap", 0.0) if overlap is None else overlap),
    )


def _overlap(plain: Any) -> float:
    share = number(plain, "overlap")
    if not 0 <= share < 1:
        raise SpecError(f"overlap must be from 0 to below 1, got {share!r}")
    return share


def _files(plain: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Read the table's files; where every modality has its own, there need be none."""
    entries = mapping(plain["modalities"], "modalities").values()
    own = [isinstance(entry, Mapping) and bool(entry.get("files")) for entry in entries]
    if plain.get("files") is None and own and all(own):
        return ()
    if plain.get("files") is None:
        raise SpecError(f"{name}: the key 'files' is missing")
    return files(plain["files"])


def _rows(plain: Any) -> bool:
    if plain not in (None, "windows"):
        raise SpecError(f"rows can be 'windows', where each row is one, got {shown(plain)}")
    return plain is not None


def _modalities(
    plain: Any, window_s: Any, table: TableSource, *, timed_rows: bool
) -> tuple[TableModality, ...]:
    modalities = []
    for name, entry in mapping(plain, "modalities").items():
        modality = table_modality(text(name, "the name of a modality"), entry, window_s)
        source = own_source(entry, table, f"modality '{name}'")
        used = source or table
        arrays = all(PurePath(pattern).suffix in ARRAYS for pattern in used.files)
        untimed = not (used.clock.columns or used.clock.unit == "samples" or arrays)
        if timed_rows and untimed and modality.modality.axis == "time":
            raise SpecError(NEEDED)
        modalities.append(replace(modality, source=source))
    return tuple(modalities)
