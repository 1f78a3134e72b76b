"""Read Axivity's files: .cwa (see `cwa`), the CSV files that OmGui exports, UK Biobank's epochs.

    modality   unit    what
    accel      g       x, y, z of an AX3 or AX6, at the rate of the file
    gyro       deg/s   x, y, z of an AX6
    enmo       mg      UK Biobank's epochs of 5 s; those that were imputed are missing

A CSV has no header: a time (Unix seconds, or a date time), then three or six values; further
columns are not read. The clock is the device's own, local: Unix seconds too count what it showed.
The epochs of `biobankAccelerometerAnalysis` say their start and rate in the first line.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sensor2llm.datasets.exports.cwa import read_cwa
from sensor2llm.datasets.exports.samples.device import Device, Samples, Sensor, axis_channels
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.datasets.exports.samples.text import read_table, wall_seconds
from sensor2llm.datasets.exports.samples.windows import read_device
from sensor2llm.datasets.formats.text_tables import stack_floats
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

SENSORS = {
    "accel": Sensor(channels=axis_channels("accel"), unit="g"),
    "gyro": Sensor(channels=axis_channels("gyro"), unit="deg/s"),
    "enmo": Sensor(channels=("enmo",), unit="mg"),
}
COLUMNS = {"accel": ["x", "y", "z"], "gyro": ["gx", "gy", "gz"]}
IMPUTED = "that were imputed, taken as missing"
_EPOCHS = re.compile(
    r"acceleration \(mg\) - (\d[\d :.-]+) - (\d[\d :.-]+) - sampleRate = (\d+) seconds"
)


def read(path: Path, options: SourceOptions, name: str = "axivity") -> Reading:
    """Read a .cwa or a CSV, or a folder of them."""
    device = Device(
        name=name,
        sensors=SENSORS,
        window_s=10.0,
        expected=".cwa file, or CSV of an AX3 or AX6",
        wanted=lambda file: file.endswith((".cwa", ".csv")),
        read=_read_file,
    )
    return read_device(device, path, options)


def _read_file(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    if file.name.lower().endswith(".cwa"):
        return read_cwa(file, ledger)
    first = file.head().partition("\n")[0].strip()
    epochs = _EPOCHS.match(first)
    return _read_epochs(file, epochs, ledger) if epochs else _read_csv(file, first)


def _read_csv(file: ExportFile, first: str) -> Iterator[Samples]:
    cells = first.split(",")
    numbers = [cell for cell in cells[1:] if re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", cell)]
    dated = bool(re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:", cells[0]))
    if len(numbers) < 3 or len(numbers) < len(cells) - 1 or not (dated or cells[0][:1].isdigit()):
        raise DataError(
            f"{file.name} begins with {first[:60]!r}; expected a time and three or six numbers, "
            "with no header, as OmGui exports them"
        )
    sensors = ("accel", "gyro") if len(cells) == 7 else ("accel",)
    wanted = [name for sensor in sensors for name in COLUMNS[sensor]]
    names = ["time", *wanted, *(f"column {i}" for i in range(len(wanted) + 1, len(cells)))]
    kind = pa.timestamp("ns") if dated else pa.float64()
    types = {"time": kind, **dict.fromkeys(wanted, pa.float32())}
    for batch in read_table(file, types, names=names):
        column = batch["time"]
        times_s = _seconds(column) if dated else column.to_numpy(zero_copy_only=False)
        for sensor in sensors:
            yield Samples(sensor, times_s, stack_floats(batch, COLUMNS[sensor]), clock="local")


def _seconds(column: pa.Array) -> np.ndarray:
    ticks = pc.cast(column, pa.int64()).to_numpy(zero_copy_only=False)
    return np.asarray(ticks) / 1e9


def _read_epochs(file: ExportFile, head: re.Match[str], ledger: Ledger) -> Iterator[Samples]:
    try:
        start_s, step_s = wall_seconds(datetime.fromisoformat(head[1])), int(head[3])
    except ValueError as error:
        raise DataError(
            f"{file.name}: its first line has the start {head[1]!r}: {error}"
        ) from error
    types, row = {"enmo": pa.float64(), "imputed": pa.float64()}, 0
    for batch in read_table(file, types, names=list(types), skip_rows=1):
        values = stack_floats(batch, ["enmo"])
        imputed = batch["imputed"].to_numpy(zero_copy_only=False) > 0
        ledger.change("samples", int(imputed.sum()), IMPUTED)
        times_s = start_s + step_s * np.arange(row, row + len(batch))
        row += len(batch)
        yield Samples("enmo", times_s, np.where(imputed, np.nan, values), clock="local")
