"""Which columns of a sample are sensors, in which units and at which rates, by name and size."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sensor2llm.signals.modality import canonical_unit
from sensor2llm.signals.scale import GRAVITY
from sensor2llm.signals.tables.guess.text_head import TableSample, numbers_of
from sensor2llm.signals.tables.rows.rates import observed_rate_hz

# Kind -> how its columns are called, and the unit where their size does not say another.
_KINDS = {
    "accel": (r"acc|^a[xyz]$|_a[xyz]$|beschl", "g"),
    "gyro": (r"gyr|^g[xyz]$|^w[xyz]$|angular|rot", "deg/s"),
    "magnet": (r"mag|^m[xyz]$", "uT"), "ibi": (r"^rr|_rr|rri|ibi|^nn|r-r|interval", "ms"),
    "heart_rate": (r"heart|^hr$|hr$|bpm|pulse", "bpm"), "eda": (r"eda|gsr|skin_?cond", "uS"),
    "temperature": (r"temp", "degC"), "ecg": (r"ecg|ekg", "mV"), "eeg": (r"eeg", "uV"),
    "ppg": (r"ppg|bvp|pleth", "1"), "spo2": (r"spo2|oxy", "%"),
}  # fmt: skip
_IN_NAME = re.compile(r"[\[(]\s*([^\])]+?)\s*[\])]\s*$")
_AXIS = re.compile(
    r"[ _.\-]*(?<![A-Za-z])[xyz]$|(?<=[a-z_ ])[XYZ]$|(?<=^[agmw])[xyz]$|(?<=_[agmw])[xyz]$", re.I
)
# Which share of a column is numbers, and how many other cells it may have: marks of missing values.
_MEASURED, _MOST_MARKS = 0.9, 5
_NUMBERED, _LARGE = re.compile(r"(^|[_ ])(id|nr|no|number|serial|index)$", re.I), 1e6
_NICE = (1, 2, 4, 5, 8, 10, 12.5, 16, 20, 25, 26, 30, 32, 40, 50, 52, 60, 64, 75, 80, 100, 104, 120,
         125, 128, 130, 200, 208, 250, 256, 300, 400, 416, 500, 512, 700, 800, 1000, 1024,
         2000)  # fmt: skip


@dataclass(frozen=True)
class SensorGuess:
    """Hold one modality: its columns with units, its rate, and how sure that is."""

    name: str
    units: Mapping[str, str]
    rate_hz: float | None
    values: np.ndarray
    """Shape (channel, step), of the rows that it was measured in."""
    event: bool
    sure_units: bool
    why: str
    scale: float = 1.0
    marks: tuple[str, ...] = ()
    """Cells that are no numbers, and stand for a missing value."""
    array: str | None = None
    steps: int = 0
    """Steps of a window, where the file holds windows."""


def guess_sensors(
    sample: TableSample, columns: list[str], times_s: np.ndarray | None
) -> list[SensorGuess]:
    """Group the columns of a sample into modalities."""
    comma = sample.layout.get("decimal") == ","
    groups: dict[tuple[str, str, int], dict[str, np.ndarray]] = {}
    marks: dict[str, None] = {}
    for i, name in enumerate(columns):
        values, others = numbers_of(sample.columns[name], comma)
        if not np.isfinite(values).any() or not_measured(name, sample.columns[name], comma):
            continue
        marks |= dict.fromkeys(others)
        stem, kind = stem_of(name), _kind(name) or _kind(sample.path.stem)
        if stem.isdigit():
            # Columns without names: three beside each other are a sensor's axes.
            stem = f"columns_{i // 3 + 1}" if len(columns) % 3 == 0 else "columns"
        rows = int(np.isfinite(values).sum())
        # Channels of one sensor are measured at the same rows.
        near = max(2.0, (1 - _MEASURED) * rows)
        same = (key for key in groups if key[:2] == (kind, stem) and abs(key[2] - rows) <= near)
        groups.setdefault(next(same, (kind, stem, rows)), {})[name] = values
    return [
        replace(_sensor(stem, kind, sample, values, times_s), marks=tuple(marks))
        for (kind, stem, _), values in groups.items()
    ]


def not_measured(name: str, cells: Sequence[str], comma: bool) -> str:
    """Say why a column holds no measured numbers; '' where it does.

    A few cells that are no numbers, and have no digit, stand for missing values.
    """
    values, others = numbers_of(cells, comma)
    finite = values[np.isfinite(values)]
    if others and (
        len(others) > _MOST_MARKS
        or any(re.search(r"\d", cell) for cell in others)
        or len(finite) < _MEASURED * sum(cell != "" for cell in cells)
    ):
        return f"{others[0][:40]!r} is no number"
    steps, whole = np.diff(finite), bool((finite % 1 == 0).all())
    if len(finite) > _MOST_MARKS and whole:
        counts = not _kind(name) and len(finite) == len(cells)
        if counts and (steps == 1).mean() > _MEASURED:
            return "it counts its rows"
        if (_NUMBERED.search(name) or abs(finite[0]) > _LARGE) and not steps.any():
            return "it is the same number in each row"
    return ""


def sensor_of(name: str, sample: TableSample, columns: dict[str, np.ndarray]) -> SensorGuess:
    """Guess the unit of columns that are one sensor's, without a clock."""
    return _sensor(name.lower(), _kind(name), sample, columns, None)


