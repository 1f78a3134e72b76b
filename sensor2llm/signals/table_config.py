r"""The YAML description of one's own table: where the time, the sensors and the labels are.

The description lies beside the files, or names their folder:

    files: "walks/*.csv"              # CSV, Parquet, or .npz of ready windows; beside this file
    time: {column: t, unit: ms}       # s, ms, us, ns or iso
    subject: {column: person}         # or {value: anna}, or {file: "(p\d+)_.*"}: from the name
    label: activity                   # a column; may be left out
    labels: {1: walking, 2: sitting}  # or a list of the texts; may be left out
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.spec import Channel, Modality, SignalSpec

TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "iso": 1.0}
_KEYS = ("files", "time", "subject", "label", "labels", "window_s", "overlap", "delimiter",
         "modalities")  # fmt: skip
_MODALITY_KEYS = ("columns", "rate_hz", "resample_hz", "axis", "steps", "max_gap_s", "optional")
_SUBJECT_KEYS = ("column", "value", "file")


@dataclass(frozen=True, kw_only=True)
class TableModality:
    """A modality of the windows and the columns that it is read from."""

    modality: Modality
    columns: tuple[str, ...]
    """Column of each channel, in the channels' order."""
    rate_hz: float | None = None
    """Rate of the rows, before `resample_hz`."""
    max_gap_s: float = 0.1
    """The longest pause that is bridged."""
    optional: bool = False
    """Whether a file may lack the columns."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Describe a table of recordings; see this module for the YAML that it is read from."""

    spec: SignalSpec
    modalities: tuple[TableModality, ...]
    files: tuple[str, ...] = ()
    time: str | None = None
    time_unit: str = "s"
    subject: tuple[str, str] = ("value", "unknown")
    """Kind (`column`, `value` or `file`) and what it is."""
    label: str | None = None
    labels: Mapping[str, str] | None = None
    """Text of each cell of the label column; `None` takes the cells as they are."""
    overlap: float = 0.0
    delimiter: str = ","


def load(path: Path, window_s: float | None = None, overlap: float | None = None) -> Table:
    """Read a description; `window_s` and `overlap` replace the ones in the file.

    Raises:
        SpecError: For a key, unit, axis or rate that cannot be; names what is expected.
        DataError: For a file that is missing or no YAML.
    """
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; see the docstring of table_config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is no YAML: {' '.join(str(error).split())}") from error
    _keys(plain, _KEYS, required=("files", "modalities"), where=path.name)
    given = window_s if window_s is not None else plain.get("window_s")
    entries = _mapping(plain["modalities"], "modalities")
    modalities = tuple(_modality(str(name), entry, given) for name, entry in entries.items())
    timed = any(entry.modality.axis == "time" for entry in modalities)
    time, unit = _time(plain.get("time"), timed)
    share = overlap if overlap is not None else _number(plain.get("overlap", 0.0), "overlap")
    if not 0 <= share < 1:
        raise SpecError(f"overlap must be from 0 to below 1, got {share:g}")
    return Table(
        spec=SignalSpec(
            modalities=tuple(entry.modality for entry in modalities),
            window_s=float(given) if timed else None,
        ),
        modalities=modalities,
        files=_texts(plain["files"], "files"),
        time=time,
        time_unit=unit,
        subject=_subject(plain.get("subject")),
        label=plain.get("label"),
        labels=_labels(plain.get("labels")),
        overlap=share,
        delimiter=str(plain.get("delimiter", ",")),
    )


def _modality(name: str, entry: Any, window_s: Any) -> TableModality:
    where = f"modality '{name}'"
    _keys(entry, _MODALITY_KEYS, required=("columns",), where=where)
    columns, channels = _columns(entry["columns"], where)
    axis = entry.get("axis", "time")
    if isinstance(entry.get("rate_hz"), list):
        raise SpecError(
            f"{where} has two rates {entry['rate_hz']}; a modality has one: split it into two"
        )
    rate = (
        None if entry.get("rate_hz") is None else _number(entry["rate_hz"], f"rate_hz of {where}")
    )
    if axis == "time" and (rate is None or rate <= 0):
        raise SpecError(f"{where} needs rate_hz above 0, got {entry.get('rate_hz')}")
    new_rate = _number(entry.get("resample_hz", rate or 0), f"resample_hz of {where}") or None
    steps = entry.get("steps", 1)
    if axis == "time":
        if window_s is None or _number(window_s, "window_s") <= 0:
            raise SpecError(
                f"{where} has a time axis, so window_s must be positive, got {window_s}"
            )
        steps = round(float(window_s) * (new_rate or 0.0))
    gap = _number(entry.get("max_gap_s", max(0.1, 3 / (rate or math.inf))), f"max_gap_s of {where}")
    return TableModality(
        modality=Modality(name=name, channels=channels, steps=steps, axis=axis, rate_hz=new_rate),
        columns=columns,
        rate_hz=rate,
        max_gap_s=gap,
        optional=bool(entry.get("optional", False)),
    )


