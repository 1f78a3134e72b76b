"""Read Sensor Logger's exports: a .zip, or a folder, of CSV files of a phone and its watch.

    modality     unit    file
    linear_acc   m/s^2   Accelerometer.csv: without gravity
    accel        m/s^2   TotalAcceleration.csv (Android): with gravity
    gravity      m/s^2   Gravity.csv
    gyro         rad/s   Gyroscope.csv
    magnetic     uT      Magnetometer.csv
    watch_acc    g       WristMotion.csv: accelerationX, Y, Z, without gravity
    watch_gyro   rad/s   WristMotion.csv: rotationRateX, Y, Z
    heart_rate   bpm     HeartRate.csv: 1 step in 5 s; pauses up to 30 s are bridged

`time` is in nanoseconds since 1970, UTC. The watch's acceleration is in g, or where `Metadata.csv`
says `standardisation` true in m/s^2, which becomes g. The axes differ between iOS and Android
unless that is on. Uncalibrated sensors, location, audio and other files are not read.

Source: "Units" and "Understanding Timestamps" (github.com/tszheichoi/awesome-sensor-logger).
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from sensor2llm.datasets.exports.samples.device import Device, Samples, Sensor, axis_channels
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.datasets.exports.samples.text import read_table
from sensor2llm.datasets.exports.samples.windows import read_device
from sensor2llm.datasets.formats.text_tables import stack_floats
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

_UNITS = {
    "linear_acc": "m/s^2",
    "accel": "m/s^2",
    "gravity": "m/s^2",
    "gyro": "rad/s",
    "magnetic": "uT",
    "watch_acc": "g",
    "watch_gyro": "rad/s",
}
SENSORS = {
    name: Sensor(channels=axis_channels(name), unit=unit) for name, unit in _UNITS.items()
} | {"heart_rate": Sensor(channels=("heart_rate",), unit="bpm", rate_hz=0.2, max_gap_s=30.0)}
FILES: dict[str, dict[str, tuple[str, ...]]] = {
    "accelerometer": {"linear_acc": ("x", "y", "z")},
    "totalacceleration": {"accel": ("x", "y", "z")},
    "gravity": {"gravity": ("x", "y", "z")},
    "gyroscope": {"gyro": ("x", "y", "z")},
    "magnetometer": {"magnetic": ("x", "y", "z")},
    "wristmotion": {
        "watch_acc": ("accelerationX", "accelerationY", "accelerationZ"),
        "watch_gyro": ("rotationRateX", "rotationRateY", "rotationRateZ"),
    },
    "heartrate": {"heart_rate": ("bpm",)},
}
"""The columns of each file's sensors."""
STANDARD_GRAVITY = 9.80665


def read(path: Path, options: SourceOptions, name: str = "sensor_logger") -> Reading:
    """Read a recording as .zip or folder, or a folder of people's."""
    device = Device(
        name=name,
        sensors=SENSORS,
        window_s=10.0,
        expected="Accelerometer.csv, Gyroscope.csv or another file of a Zipped CSV export",
        wanted=lambda file: file.rpartition("/")[2].removesuffix(".csv") in FILES,
        read=_read_file,
        by_file=False,
    )
    return read_device(device, path, options)


def _read_file(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    sensors = FILES[file.stem.lower()]
    types = {"time": pa.int64()} | {
        column: pa.float64() for columns in sensors.values() for column in columns
    }
    scale = 1 / STANDARD_GRAVITY if "watch_acc" in sensors and _is_standardised(file) else 1.0
    for batch in read_table(file, types):
        times_s = batch["time"].to_numpy(zero_copy_only=False) * 1e-9
        for sensor, columns in sensors.items():
            values = stack_floats(batch, columns)
            yield Samples(sensor, times_s, values * scale if sensor == "watch_acc" else values)


def _is_standardised(file: ExportFile) -> bool:
    beside = file.sibling("Metadata.csv") or file.sibling("metadata.csv")
    rows = list(csv.DictReader(beside.head(1 << 16).splitlines())) if beside else []
    return bool(rows) and (rows[0].get("standardisation") or "").strip().lower() == "true"
