"""Read Fitbit's export: Google Takeout (Fitbit, or Google Health), or the account's own archive.

    modality     Hz    unit    files
    heart_rate   1/5   bpm     heart_rate-*.json, heart_rate_*.csv; pauses up to 30 s are bridged
    steps        1/60  count   steps-*.json, steps_*.csv, in each minute

The JSON files lie in `Global Export Data`, the CSV files in `Physical Activity_GoogleData`. Times
are UTC in both (`05/01/24 07:00:07` is month/day/year). Where both hold a reading of one second, it
counts once. Readings of confidence 0 are left out and counted. Steps of several recorders are not
added up: the one with most records is read. A minute without a record has no steps, where the next
record is within an hour. Sleep, temperature, oxygen and daily summaries are not read.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sensor2llm.datasets.exports.samples.device import Device, Samples, Sensor
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.datasets.exports.samples.text import read_table
from sensor2llm.datasets.exports.samples.windows import read_device
from sensor2llm.datasets.motion.motion_tables import leave_out
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

SENSORS = {
    "heart_rate": Sensor(
        channels=("heart_rate",), unit="bpm", rate_hz=0.2, max_gap_s=30.0, sort=True
    ),
    "steps": Sensor(
        channels=("steps",), unit="count", kind="total", rate_hz=1 / 60, max_gap_s=3600.0, sort=True
    ),
}
COLUMNS = {"heart_rate": "beats per minute", "steps": "steps"}
NOT_SURE = "of confidence 0"
FOLDERS = ("Takeout", "Fitbit", "Google Health", "Global Export Data", "Physical Activity",
           "Physical Activity_GoogleData", "user-site-export")  # fmt: skip


def read(path: Path, options: SourceOptions, name: str = "fitbit") -> Reading:
    """Read a takeout as .zip or folder, or a folder of people's."""
    device = Device(
        name=name,
        sensors=SENSORS,
        window_s=600.0,
        expected="heart_rate-2024-05-01.json (or .csv) or steps-….json of Fitbit",
        wanted=lambda file: _sensor(file.rpartition("/")[2]) is not None,
        read=_read_file,
        by_file=False,
        folders=FOLDERS,
    )
    return read_device(device, path, options)


def _sensor(file_name: str) -> str | None:
    """Say which sensor a file `heart_rate-2024-05-01.json` is of."""
    for name in SENSORS:
        rest = file_name.lower().removeprefix(name)
        dated = rest[:1] in ("-", "_") and rest[1:5].isdigit()
        if rest != file_name.lower() and dated and rest.endswith((".json", ".csv")):
            return name
    return None


def _read_file(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    sensor = str(_sensor(file.name.rpartition("/")[2]))
    if file.name.lower().endswith(".csv"):
        return _read_csv(file, sensor)
    return iter([_read_json(file, sensor, ledger)])


def _read_csv(file: ExportFile, sensor: str) -> Iterator[Samples]:
    column = COLUMNS[sensor]
    types = {"timestamp": pa.timestamp("ms", "UTC"), column: pa.float64()}
    if "data source" in file.head().partition("\n")[0]:
        types["data source"] = pa.string()
    for batch in read_table(file, types):
        stamps = batch["timestamp"].to_numpy(zero_copy_only=False)
        times_s = np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1000)
        values = batch[column].to_numpy(zero_copy_only=False)
        if sensor == "heart_rate" or "data source" not in types:
            yield Samples(
                sensor, times_s, values[None], source="" if sensor == "heart_rate" else "csv"
            )
            continue
        sources = np.array(batch["data source"].to_pylist(), dtype=str)
        for source in np.unique(sources).tolist():
            own = sources == source
            yield Samples(sensor, times_s[own], values[None, own], source=f"csv {source}")


def _read_json(file: ExportFile, sensor: str, ledger: Ledger) -> Samples:
    try:
        with file.open() as stream:
            records = json.load(stream)
        stamps, values = zip(*map(_record, records), strict=True) if records else ((), ())
        times_s = np.array(stamps, dtype="datetime64[s]").astype(np.int64).astype(np.float64)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{file.name} is not as Fitbit writes it ({type(error).__name__}: {str(error)[:60]}); "
            'expected [{"dateTime": "05/01/24 07:00:07", "value": …}, …]'
        ) from error
    numbers = np.array(values, dtype=np.float64)
    unsure = np.isnan(numbers)
    if unsure.any():
        leave_out(ledger, int(unsure.sum()), NOT_SURE)
    source = "" if sensor == "heart_rate" else "json"
    return Samples(sensor, times_s[~unsure], numbers[None, ~unsure], source=source)


def _record(record: dict[str, Any]) -> tuple[str, float]:
    """Give a record's time as ISO text, and its value; NaN where Fitbit has no confidence in it."""
    date, clock = record["dateTime"].split(" ")
    month, day, year = date.split("/")
    value = record["value"]
    if isinstance(value, dict):
        value = value["bpm"] if value.get("confidence", 1) else np.nan
    return f"20{year}-{month}-{day}T{clock}", float(value)
