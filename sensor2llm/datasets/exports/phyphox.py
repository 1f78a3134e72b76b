"""Read phyphox's CSV exports: a .zip, or a folder, of an experiment with a phone's sensors.

    modality     unit    columns
    accel        m/s^2   Acceleration x, y, z (m/s^2): with gravity
    linear_acc   m/s^2   Linear Acceleration x, y, z (m/s^2): without
    gyro         rad/s   Gyroscope x, y, z (rad/s)
    magnetic     uT      Magnetic field x, y, z (µT)

A file has one line of names, the first of them `Time (s)`, in quotes or not; between cells stands a
comma, a semicolon or a tab, and the decimal mark may be a comma. Seconds count from the start of
the experiment without its pauses; `meta/time.csv` beside the files says when it was started and
paused, so that times are UTC. Without it they count from the start.

The rate is the phone's own, rounded. Exports as Excel and other columns are not read.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sensor2llm.datasets.exports.samples.device import Clock, Device, Samples, Sensor, axis_channels
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.datasets.exports.samples.text import read_table
from sensor2llm.datasets.exports.samples.windows import read_device
from sensor2llm.datasets.formats.text_tables import stack_floats
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

_UNITS = {"accel": "m/s^2", "linear_acc": "m/s^2", "gyro": "rad/s", "magnetic": "uT"}
SENSORS = {name: Sensor(channels=axis_channels(name), unit=unit) for name, unit in _UNITS.items()}
COLUMNS = {
    "accel": r"acceler(?:ometer|ation) {} ?\(m/s(?:\^2|²)\)",
    "linear_acc": r"linear acceler(?:ometer|ation) {} ?\(m/s(?:\^2|²)\)",
    "gyro": r"gyroscope {} ?\(rad/s\)",
    "magnetic": r"magnetic field {} ?\([µμu]t\)",
}
"""The names of a sensor's columns, in lower case, for an axis."""
TIME = re.compile(r"time ?\(s\)")


class TimeAnchors(NamedTuple):
    """Hold what the experiment's clock and the world's showed at each start."""

    experiment_s: np.ndarray
    system_s: np.ndarray

    def utc(self, times_s: np.ndarray) -> np.ndarray:
        """Give Unix seconds of the experiment's seconds."""
        start = np.maximum(np.searchsorted(self.experiment_s, times_s, side="right") - 1, 0)
        return times_s - self.experiment_s[start] + self.system_s[start]


def read(path: Path, options: SourceOptions, name: str = "phyphox") -> Reading:
    """Read an export as .zip or folder, or a folder of people's."""
    device = Device(
        name=name,
        sensors=SENSORS,
        window_s=10.0,
        expected="CSV files of phyphox, such as Accelerometer.csv or Raw Data.csv",
        wanted=lambda file: file.endswith(".csv") and "meta/" not in f"/{file}",
        read=_read_file,
        by_file=False,
    )
    return read_device(device, path, options)


def _read_file(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    head = file.head().splitlines()[:2]
    delimiter = next((mark for mark in "\t;" if head and mark in head[0]), ",")
    names = next(csv.reader(head[:1], delimiter=delimiter), [])
    lower = [name.strip().lower() for name in names]
    time = next((name for name, low in zip(names, lower, strict=True) if TIME.fullmatch(low)), None)
    if time is None:
        raise DataError(
            f"{file.name} begins with {(head or [''])[0][:60]!r}; expected 'Time (s)' and columns "
            "of a sensor, as phyphox exports them in English"
        )
    columns = _sensor_columns(names, lower)
    if not columns:
        ledger.discard("files", 1, "without a sensor that is read")
        return
    decimal = "," if delimiter != "," and any("," in line for line in head[1:]) else "."
    wanted = [time, *(column for axes in columns.values() for column in axes)]
    anchors = _anchors(file)
    table = read_table(
        file, dict.fromkeys(wanted, pa.float64()), delimiter=delimiter, decimal=decimal
    )
    for batch in table:
        times_s = batch[time].to_numpy(zero_copy_only=False)
        stamps_s = anchors.utc(times_s) if anchors else times_s
        for sensor, axes in columns.items():
            clock: Clock = "utc" if anchors else "none"
            yield Samples(sensor, stamps_s, stack_floats(batch, axes), clock=clock)


def _sensor_columns(names: list[str], lower: list[str]) -> Mapping[str, list[str]]:
    """Give the three columns of each sensor that a file has."""
    columns = {}
    for sensor, pattern in COLUMNS.items():
        axes = [
            name
            for axis in "xyz"
            for name, low in zip(names, lower, strict=True)
            if re.fullmatch(pattern.format(axis), low)
        ]
        if len(axes) == 3:
            columns[sensor] = axes
    return columns


def _anchors(file: ExportFile) -> TimeAnchors | None:
    """Read when the experiment was started."""
    beside = file.sibling("meta/time.csv")
    if beside is None:
        return None
    text = beside.head(1 << 16)
    delimiter = next((mark for mark in "\t;" if mark in text), ",")
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
        starts = [row[1:3] for row in rows if row[0].strip().upper() == "START"]
        numbers = np.array([[float(cell.replace(",", ".")) for cell in row] for row in starts])
        experiment_s, system_s = numbers.T
    except (ValueError, IndexError, csv.Error) as error:
        raise DataError(
            f"{beside.name}: {str(error)[:60]}; expected event, experiment time and system time "
            "with a START, as phyphox writes them"
        ) from error
    return TimeAnchors(experiment_s, system_s)
