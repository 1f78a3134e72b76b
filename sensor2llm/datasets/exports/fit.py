"""Read FIT files: activities and monitoring of Garmin, Wahoo, Coros, Suunto and others.

    modality     Hz   unit    where
    heart_rate   1    bpm     records, and monitoring
    cadence      1    rpm     records (of a run: strides a minute)
    power        1    W       records
    speed        1    m/s     records
    altitude     1    m       records
    rr           event: 60 beats, ms    hrv messages, where the device was told to log them

Records come once a second, or where something changed ("smart recording"): pauses up to 10 s are
bridged. Times are UTC. Positions are not read. Beats have no times of their own: they follow each
other from the record before them. fitdecode (MIT) decodes the file: extra `[fit]`.
"""

import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.datasets.exports.samples.device import Device, Samples, Sensor
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.datasets.exports.samples.windows import read_device
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

_UNITS = {"heart_rate": "bpm", "cadence": "rpm", "power": "W", "speed": "m/s", "altitude": "m"}
SENSORS = {
    name: Sensor(channels=(name,), unit=unit, rate_hz=1.0, max_gap_s=10.0, sort=True)
    for name, unit in _UNITS.items()
} | {"rr": Sensor(channels=("rr",), unit="ms", kind="event", sort=True)}
# Newer files have the finer of two fields.
_FIELDS = {"speed": ("enhanced_speed", "speed"), "altitude": ("enhanced_altitude", "altitude")}
# Beats are laid on after each other; a record this much later says that some were not logged.
_LATE_S = 5.0


def read(path: Path, options: SourceOptions, name: str = "fit") -> Reading:
    """Read a .fit file, or a folder or .zip of them."""
    device = Device(
        name=name,
        sensors=SENSORS,
        window_s=60.0,
        expected=".fit file",
        wanted=lambda file: file.endswith(".fit"),
        read=_read_file,
    )
    return read_device(device, path, options)


def _read_file(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    rows = FitRows()
    for message in _messages(file):
        rows.add(message)
    return rows.samples()


def _messages(file: ExportFile) -> Iterator[Any]:
    """Give the messages of data.

    Raises:
        ConfigError: If fitdecode is not installed.
        DataError: For a file that is damaged or cut off, or no FIT file.
    """
    try:
        import fitdecode
    except ImportError as error:
        raise ConfigError(
            "reading .fit files needs fitdecode: pip install 'sensor2llm[fit]'"
        ) from error
    with file.open() as stream, warnings.catch_warnings():
        # A wrong checksum is an error of ours; other warnings are of fields that are not read.
        warnings.simplefilter("ignore")
        try:
            with fitdecode.FitReader(stream, check_crc=fitdecode.CrcCheck.RAISE) as reader:
                for frame in reader:
                    if isinstance(frame, fitdecode.FitDataMessage):
                        yield frame
        except fitdecode.FitError as error:
            raise DataError(
                f"{file.name} is damaged ({type(error).__name__}: {str(error)[:80]}); copy it from "
                "the device again"
            ) from error


class FitRows:
    """Collect what messages say, by sensor."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[float, float]]] = {name: [] for name in SENSORS}
        self._now_s = 0.0
        self._beat_s = 0.0

    def add(self, message: Any) -> None:
        """Take a message."""
        clock = "time_created" if message.name == "file_id" else "timestamp"
        stamp = message.get_value(clock, fallback=None)
        if isinstance(stamp, datetime):
            self._now_s = stamp.timestamp()
        if message.name == "record":
            self._add_record(message)
        elif message.name == "monitoring":
            self._add_monitoring(message)
        elif message.name == "hrv":
            self._add_beats(message.get_value("time", fallback=None))

    def _add_record(self, message: Any) -> None:
        for name in _UNITS:
            fields = (message.get_value(f, fallback=None) for f in _FIELDS.get(name, (name,)))
            value = next((value for value in fields if value is not None), None)
            self._append(name, self._now_s, value)

    def _add_monitoring(self, message: Any) -> None:
        low = message.get_value("timestamp_16", fallback=None)
        if isinstance(low, int):
            # The low 16 bits of the device's seconds, which began at the end of 1989.
            device_s = int(self._now_s) - 631065600
            self._now_s += (low - (device_s & 0xFFFF)) & 0xFFFF
        self._append("heart_rate", self._now_s, message.get_value("heart_rate", fallback=None))

    def _add_beats(self, intervals_s: Any) -> None:
        if self._now_s - self._beat_s > _LATE_S:
            self._beat_s = self._now_s
        for interval_s in np.atleast_1d(np.array(intervals_s, dtype=np.float64)).tolist():
            if np.isfinite(interval_s):
                self._beat_s += interval_s
                self._append("rr", self._beat_s, interval_s * 1000)

    def _append(self, name: str, time_s: float, value: Any) -> None:
        if isinstance(value, int | float) and time_s:
            self._rows[name].append((time_s, float(value)))

    def samples(self) -> Iterator[Samples]:
        """Give what was collected."""
        for name, rows in self._rows.items():
            if rows:
                times_s, values = np.array(rows).T
                yield Samples(name, times_s, values[None])
