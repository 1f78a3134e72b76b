"""Windows of an export: its files are read once, then cut person by person.

Where all sensors pause for longer than each bridges, windows start afresh after the pause, which is
counted. A long stretch is cut in pieces between two windows, so that memory holds one piece.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from sensor2llm.datasets.exports.samples.cutting import StreamCutter
from sensor2llm.datasets.exports.samples.device import Device, Sensor, SensorStream
from sensor2llm.datasets.exports.samples.files import find_files
from sensor2llm.datasets.exports.samples.grid import observed_rate_hz
from sensor2llm.datasets.exports.samples.intervals import ExportLabels, read_intervals
from sensor2llm.datasets.exports.samples.spool import Spool
from sensor2llm.datasets.motion.motion_tables import leave_out
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.segment import UNLABELLED
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Annotation, Window

LEAST_STEPS = 20
NO_WINDOW = "that no window lies in"
_CLOCKS = {
    "utc": "times in UTC",
    "local": "times as the device's clock shows them",
    "none": "times from the recording's start",
}


def read_device(device: Device, path: Path, options: SourceOptions) -> Reading:
    """Read an export of a device.

    Raises:
        DataError: For files that are not as the device writes them, or labels that fit none.
        ConfigError: For an option that exports do not have.
    """
    lengths = ("window_s",) if device.window_s else ()
    options.allow(device.name, "overlap", *lengths, "labels")
    labels = read_intervals(options.labels) if options.labels else None
    ledger = Ledger()
    spool = Spool(dict(device.sensors), ledger)
    files = find_files(
        path, device.wanted, device.expected, ledger, by_file=device.by_file,
        folders=device.folders, labels=options.labels,
    )  # fmt: skip
    for file in files:
        for samples in device.read(file, ledger):
            spool.add(file.person, samples, file.name)
    if not spool.people:
        sensors = ", ".join(device.sensors)
        raise DataError(f"{path}: {len(files)} files of {device.name} hold none of {sensors}")
    if labels:
        labels.check_people(spool.people)
    spec = make_spec(spool, device, options.window_s)
    clocks = ", ".join(_CLOCKS[clock] for clock in sorted(set(spool.clocks.values())))
    return Reading(
        spec=spec,
        windows=_windows(spool, device.sensors, spec, labels, options.overlap or 0.0, ledger),
        source=f"{device.name}: {len(files)} files of {path.name}; {clocks}",
        ledger=ledger,
    )


def make_spec(spool: Spool, device: Device, window_s: float | None) -> SignalSpec:
    """Describe windows of the sensors that there are, each at the rate of its slowest recording.

    Where no length is asked for it is the device's, or 20 steps of the fastest sensor.

    Raises:
        DataError: If windows are too short for every sensor.
    """
    rates = {
        name: rate_hz
        for name, sensor in device.sensors.items()
        if (rate_hz := _rate_hz(spool, name, sensor)) is not None
    }
    fastest_hz = max(rates.values(), default=0.0)
    if window_s is None:
        window_s = max(device.window_s or 0.0, LEAST_STEPS / fastest_hz if fastest_hz else 0.0)
    modalities = [
        sensor.modality(name, rates[name], window_s)
        for name, sensor in device.sensors.items()
        if name in rates and (sensor.kind == "event" or window_s * rates[name] >= 0.5)
    ]
    if not modalities:
        raise DataError(
            f"windows of {window_s:g} s hold not one step of any sensor; give a longer --window-s"
        )
    timed = any(modality.axis == "time" for modality in modalities)
    return SignalSpec(modalities=tuple(modalities), window_s=window_s if timed else None)


def _rate_hz(spool: Spool, name: str, sensor: Sensor) -> float | None:
    """Give the rate of a sensor's part of windows, 0 for events; None where nobody has it."""
    people = [person for person in spool.people if name in spool.sensors_of(person)]
    if not people or sensor.kind == "event":
        return 0.0 if people else None
    return sensor.rate_hz or min(
        observed_rate_hz(spool.stream(person, name).times_s) for person in people
    )


def _windows(
    spool: Spool,
    sensors: Mapping[str, Sensor],
    spec: SignalSpec,
    labels: ExportLabels | None,
    overlap: float,
    ledger: Ledger,
) -> Iterator[Window]:
    labelled = 0
    cutter = StreamCutter(sensors=sensors, spec=spec, overlap=overlap, ledger=ledger)
    for person in spool.people:
        names = spool.sensors_of(person)
        for name in (name for name in names if name not in spec):
            samples = len(spool.stream(person, name).times_s)
            leave_out(ledger, samples, f"of {name}, slower than a window is long")
        opened = partial(_open_streams, spool, person, [name for name in names if name in spec])
        notes = labels.of_person(person, spool.clocks[person]) if labels else []
        used: set[int] = set()
        for window in cutter.windows(person, opened, notes):
            if window.label is not None:
                labelled += 1
                used |= _holding(notes, window, spec.window_s)
            elif labels:
                ledger.change("windows", 1, f"{UNLABELLED} of {labels.name}, without a label")
            yield window
        if not notes:
            continue
        ledger.read("intervals", len(notes))
        ledger.keep("intervals", len(used))
        ledger.drop("intervals", len(notes) - len(used), NO_WINDOW)
    if labels and not labelled:
        raise _nowhere(labels, spool)


def _holding(notes: Sequence[Annotation], window: Window, window_s: float | None) -> set[int]:
    """Give the places of the intervals that a window with a label lies in."""
    seconds = window_s or float(window.signals["rr"].sum()) / 1000
    stop_s = window.start_s + seconds - 1e-3
    return {
        place
        for place, note in enumerate(notes)
        if note.start_s < stop_s and note.stop_s > window.start_s + 1e-3
    }


def _nowhere(labels: ExportLabels, spool: Spool) -> DataError:
    """Say that no window has a label, and where the recordings and the labels lie."""
    person = spool.people[0]
    times = [spool.stream(person, name).times_s for name in spool.sensors_of(person)]
    ends = (min(t[0] for t in times), max(t[-1] for t in times))
    shown = " to ".join(np.datetime_as_string(np.datetime64(round(end), "s")) for end in ends)
    first = labels.intervals[0]
    return DataError(
        f"no window lies in an interval of {labels.name}: {person} was recorded from {shown} "
        f"({_CLOCKS[spool.clocks[person]]}), the first interval is {first.start.text} to "
        f"{first.end.text}; are zone and date right, and windows shorter?"
    )


def _open_streams(spool: Spool, person: str, names: Sequence[str]) -> dict[str, SensorStream]:
    return {name: spool.stream(person, name) for name in names}