def _columns(plain: Any, where: str) -> tuple[tuple[str, ...], tuple[Channel, ...]]:
    if isinstance(plain, Mapping):
        plain = [{"column": column, "unit": unit} for column, unit in plain.items()]
    if not isinstance(plain, list) or not plain:
        raise SpecError(f"columns of {where} must be a mapping of column to unit, got {plain!r}")
    for entry in plain:
        _keys(
            entry,
            ("column", "name", "unit", "low", "high"),
            required=("column", "unit"),
            where=f"columns of {where}",
        )
        if not isinstance(entry["unit"], str) or not entry["unit"].strip():
            raise SpecError(
                f"column {entry['column']!r} of {where} needs a unit, for example g or m/s^2 "
                f"('1' where it has none), got {entry['unit']!r}"
            )
    channels = tuple(
        Channel(
            name=str(entry.get("name", entry["column"])),
            unit=entry["unit"],
            **_bounds(entry, where),
        )
        for entry in plain
    )
    return tuple(str(entry["column"]) for entry in plain), channels


def _bounds(entry: Mapping[str, Any], where: str) -> dict[str, float]:
    """Read the least and the greatest value that a column can have, where they are given."""
    return {
        bound: _number(entry[bound], f"{bound} of column {entry['column']!r} of {where}")
        for bound in ("low", "high")
        if entry.get(bound) is not None
    }


def _time(plain: Any, timed: bool) -> tuple[str | None, str]:
    if plain is None:
        if timed:
            raise SpecError("a modality with a time axis needs time: {column: NAME, unit: ms}")
        return None, "s"
    _keys(plain, ("column", "unit"), required=("column", "unit"), where="time")
    if plain["unit"] not in TIME_UNITS:
        raise SpecError(f"unknown time unit {plain['unit']!r}; choose from {', '.join(TIME_UNITS)}")
    return str(plain["column"]), str(plain["unit"])


def _subject(plain: Any) -> tuple[str, str]:
    if isinstance(plain, str):
        return "column", plain
    if not isinstance(plain, Mapping) or len(plain) != 1 or next(iter(plain)) not in _SUBJECT_KEYS:
        raise SpecError(
            f"subject must be one of {{column: NAME}}, {{value: NAME}} or {{file: REGEX}}, got "
            f"{plain!r}; splits are by subject"
        )
    kind, value = next(iter(plain.items()))
    return str(kind), str(value)


def _labels(plain: Any) -> dict[str, str] | None:
    if plain is None:
        return None
    if isinstance(plain, list):
        return {str(text): str(text) for text in plain}
    return {str(cell): str(text) for cell, text in _mapping(plain, "labels").items()}


def _keys(plain: Any, known: Sequence[str], *, required: Sequence[str], where: str) -> None:
    for key in _mapping(plain, where):
        if key not in known:
            raise SpecError(f"{where}: unknown key {key!r}; choose from {', '.join(known)}")
    for key in required:
        if plain.get(key) is None:
            raise SpecError(f"{where}: the key '{key}' is missing")


def _mapping(plain: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(plain, Mapping):
        raise SpecError(f"{where} must be a mapping of keys to values, got {plain!r}")
    return plain


def _texts(plain: Any, where: str) -> tuple[str, ...]:
    texts = [plain] if isinstance(plain, str) else plain
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise SpecError(f"{where} must be a file name, a pattern or a list of them, got {plain!r}")
    return tuple(texts)


def _number(plain: Any, where: str) -> float:
    if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
        raise SpecError(f"{where} must be a number, got {plain!r}")
    return float(plain)
