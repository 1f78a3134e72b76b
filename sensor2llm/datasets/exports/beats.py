"""Read lists of heart beats: Polar's .hrm, Polar Sensor Logger's RR files, lists for Kubios HRV.

    .hrm    Polar: intervals in ms after [HRData], with Date and StartTime in [Params]
    .txt    Polar Sensor Logger: `Phone timestamp;RR-interval [ms]`, then a beat a line
    .txt, .csv   an interval a line, or time and interval, in s or ms; one line of names may come
            first (see `heart.beat_lists`): what Kubios HRV reads, and most apps write

One modality, `rr` in ms, 60 beats a window. Intervals outside 0.3 to 2 s and pauses above 2 s are
gaps: windows start afresh there. A .hrm's start is the watch's local clock. The phone's time stamps
say when a packet came: beats follow each other from the first, anew where stamps run 3 s ahead.
Plain lists without dates count from their start, and labels for them are in seconds from there.
An .hrm whose SMode says that it holds no RR intervals is refused.

Source: Polar, "Polar HRM file format"; Kubios HRV User's Guide, "Input data formats".
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from sensor2llm.datasets.exports.samples.device import Clock, Device, Samples, Sensor
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.datasets.exports.samples.text import date_seconds, wall_seconds
from sensor2llm.datasets.exports.samples.windows import read_device
from sensor2llm.datasets.heart.beat_lists import beats_of
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

SENSORS = {"rr": Sensor(channels=("rr",), unit="ms", kind="event")}
PHONE_HEADER = "Phone timestamp"
# From here on a time is a date: 2001.
_DATES_S = 1e9
# A packet that comes this much later than its beats says that some were lost.
_LATE_S = 3.0


def read(path: Path, options: SourceOptions, name: str) -> Reading:
    """Read a file, or a folder of them."""
    device = Device(
        name=name,
        sensors=SENSORS,
        window_s=None,
        expected=".hrm, .txt or .csv with a beat a line",
        wanted=lambda file: file.endswith((".hrm", ".txt", ".csv")),
        read=_read_file,
    )
    return read_device(device, path, options)


def _read_file(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    with file.open() as stream:
        raw = stream.read()
    if file.name.lower().endswith(".hrm"):
        return iter([_hrm(file, raw.decode("latin-1"))])
    if raw[:64].lstrip(b"\xef\xbb\xbf").startswith(PHONE_HEADER.encode()):
        return iter([_phone(file, raw.decode("utf-8-sig", errors="replace"))])
    beats = beats_of(file.name, raw, names_allowed=True)
    ledger.change("beats", beats.shared, "that share a time stamp, spread by their intervals")
    clock: Clock = "utc" if len(beats.times_s) and beats.times_s[0] > _DATES_S else "none"
    return iter([_samples(beats.times_s, beats.intervals_s * 1000, clock)])


def _samples(times_s: np.ndarray, intervals_ms: np.ndarray, clock: Clock) -> Samples:
    return Samples("rr", times_s, intervals_ms[None], clock=clock)


def _hrm(file: ExportFile, text: str) -> Samples:
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            rows = sections.setdefault(line.strip(), [])
        elif sections and line.strip():
            rows.append(line.strip())
    params = dict(line.split("=", 1) for line in sections.get("[Params]", ()) if "=" in line)
    data = sections.get("[HRData]", [])
    if not data:
        raise DataError(f"{file.name} has no [HRData]; expected a Polar .hrm with RR intervals")
    # SMode's parts in order are speed, cadence, altitude, power, …: with any, or with an interval
    # in seconds, lines are readings at that interval and no beats. 238 stands for RR.
    if params.get("Interval") != "238":
        raise DataError(
            f"{file.name} has Interval={params.get('Interval', '')!r}, which is heart rate and not "
            "beats; record RR intervals (Interval=238)"
        )
    try:
        start = datetime.strptime(
            f"{params['Date']} {params['StartTime'].partition('.')[0]}", "%Y%m%d %H:%M:%S"
        )
        intervals_ms = np.array([float(line.split()[0]) for line in data])
    except (KeyError, ValueError) as error:
        raise DataError(
            f"{file.name}: {str(error)[:80]}; expected Date=20080208, StartTime=08:50:31.0 and an "
            "interval in ms a line"
        ) from error
    times_s = wall_seconds(start) + intervals_ms.cumsum() / 1000
    return _samples(times_s, intervals_ms, "local")


def _phone(file: ExportFile, text: str) -> Samples:
    stamps, intervals = [], []
    for row, line in enumerate(text.splitlines()[1:], 2):
        cells = line.strip().rstrip(";").split(";")
        try:
            stamps.append(date_seconds(cells[0]))
            intervals.append(float(cells[1]))
        except (ValueError, IndexError) as error:
            raise DataError(
                f"{file.name}: row {row}: {line[:60]!r}; expected such as "
                "'2024-05-01T08:00:00.812;812'"
            ) from error
    if not intervals:
        raise DataError(f"{file.name} holds no beat; expected a line a beat below its names")
    times_s, now_s = [], stamps[0] - intervals[0] / 1000
    for stamp_s, interval_ms in zip(stamps, intervals, strict=True):
        now_s += interval_ms / 1000
        if stamp_s - now_s > _LATE_S:
            now_s = stamp_s
        times_s.append(now_s)
    return _samples(np.array(times_s), np.array(intervals), "local")