def stem_of(name: str) -> str:
    """Give what a column's name says but for its unit and its axis."""
    return _AXIS.sub("", _IN_NAME.sub("", name).strip()).strip(" _.-").lower()


def _kind(name: str) -> str:
    plain = _IN_NAME.sub("", name).strip()
    return next((kind for kind, (rule, _) in _KINDS.items() if re.search(rule, plain, re.I)), "")


def _name(stem: str, kind: str, unit: str, file: str) -> str:
    """Give a name for a modality, from its columns, its kind or its file."""
    if unit in ("g", "m/s^2", "mg"):
        kind = kind or "accel"
    named = len(stem) > 1 and not stem.startswith("columns")
    word = stem if named and len(stem) > 2 else kind or (stem if named else file)
    name = re.sub("[^A-Za-z0-9]+", "_", word).strip("_").lower()
    return name if re.match("[a-z]", name) else f"sensor_{name}".rstrip("_")


def _sensor(
    stem: str,
    kind: str,
    sample: TableSample,
    columns: dict[str, np.ndarray],
    times_s: np.ndarray | None,
) -> SensorGuess:
    values = np.stack(list(columns.values()))
    measured = np.isfinite(values).any(axis=0)
    values = values[:, measured]
    event = kind == "ibi"
    rate = None
    if times_s is not None and not event and measured.sum() > 2:
        stamps = np.unique(times_s[measured])
        share = measured.sum() / len(stamps)
        rate = _nice(observed_rate_hz(stamps) * share) if len(stamps) > 2 else None
    written = {column: unit for column in columns if (unit := _written_unit(column, sample))}
    unit, sure, why = _by_size(kind, values, event)
    units = {column: written.get(column, unit) for column in columns}
    if len(written) == len(columns):
        sure, why = True, "the file says the unit"
    name = _name(stem, kind, unit if sure else "", sample.path.name.split(".")[0])
    return SensorGuess(name, units, rate, values, event, sure, why)


def _written_unit(column: str, sample: TableSample) -> str | None:
    match = _IN_NAME.search(column)
    text = sample.units.get(column) or (match[1] if match else "")
    text = text.replace("(s^2)", "s^2").strip("[]() ")
    return canonical_unit(text) if text and not text.lower().startswith("no ") else None


def _by_size(kind: str, values: np.ndarray, event: bool) -> tuple[str, bool, str]:
    """Give the unit that values of this kind and size have, and how sure that is."""
    finite = values[:, np.isfinite(values).all(axis=0)]
    size = float(np.median(np.abs(finite))) if finite.size else 0.0
    with np.errstate(over="ignore"):
        norm = float(np.median(np.linalg.norm(finite, axis=0))) if finite.size else 0.0
    if len(values) == 3 and kind in ("accel", ""):
        for unit, gravity in (("g", 1.0), ("m/s^2", GRAVITY), ("mg", 1000.0)):
            if 0.75 * gravity < norm < 1.4 * gravity:
                return unit, True, f"its median length is {norm:.4g}, as gravity in {unit}"
    if kind == "gyro" and finite.size:
        fast = float(np.quantile(np.abs(finite), 0.99))
        return ("deg/s" if fast > 20 else "rad/s"), fast > 20, f"it turns at up to {fast:.3g}"
    if event:
        return ("ms" if size > 10 else "s"), True, f"its median is {size:.4g}"
    if kind:
        sure = kind not in ("accel", "ecg", "eeg", "magnet")
        return _KINDS[kind][1], sure, f"it is called as {kind.replace('_', ' ')} is"
    return "1", False, "neither its name nor its size says"


def _nice(rate: float) -> float:
    """Give the usual rate that is within a twentieth, or three digits."""
    near = min(_NICE, key=lambda nice: abs(nice / rate - 1))
    return float(near) if abs(near / rate - 1) < 0.05 else float(f"{rate:.3g}")
