"""Read Apple Health's export: `export.zip`, or the `export.xml` in it, of any size.

    modality        Hz     unit       record
    heart_rate      1/60   bpm        HeartRate, count/min; pauses up to 10 min are bridged
    steps           1/60   count      StepCount, in each minute
    active_energy   1/60   kcal       ActiveEnergyBurned, in each minute

A record of steps or energy lasts from its start to its end and is spread evenly over the minutes;
a minute without a record has none, where the next record is within an hour. A watch and a phone
count the same steps: of each person the source with most records is read, the others are counted.
Times bear the zone of the phone, such as `2024-05-01 08:00:00 +0200`, and become UTC.

The file is parsed as it streams: memory does not grow with it. Other types of records, workouts,
ECGs and routes are not read.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO
from xml.parsers import expat

import numpy as np

from sensor2llm.datasets.exports.samples.device import Device, Samples, Sensor
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.datasets.exports.samples.windows import read_device
from sensor2llm.datasets.motion.motion_tables import leave_out
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

MINUTE_S, HOUR_S = 60.0, 3600.0
SENSORS = {
    "heart_rate": Sensor(
        channels=("heart_rate",), unit="bpm", rate_hz=1 / MINUTE_S, max_gap_s=600.0, sort=True
    ),
    "steps": Sensor(
        channels=("steps",), unit="count", kind="total", rate_hz=1 / MINUTE_S, max_gap_s=HOUR_S,
        sort=True,
    ),
    "active_energy": Sensor(
        channels=("active_energy",), unit="kcal", kind="total", rate_hz=1 / MINUTE_S,
        max_gap_s=HOUR_S, sort=True,
    ),
}  # fmt: skip
_TYPE = "HKQuantityTypeIdentifier"
RECORDS = {
    f"{_TYPE}HeartRate": "heart_rate",
    f"{_TYPE}StepCount": "steps",
    f"{_TYPE}ActiveEnergyBurned": "active_energy",
}
UNITS = {
    "heart_rate": {"count/min": 1.0, "count/s": 60.0},
    "steps": {"count": 1.0},
    "active_energy": {"kcal": 1.0, "Cal": 1.0, "kJ": 1 / 4.184},
}
"""What a value is multiplied by, by the unit that the file says."""
CHUNK_BYTES, FLUSH_RECORDS = 1 << 20, 20_000
# A record of steps that lasts longer says nothing of a minute.
LONGEST_S = HOUR_S


def read(path: Path, options: SourceOptions, name: str = "apple_health") -> Reading:
    """Read an export.zip, an export.xml, or a folder of people's."""
    device = Device(
        name=name,
        sensors=SENSORS,
        window_s=HOUR_S,
        expected="export.xml, or export.zip with one",
        wanted=lambda file: file.endswith(".xml") and "export_cda" not in file,
        read=_read_file,
        by_file=False,
        folders=("apple_health_export",),
    )
    return read_device(device, path, options)


def _read_file(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    records = HealthRecords(ledger)
    parser = expat.ParserCreate()
    parser.StartElementHandler = records.start_element
    with file.open() as stream:
        try:
            for chunk in _without_doctype(stream):
                parser.Parse(chunk)
                if records.waiting >= FLUSH_RECORDS:
                    yield from records.flush()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise DataError(
                f"{file.name} is no XML that can be read ({error}); expected Apple Health's "
                "export.xml, whole"
            ) from error
    if not records.is_health:
        raise DataError(f"{file.name} holds no HealthData; expected Apple Health's export.xml")
    yield from records.flush()


def _without_doctype(stream: IO[bytes]) -> Iterator[bytes]:
    """Give the file without its DOCTYPE: some versions wrote one that is not well-formed."""
    head = stream.read(CHUNK_BYTES)
    before, doctype, rest = head.partition(b"<!DOCTYPE")
    declared, _, after = rest.partition(b"]>") if doctype else (b"", b"", rest)
    yield before + b"\n" * declared.count(b"\n") + after
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


class HealthRecords:
    """Collect the records of an export as its elements begin."""

    def __init__(self, ledger: Ledger) -> None:
        self.is_health = False
        self.waiting = 0
        self._ledger = ledger
        self._rows: dict[tuple[str, str], array[float]] = defaultdict(lambda: array("d"))
        self._strange: Counter[str] = Counter()

    def start_element(self, name: str, attributes: dict[str, str]) -> None:
        """Take a record of a type that is read; expat calls this."""
        if name != "Record":
            self.is_health = self.is_health or name == "HealthData"
            return
        sensor = RECORDS.get(attributes.get("type", ""))
        if sensor is None:
            return
        factor = UNITS[sensor].get(attributes.get("unit", ""))
        if factor is None:
            self._strange[f"of {sensor} in an unknown unit"] += 1
            return
        try:
            value = float(attributes["value"]) * factor
            start_s = zoned_seconds(attributes["startDate"])
            end_s = zoned_seconds(attributes.get("endDate", attributes["startDate"]))
        except (KeyError, ValueError):
            self._strange["without a value or a time"] += 1
            return
        source = "" if sensor == "heart_rate" else attributes.get("sourceName", "")
        self._rows[sensor, source].extend((start_s, end_s, value))
        self.waiting += 1

    def flush(self) -> Iterator[Samples]:
        """Give what has been collected."""
        for reason, n in self._strange.items():
            leave_out(self._ledger, n, reason)
        self._strange.clear()
        for (sensor, source), numbers in self._rows.items():
            start_s, end_s, values = np.array(numbers).reshape(-1, 3).T
            if sensor == "heart_rate":
                yield Samples(sensor, start_s, values[None])
                continue
            long = end_s - start_s > LONGEST_S
            if long.any():
                leave_out(self._ledger, int(long.sum()), "that last over an hour")
            times_s, totals = spread_minutes(start_s[~long], end_s[~long], values[~long])
            yield Samples(sensor, times_s, totals[None], source=source)
        self._rows.clear()
        self.waiting = 0


def zoned_seconds(text: str, parse: Callable[[str], datetime] = datetime.fromisoformat) -> float:
    """Give Unix seconds of `2024-05-01 08:00:00 +0200`.

    Raises:
        ValueError: For anything else.
    """
    moment = parse(text[:19] + text[20:])
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.timestamp()


def spread_minutes(
    start_s: np.ndarray, end_s: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Spread what was counted from a start to an end evenly over the minutes of the clock.

    Returns:
        The start of each minute, and what was counted in it; a minute may come several times.
    """
    first = np.floor(start_s / MINUTE_S).astype(np.int64)
    last = np.maximum(first, np.ceil(end_s / MINUTE_S).astype(np.int64) - 1)
    counts = last - first + 1
    record = np.repeat(np.arange(len(values)), counts)
    minute = first[record] + np.arange(len(record)) - np.repeat(counts.cumsum() - counts, counts)
    lasted = np.maximum(end_s - start_s, 1e-9)[record]
    covered = np.minimum(end_s[record], (minute + 1) * MINUTE_S) - np.maximum(
        start_s[record], minute * MINUTE_S
    )
    share = np.where(counts[record] == 1, 1.0, covered / lasted)
    return minute * MINUTE_S, values[record] * share
