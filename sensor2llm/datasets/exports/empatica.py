"""Read the Empatica E4's sessions, as E4 connect gives them: a .zip or a folder a session.

    modality           file      Hz   unit
    wrist_bvp          BVP.csv   64   1 (blood volume pulse, arbitrary)
    wrist_acc          ACC.csv   32   g (the file's 1/64 g, divided by 64)
    wrist_eda          EDA.csv   4    uS
    wrist_temp         TEMP.csv  4    degC; outside of 0 to 50 it is no skin's, and missing
    wrist_heart_rate   HR.csv    1    bpm, an average over 10 s
    rr                 IBI.csv   event: 60 beats, ms

The first line of a file is its start (Unix time, UTC), the second its rate, then come the values;
of IBI.csv each line is a beat's time from the start, and the time from the beat before. `tags.csv`
(presses of the button) is not read. Names and units are those of the data set WESAD.

Source: Empatica, "Data export and formatting from E4 connect".
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.datasets.exports.samples.device import Device, Samples, Sensor, axis_channels
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.datasets.exports.samples.text import read_table
from sensor2llm.datasets.exports.samples.windows import read_device
from sensor2llm.datasets.formats.text_tables import stack_floats
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

SENSORS = {
    "wrist_bvp": Sensor(channels=("wrist_bvp",), unit="1"),
    "wrist_acc": Sensor(channels=axis_channels("wrist_acc"), unit="g"),
    "wrist_eda": Sensor(channels=("wrist_eda",), unit="uS"),
    "wrist_temp": Sensor(channels=("wrist_temp",), unit="degC"),
    "wrist_heart_rate": Sensor(channels=("wrist_heart_rate",), unit="bpm"),
    "rr": Sensor(channels=("rr",), unit="ms", kind="event"),
}
FILES = {
    "acc": "wrist_acc",
    "bvp": "wrist_bvp",
    "eda": "wrist_eda",
    "temp": "wrist_temp",
    "hr": "wrist_heart_rate",
    "ibi": "rr",
}
COUNTS_PER_G = 64.0
SKIN_DEGC = (0.0, 50.0)


def read(path: Path, options: SourceOptions, name: str = "empatica") -> Reading:
    """Read sessions: a .zip, a folder of one, or a folder of people's sessions."""
    device = Device(
        name=name,
        sensors=SENSORS,
        window_s=30.0,
        expected="ACC.csv, BVP.csv, EDA.csv, TEMP.csv, HR.csv or IBI.csv of an E4",
        wanted=lambda file: file.rpartition("/")[2].removesuffix(".csv") in FILES,
        read=_read_file,
        by_file=False,
    )
    return read_device(device, path, options)


def _read_file(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    sensor = FILES[file.stem.lower()]
    if file.head(1):
        read_values = _beats if sensor == "rr" else partial(_values, sensor)
        yield from read_values(file, ledger)


def _head_numbers(file: ExportFile, rows: int, columns: int) -> list[float]:
    """Give the first number of each of the first lines."""
    lines = file.head().splitlines()[:rows]
    try:
        cells = [line.split(",") for line in lines]
        numbers = [float(row[0]) for row in cells]
        if len(lines) < rows or any(len(row) != columns for row in cells) or min(numbers) <= 0:
            raise ValueError
    except ValueError as error:
        shown = " / ".join(lines)[:60]
        raise DataError(
            f"{file.name} begins with {shown!r}; expected a start in Unix seconds and a rate in "
            f"Hz, in {columns} column(s) as an E4 writes them"
        ) from error
    return numbers


def _values(sensor: str, file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    names = list(SENSORS[sensor].channels)
    start_s, rate_hz = _head_numbers(file, 2, len(names))
    row = 0
    for batch in read_table(file, dict.fromkeys(names, pa.float32()), names=names, skip_rows=2):
        values = stack_floats(batch, names)
        times_s = start_s + np.arange(row, row + values.shape[1]) / rate_hz
        row += values.shape[1]
        if sensor == "wrist_acc":
            values = values / COUNTS_PER_G
        if sensor == "wrist_temp":
            outside = (values < SKIN_DEGC[0]) | (values > SKIN_DEGC[1])
            values = np.where(outside, np.nan, values)
        yield Samples(sensor, times_s, values)


def _beats(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    start_text = file.head().partition("\n")[0].partition(",")[0]
    try:
        start_s = float(start_text)
    except ValueError as error:
        raise DataError(
            f"{file.name} begins with {start_text[:40]!r}; expected a start in Unix seconds"
        ) from error
    types = {"time": pa.float64(), "interval": pa.float64()}
    for batch in read_table(file, types, names=list(types), skip_rows=1):
        times_s, intervals_s = (batch[name].to_numpy(zero_copy_only=False) for name in types)
        yield Samples("rr", start_s + times_s, intervals_s[None] * 1000)
