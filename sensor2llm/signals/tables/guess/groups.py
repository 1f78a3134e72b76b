"""Files of one kind, and what a sample of them says: a device's rows, or labels."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sensor2llm.errors import DataError
from sensor2llm.signals.tables.description import SAMPLES
from sensor2llm.signals.tables.formats.arrays import open_arrays
from sensor2llm.signals.tables.formats.kinds import FEATHER, PARQUET, is_array_file, is_workbook
from sensor2llm.signals.tables.formats.parquet import first_rows
from sensor2llm.signals.tables.formats.stored_array import is_vector, take
from sensor2llm.signals.tables.formats.workbook import open_sheet
from sensor2llm.signals.tables.formats.zipped import on_disk
from sensor2llm.signals.tables.guess.clock import ClockGuess, clock_of, guess_clock, is_time
from sensor2llm.signals.tables.guess.paths import PLACES
from sensor2llm.signals.tables.guess.sensors import (
    SensorGuess,
    guess_sensors,
    not_measured,
    sensor_of,
)
from sensor2llm.signals.tables.guess.text_head import TableSample, read_text_head
from sensor2llm.signals.tables.layout import DEFAULT_LAYOUT

_LABEL = re.compile(
    "label|activity|class|state|stage|condition|annotation|event|task|posture|what|target"
    "|behavio", re.I
)  # fmt: skip
_PERSON = re.compile(
    "^(subject|person|participant|user|patient|proband|who|pid|id|name)s?([ _-]?(id|nr|no))?$", re.I
)
# What arrays of labels and people are called beside that.
_TARGETS, _GROUPS = ("y", "Y", "y_train", "y_test", "targets"), ("groups", "group")
_START, _STOP = (re.compile(words, re.I) for words in
                 ("start|begin|onset|^from", "stop|end|offset|^to$|until"))  # fmt: skip
_FRACTION = re.compile(r"[-+]?\d*[.,]\d*[1-9]\d*")
_DURATION = re.compile("duration|length|lasts", re.I)
_DEVICE = re.compile(
    "(acc|gyr|mag|ecg|eeg|ppg|bvp|eda|gsr|temp|heart|hr|ibi|rr|imu|spo2|resp)", re.I
)
_DEVICES = re.compile("accelerom|gyroscop|magnetom|accelerat", re.I)
_MOST_ROWS, _MOST_CLASSES, _FEWEST_ROWS, _MOST_WINDOWS = 20_000, 50, 5, 200
# Empatica's E4: what its files are called, and what one count is.
_E4 = {"ACC": ("g", 1 / 64), "BVP": ("1", 1.0), "EDA": ("uS", 1.0), "TEMP": ("degC", 1.0),
       "HR": ("bpm", 1.0)}  # fmt: skip


@dataclass(frozen=True)
class GroupGuess:
    """Hold files of one kind and what was guessed of them."""

    paths: tuple[Path, ...]
    sample: TableSample
    clock: ClockGuess | None
    label: str | None
    person: str | None
    sensors: tuple[SensorGuess, ...]
    annotations: dict[str, str] | None = None
    """The keys of labels that have a file of their own."""
    label_named: bool = True
    """Whether the label's column is called as labels are."""
    unread: dict[str, str] = field(default_factory=dict)
    """Columns that are not read, and why."""


def group_files(paths: Sequence[Path]) -> list[GroupGuess]:
    """Put files of the same columns and device together, and guess what they hold."""
    groups: dict[tuple[Any, ...], list[Path]] = defaultdict(list)
    samples: dict[tuple[Any, ...], TableSample] = {}
    for path in paths:
        sample = TableSample(path, (), {}) if is_array_file(path) else read_sample(path)
        words = _DEVICE.findall(path.stem) + re.findall(PLACES, path.stem)
        device = tuple(sorted(word.lower() for word in words))
        key = (path.suffix, sample.names, device)
        groups[key].append(path)
        samples.setdefault(key, sample)
    return [
        guess_arrays(tuple(group))
        if is_array_file(group[0])
        else _guess(tuple(group), samples[key])
        for key, group in groups.items()
    ]


