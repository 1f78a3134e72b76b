r"""The YAML description of one's own table: where the time, the sensors and the labels are.

The description lies beside the files, or names their folder:

    files: "walks/*.csv"              # CSV, Parquet, or .npz of ready windows; beside this file
    time: {column: t, unit: ms}       # s, ms, us, ns, days, iso, dmy, mdy; or [date, time] columns
    subject: {column: person}         # or {value: anna}, or {file: "(p\d+)"}: from file or folder
    label: activity                   # a column; may be left out
    labels: {1: walking, 2: sitting}  # or a list of the texts; may be left out
    missing: [-999]                   # what marks a missing value; more such keys: `layout`
    window_s: 5
    overlap: 0.5
    modalities:
      wrist_accel:
        rate_hz: 50
        columns: {ax: m/s^2, ay: m/s^2, az: m/s^2}   # column: unit
      heart:
        axis: event                   # one row a beat
        steps: 60
        columns: [{column: rr, name: interval, unit: ms}]
      person:
        axis: none                    # a row of values; low and high say what can be
        columns: [{column: age, unit: years, low: 20, high: 80}]

Anything else in it is an error that names what is known.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from sensor2llm.errors import SpecError
from sensor2llm.signals.spec import Axis, Channel, Modality, SignalSpec
from sensor2llm.signals.tables.description import Table, TableModality
from sensor2llm.signals.tables.fields import (
    check_keys,
    mapping,
    number,
    read_description,
    shown,
    text,
    texts,
    truth,
    whole,
)
from sensor2llm.signals.tables.layout import WORDS, TableLayout, is_encoding
from sensor2llm.signals.tables.rows import label_key
from sensor2llm.signals.tables.times import DATE_UNITS, TIME_UNITS

_LAYOUT_KEYS = ("delimiter", "decimal", "encoding", "skip_rows", "comment", "units_row", "names",
                "missing")  # fmt: skip
_KEYS = ("files", "time", "subject", "label", "labels", "window_s", "overlap", "modalities",
         *_LAYOUT_KEYS)  # fmt: skip
_MODALITY_KEYS = ("columns", "rate_hz", "resample_hz", "axis", "steps", "max_gap_s", "optional")
_SUBJECT_KEYS = ("column", "value", "file")
# Of one window of one modality: more is a slip, and would not fit into memory many times over.
_MOST_VALUES = 1 << 24


def load(path: Path, window_s: float | None = None, overlap: float | None = None) -> Table:
    """Read a description; `window_s` and `overlap` replace the ones in the file.

    Raises:
        SpecError: For a key, unit, axis or rate that cannot be; names what is expected.
        DataError: For a file that is missing or no YAML.
    """
    plain = read_description(path)
    check_keys(plain, _KEYS, required=("files", "modalities"), where=path.name)
    length = window_s if window_s is not None else plain.get("window_s")
    entries = mapping(plain["modalities"], "modalities")
    modalities = tuple(_modality(text(name, "the name of a modality"), entry, length)
                       for name, entry in entries.items())  # fmt: skip
    timed = any(entry.modality.axis == "time" for entry in modalities)
    time, unit = _time(plain.get("time"), timed)
    share = overlap if overlap is not None else number(plain.get("overlap", 0.0), "overlap")
    if not 0 <= share < 1:
        raise SpecError(f"overlap must be from 0 to below 1, got {share!r}")
    label = plain.get("label")
    return Table(
        spec=SignalSpec(
            modalities=tuple(entry.modality for entry in modalities),
            window_s=float(length) if timed else None,
        ),
        modalities=modalities,
        files=_files(plain["files"]),
        time=time,
        time_unit=unit,
        subject=_subject(plain.get("subject")),
        label=None if label is None else text(label, "label (the name of a column)"),
        labels=_labels(plain.get("labels")),
        overlap=share,
        layout=_layout({key: plain[key] for key in _LAYOUT_KEYS if plain.get(key) is not None}),
    )


def _modality(name: str, entry: Any, window_s: Any) -> TableModality:
    where = f"modality '{name}'"
    check_keys(entry, _MODALITY_KEYS, required=("columns",), where=where)
    columns, channels = _columns(entry["columns"], where)
    axis = entry.get("axis", "time")
    if axis not in get_args(Axis):
        raise SpecError(
            f"unknown axis {shown(axis)} of {name!r}; choose from {', '.join(get_args(Axis))}"
        )
    rate, new_rate = _rates(entry, axis, where)
    steps = whole(entry.get("steps", 1), f"steps of {where}", least=1)
    if axis == "time":
        if window_s is None or number(window_s, "window_s") <= 0:
            raise SpecError(
                f"{where} has a time axis, so window_s must be positive, got {shown(window_s)}"
            )
        values = number(window_s, "window_s") * (new_rate or 0.0)
        steps = round(min(values, _MOST_VALUES + 1))
    if steps * len(channels) > _MOST_VALUES:
        raise SpecError(
            f"a window of {where} would hold more than {_MOST_VALUES} values; are window_s, steps "
            "and rates right?"
        )
    gap = number(entry.get("max_gap_s", max(0.1, 3 / (rate or math.inf))), f"max_gap_s of {where}")
    return TableModality(
        modality=Modality(name=name, channels=channels, steps=steps, axis=axis, rate_hz=new_rate),
        columns=columns,
        rate_hz=rate,
        max_gap_s=gap,
        optional=truth(entry.get("optional", False), f"optional of {where}"),
    )


def _rates(entry: Mapping[str, Any], axis: Any, where: str) -> tuple[float | None, float | None]:
    """Give the rate of the rows, and the one that windows have."""
    plain = entry.get("rate_hz")
    if isinstance(plain, list):
        raise SpecError(f"{where} has two rates {shown(plain)}; a modality has one: split it")
    rate = None if plain is None else number(plain, f"rate_hz of {where}")
    if axis == "time" and (rate is None or rate <= 0):
        raise SpecError(f"{where} needs rate_hz above 0, got {shown(plain)}")
    return rate, number(entry.get("resample_hz", rate or 0), f"resample_hz of {where}") or None


def _columns(plain: Any, where: str) -> tuple[tuple[str, ...], tuple[Channel, ...]]:
    if isinstance(plain, Mapping):
        plain = [{"column": column, "unit": unit} for column, unit in plain.items()]
    if not isinstance(plain, list) or not plain:
        raise SpecError(
            f"columns of {where} must be a mapping of column to unit, got {shown(plain)}"
        )
    for entry in plain:
        check_keys(
            entry,
            ("column", "name", "unit", "low", "high"),
            required=("column", "unit"),
            where=f"columns of {where}",
        )
        if not isinstance(entry["unit"], str) or not entry["unit"].strip():
            raise SpecError(
                f"column {shown(entry['column'])} of {where} needs a unit, for example g or m/s^2 "
                f"('1' where it has none), got {shown(entry['unit'])}"
            )
    columns = tuple(text(entry["column"], f"a column of {where}") for entry in plain)
    channels = tuple(
        Channel(
            name=text(entry.get("name", column), f"the name of column {column!r}"),
            unit=text(entry["unit"], f"the unit of column {column!r}"),
            **_bounds(entry, where),
        )
        for column, entry in zip(columns, plain, strict=True)
    )
    return columns, channels


def _bounds(entry: Mapping[str, Any], where: str) -> dict[str, float]:
    """Read the least and the greatest value that a column can have, where they are set."""
    return {
        bound: number(entry[bound], f"{bound} of column {shown(entry['column'])} of {where}")
        for bound in ("low", "high")
        if entry.get(bound) is not None
    }


def _files(plain: Any) -> tuple[str, ...]:
    patterns = [plain] if isinstance(plain, str) else plain
    if not isinstance(patterns, list) or not all(isinstance(p, str) and p for p in patterns):
        patterns = []
    if not patterns:
        raise SpecError(
            f"files must be a file name, a pattern or a list of them, got {shown(plain)}"
        )
    return tuple(text(pattern, "files") for pattern in patterns)


def _time(plain: Any, timed: bool) -> tuple[tuple[str, ...], str]:
    if plain is None:
        if timed:
            raise SpecError(
                "a modality with a time axis needs time: {column: NAME, unit: ms}; name the "
                "columns of a file without a header line with names: [NAME, ...], and give a file "
                "without a clock a time column"
            )
        return (), "s"
    check_keys(plain, ("column", "unit"), required=("column", "unit"), where="time")
    unit, units = plain["unit"], (*TIME_UNITS, *DATE_UNITS)
    if not isinstance(unit, str) or unit not in units:
        raise SpecError(f"unknown time unit {shown(unit)}; choose from {', '.join(units)}")
    columns = texts(plain["column"], "the column of time")
    if len(columns) > 1 and unit not in DATE_UNITS:
        raise SpecError(
            f"time in the columns {', '.join(columns)} needs a unit in {', '.join(DATE_UNITS)}, "
            f"got {unit!r}"
        )
    return columns, unit


def _subject(plain: Any) -> tuple[str, str]:
    if isinstance(plain, str):
        return "column", text(plain, "subject")
    if not isinstance(plain, Mapping) or len(plain) != 1 or next(iter(plain)) not in _SUBJECT_KEYS:
        raise SpecError(
            f"subject must be one of {{column: NAME}}, {{value: NAME}} or {{file: REGEX}}, got "
            f"{shown(plain)}; splits are by subject"
        )
    kind, value = next(iter(plain.items()))
    return str(kind), text(value, f"{kind} of subject")


def _labels(plain: Any) -> dict[str, str] | None:
    """Read the texts of the labels by the cells that stand for them, each in one spelling."""
    if plain is None:
        return None
    if isinstance(plain, list):
        plain = {text(entry, "an entry of labels"): entry for entry in plain}
    return {
        label_key(text(cell, "a cell of labels")): text(entry, f"the label of {shown(cell)}")
        for cell, entry in mapping(plain, "labels").items()
    }


def _layout(plain: Mapping[str, Any]) -> TableLayout:
    delimiter = plain.get("delimiter", ",")
    delimiter = WORDS.get(delimiter, delimiter) if isinstance(delimiter, str) else delimiter
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise SpecError(
            f"delimiter must be one character or one of {', '.join(WORDS)}, got {shown(delimiter)}"
        )
    encoding = plain.get("encoding")
    if encoding is not None and not (isinstance(encoding, str) and is_encoding(encoding)):
        raise SpecError(
            f"unknown encoding {shown(encoding)}; write utf-8, utf-16, latin-1, cp1252, ..."
        )
    decimal = plain.get("decimal", ".")
    if decimal not in (".", ",") or decimal == delimiter:
        raise SpecError(
            f"decimal must be '.' or ',' and no delimiter, got {shown(decimal)} and delimiter "
            f"{delimiter!r}"
        )
    return TableLayout(
        delimiter=delimiter,
        decimal=decimal,
        encoding=encoding,
        skip_rows=whole(plain.get("skip_rows", 0), "skip_rows"),
        comment=text(plain["comment"], "comment") if "comment" in plain else "",
        units_row=truth(plain.get("units_row", False), "units_row"),
        names=texts(plain["names"], "names") if "names" in plain else (),
        missing=_missing(plain["missing"]) if "missing" in plain else None,
    )


def _missing(plain: Any) -> tuple[str | float, ...]:
    """Read what marks a missing value, each as a text and, where it is one, as a number."""
    entries = plain if isinstance(plain, list) else [plain]
    words = [text(entry, "an entry of missing") for entry in entries]
    numbers = [number(entry, "missing") for entry in entries if isinstance(entry, int | float)]
    return (*words, *numbers)
