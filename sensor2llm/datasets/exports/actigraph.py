"""Read ActiGraph's files: .gt3x (see `gt3x`), and the CSV files that ActiLife exports.

    modality   unit          Hz           what
    accel      g             30 to 100    raw acceleration: of a .gt3x, or a raw CSV
    counts     counts        1/epoch      activity counts of axis 1, 2 and 3, an epoch a step

A CSV has ten lines of header with the start and the epoch, then perhaps a line of names, then a
sample or an epoch a line; the first three columns of numbers are read. Where lines have a time of
their own, it is taken. Times are the device's local clock, with no zone in the file (a `Z` behind
them is ActiLife's and not UTC's). Where the header's dates cannot be in the order that it says
(`date format dd/MM/yyyy` and a month 19), the other order is taken, and counted.

Windows: 10 s of raw acceleration; 20 epochs where there are counts alone.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sensor2llm.datasets.exports.gt3x import read_gt3x
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
    "counts": Sensor(channels=("counts_1", "counts_2", "counts_3"), unit="counts"),
}
HEADER_ROWS = 10
OTHER_ORDER = "whose dates are in another order than their header says"


def read(path: Path, options: SourceOptions, name: str = "actigraph") -> Reading:
    """Read a .gt3x or a CSV of ActiLife, or a folder of them."""
    device = Device(
        name=name,
        sensors=SENSORS,
        window_s=10.0,
        expected=".gt3x file, or CSV of ActiLife",
        wanted=lambda file: file.endswith((".gt3x", ".csv")),
        read=_read_file,
    )
    return read_device(device, path, options)


def _read_file(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    if file.name.lower().endswith(".gt3x"):
        return read_gt3x(file, ledger)
    return _read_csv(file, ledger)


def _read_csv(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    lines = file.head(8192).splitlines()
    header, table = "\n".join(lines[:HEADER_ROWS]), lines[HEADER_ROWS:]
    if "Start Date" not in header or not table:
        raise DataError(
            f"{file.name} begins with {lines[0][:60] if lines else ''!r}; expected the ten lines "
            "of header that ActiLife writes, with Start Time, Start Date and Epoch Period"
        )
    step_s, start_s = _step_s(header, file), _start_s(header, file, ledger)
    first = table[0].split(",")
    named = not any(map(_is_number, first))
    names = (
        [cell.strip() for cell in first] if named else [f"column {i}" for i in range(len(first))]
    )
    timed = names[0].lower() in ("timestamp", "date") if named else not _is_number(first[0])
    axes = names[timed : 3 + timed]
    if len(axes) < 3:
        raise DataError(f"{file.name}: it has the columns {', '.join(names)}; expected three axes")
    types = dict.fromkeys(axes, pa.float64()) | ({names[0]: pa.string()} if timed else {})
    sensor = "accel" if step_s < 1 else "counts"
    row = 0
    for batch in read_table(file, types, names=names, skip_rows=HEADER_ROWS + named):
        values = stack_floats(batch, axes)
        times_s = start_s + np.arange(row, row + len(batch)) * step_s
        row += len(batch)
        if timed:
            times_s = _times(batch[names[0]], file)
        yield Samples(sensor, times_s, values, clock="local")


def _step_s(header: str, file: ExportFile) -> float:
    """Give seconds from a line to the next."""
    epoch = re.search(r"Epoch Period \(hh:mm:ss\) (\d+):(\d+):(\d+)", header)
    rate = re.search(r" at (\d+) ?Hz", header)
    hours, minutes, seconds = map(int, epoch.groups()) if epoch else (0, 0, 0)
    if step_s := timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds():
        return step_s
    if not rate or int(rate[1]) == 0:
        raise DataError(
            f"{file.name}: its header has neither an Epoch Period above 0 nor a rate ('at 30 Hz'); "
            "export it again"
        )
    return 1 / int(rate[1])


def _start_s(header: str, file: ExportFile, ledger: Ledger) -> float:
    """Give the start as the device's clock showed it, in seconds since 1970."""
    fields = {}
    for name in ("Start Time", "Start Date", "Download Date"):
        line = re.search(rf"{name} ([^,\n]+)", header)
        fields[name] = line[1].strip() if line else ""
    day_first = "date format d" in header
    orders = ["%d/%m/%Y", "%m/%d/%Y"] if day_first else ["%m/%d/%Y", "%d/%m/%Y"]
    if re.match(r"\d{4}", fields["Start Date"]):
        orders = ["%Y/%m/%d"]
    for order in orders:
        try:
            start, _ = (
                datetime.strptime(re.sub(r"[-.]", "/", fields[name]), order)
                for name in ("Start Date", "Download Date")
            )
            clock = datetime.strptime(fields["Start Time"], "%H:%M:%S")
        except ValueError:
            continue
        ledger.change("files", int(order != orders[0]), OTHER_ORDER)
        return wall_seconds(datetime.combine(start, clock.time()))
    raise DataError(
        f"{file.name}: Start Date {fields['Start Date']!r} and Start Time "
        f"{fields['Start Time']!r} are no date and time; expected such as 8/26/2013 and 09:00:00"
    )


def _times(column: pa.Array, file: ExportFile) -> np.ndarray:
    """Give times such as 8/16/2016 09:00:00.033 or 2017-09-12T15:00:00Z, as the clock showed."""
    text = pc.replace_substring_regex(column, r"^(\d{1,2})/(\d{1,2})/(\d{4})", r"\3-0\1-0\2")
    text = pc.replace_substring_regex(text, r"-0(\d\d)", r"-\1")
    text = pc.replace_substring_regex(text, r"([T ])(\d):", r"\10\2:")
    try:
        ticks = pc.cast(pc.cast(pc.utf8_rtrim(text, "Z"), pa.timestamp("ns")), pa.int64())
    except pa.ArrowException as error:
        raise DataError(
            f"{file.name}: a time is none: {str(error)[:80]}; expected such as 8/16/2016 09:00:00"
        ) from error
    return np.asarray(ticks.to_numpy(zero_copy_only=False)) / 1e9


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*-?\d+(\.\d*)?\s*", cell))