def guess_arrays(paths: tuple[Path, ...]) -> GroupGuess:
    """Guess which arrays of a file are windows, labels and people."""
    with on_disk(paths[0]) as place:
        with open_arrays(place, ()) as (names, _):
            wanted = names[:_MOST_CLASSES]
        with open_arrays(place, wanted) as (_, arrays):
            shapes = {name: array.shape for name, array in arrays.items()}
            windows = {name: take(array, 0, slice(0, _MOST_WINDOWS))
                       for name, array in arrays.items()
                       if len(array.shape) == 3 and array.dtype.kind in "iuf"}  # fmt: skip
    ones = [name for name in arrays if name not in windows and is_vector(shapes[name])]
    turned = any(array.shape[1] > array.shape[2] for array in windows.values())
    layout = {"axes": ["window", "step", "channel"]} if turned else {}
    sensors = []
    for name, array in windows.items():
        values = np.concatenate(list(np.moveaxis(array, 1, 2) if turned else array), axis=1)
        columns = {f"{name}_{i}": row.astype(float) for i, row in enumerate(values)}
        sample = TableSample(paths[0].with_stem(name), tuple(columns), {})
        sensor = sensor_of(name, sample, columns)
        sensors.append(replace(sensor, array=name, steps=values.shape[1] // len(array)))
    label = next((name for name in ones if _LABEL.search(name) or name in _TARGETS), None)
    person = next((name for name in ones if _PERSON.search(name) or name in _GROUPS), None)
    sample = TableSample(paths[0], tuple(names), {}, layout)
    return GroupGuess(paths, sample, None, label, person, tuple(sensors))


def read_sample(path: Path) -> TableSample:
    """Read the first rows of any table as texts."""
    with on_disk(path) as place:
        if path.suffix in (*PARQUET, *FEATHER):
            table = first_rows(place, _MOST_ROWS)
        elif is_workbook(place):
            sheet = open_sheet(place, DEFAULT_LAYOUT)
            table = next(sheet.tables(_MOST_ROWS), None)
            if table is None:
                raise DataError(f"{path.name} has a header and no rows; leave it out")
        else:
            return read_text_head(path, place)
    names = tuple(dict.fromkeys(table.column_names))
    columns = {name: _texts(table.column(table.column_names.index(name))) for name in names}
    return TableSample(path, names, columns)


def _texts(column: pa.ChunkedArray) -> list[str]:
    try:
        return [cell or "" for cell in pc.cast(column, pa.string()).to_pylist()]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        return [""] * len(column)


def _guess(paths: tuple[Path, ...], sample: TableSample) -> GroupGuess:
    if (e4 := _empatica(paths, sample)) is not None:
        return e4
    whole, label = sample, None
    person = next((n for n in whole.names if _PERSON.search(n) and _few(whole.columns[n])), None)
    if person:
        # Rows of several people may alternate; rates are those of one.
        first = next(filter(None, whole.columns[person]))
        sample = whole.rows([cell == first for cell in whole.columns[person]])
    clock = guess_clock(sample)
    rest = [n for n in sample.names if n != person and not (clock and n in clock.columns)]
    label = next((n for n in rest if _LABEL.search(n) and _few(whole.columns[n])), None)
    comma = sample.layout.get("decimal") == ","
    others = {n: why for n in rest if n != label
              and (why := _unread(n, whole.columns[n], comma, clock is not None))}  # fmt: skip
    words = [n for n in others if _few(whole.columns[n]) and _is_word(whole.columns[n])]
    if apart := next((n for n in words if _DEVICES.search(" ".join(whole.columns[n]))), None):
        raise DataError(
            f"{sample.path.name}: each row is of the sensor that {apart!r} names; rows of several "
            "sensors are not read: write a file a sensor"
        )
    named = label is not None
    if not named and words:
        label = words[0]
        del others[label]
    rest = [n for n in rest if n != label and n not in others]
    timed = clock is not None and clock.key.get("unit") != SAMPLES
    sensors = tuple(guess_sensors(sample, rest, clock.times_s if clock and timed else None))
    ends = {"stop": _named(_STOP, sample.names), "duration": _named(_DURATION, sample.names)}
    start = _named(_START, sample.names) or (clock.columns[0] if clock else None)
    times = {start, *ends.values()}
    if named and start and not any(set(sensor.units) - times for sensor in sensors):
        keys = {"start": start, **{key: name for key, name in ends.items() if name}}
        keys = dict(list(keys.items())[:2]) | {"label": str(label)}
        return GroupGuess(paths, whole, clock_of(whole, start), label, person, (), keys)
    return GroupGuess(
        paths, sample, clock, label, person, sensors, label_named=named, unread=others
    )


def _unread(name: str, cells: Sequence[str], comma: bool, timed: bool) -> str:
    """Say why a column is no sensor's; '' where it may be one, and where it is empty."""
    if not any(cells):
        return ""
    clock = "it is another clock" if timed else "it is called as a clock is, and is none"
    return not_measured(name, cells, comma) or (clock if is_time(name) else "")


def _is_word(cells: Sequence[str]) -> bool:
    return all(re.search(r"[^\W\d]", cell) for cell in set(cells) - {""})


def _named(rule: re.Pattern[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if rule.search(name)), None)


def _few(cells: Sequence[str]) -> bool:
    """Say whether cells are of a few kinds, and no measured numbers."""
    kinds = set(cells) - {""}
    return 0 < len(kinds) <= _MOST_CLASSES and not all(map(_FRACTION.fullmatch, kinds))


def _empatica(paths: tuple[Path, ...], sample: TableSample) -> GroupGuess | None:
    """Recognise a start, a rate, and rows: Empatica's layout, whose files have these names."""
    name, cells = sample.path.name.split(".")[0].upper(), list(sample.columns.values())
    if name not in _E4 or sample.layout.get("header", True) or len(cells[0]) < _FEWEST_ROWS:
        return None
    start, rate = float(cells[0][0]), float(cells[0][1])
    if not (1e9 < start < 2.5e9 and 0 < rate <= 1000):
        return None
    unit, scale = _E4[name]
    names = tuple("xyz") if len(cells) == 3 else (name.lower(),)
    values = np.array([[float(cell) for cell in column[2:]] for column in cells]) * scale
    key = {"rate_hz": rate, "unit": "s", "start": {"head": r"^([0-9]+[.]?[0-9]*)"}}
    times = start + np.arange(values.shape[1]) / rate
    why = "its first lines are a start and a rate, as Empatica's are"
    units = dict.fromkeys(names, unit)
    sensor = SensorGuess(name.lower(), units, rate, values, False, True, why, scale)
    layout = {"skip_rows": 2, "names": list(names)}
    written = TableSample(
        sample.path, names, dict(zip(names, (c[2:] for c in cells), strict=True)), layout
    )
    return GroupGuess(paths, written, ClockGuess(key, times, True, why), None, None, (sensor,))
