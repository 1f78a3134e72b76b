"""Read MotionSense [Malekzadeh et al. 2018]: a phone in the front pocket, 24 people, 6 activities.

Layout, as published: `A_DeviceMotion_data/<activity>_<trial>/sub_<1 to 24>.csv`, a sample a line,
50 Hz, with a header that names the columns; the first column counts the lines.

    modality   unit    columns
    user_acc   g       userAcceleration.x, .y, .z: without gravity
    gravity    g       gravity.x, .y, .z
    gyro       rad/s   rotationRate.x, .y, .z

The phone computes all three from its accelerometer and gyroscope; the measured acceleration is
`user_acc` + `gravity`. The attitude angles are left out: they jump at ±pi, and yaw counts from
where the phone lay when a trial began. In copies without the gravity columns, gravity is missing.

Activities: dws walking downstairs, ups walking upstairs, sit sitting, std standing, wlk walking,
jog jogging; 15 trials of them for each person.

Clock: the files have none. A person's trials are laid one after the other in the order of their
numbers, and `start_s` counts from the first of them; the pauses between trials are not known.

Windows: 2.56 s, half of each is repeated by the next one. The published split takes trials 1 to 9
for training and 11 to 16 for testing: the same people are on both sides, so it is left out. Split
by subject.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.datasets.formats.text_tables import read_batches, stack_floats
from sensor2llm.datasets.motion.motion_tables import Bout, bout_windows
from sensor2llm.datasets.published import axis_spec, find_root
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading

LABELS = {
    "dws": "walking downstairs",
    "ups": "walking upstairs",
    "sit": "sitting",
    "std": "standing",
    "wlk": "walking",
    "jog": "jogging",
}
SENSORS = {
    "user_acc": ("userAcceleration", "g"),
    "gravity": ("gravity", "g"),
    "gyro": ("rotationRate", "rad/s"),
}
GRAVITY = "gravity"
RATE_HZ, WINDOW_S, OVERLAP = 50.0, 2.56, 0.5
DOWNLOAD = "https://github.com/mmalekzadeh/motion-sense"


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `A_DeviceMotion_data`."""
    options.allow("motionsense", "overlap", "window_s")
    name = "A_DeviceMotion_data"
    below = (name, f"{name}/{name}", f"data/{name}")
    trials = find_trials(find_root(folder, below, "*_*/sub_*.csv", DOWNLOAD))
    sensors = {name: ("xyz", unit) for name, (_, unit) in SENSORS.items()}
    spec = axis_spec(sensors, RATE_HZ, options.window_s or WINDOW_S)
    overlap = OVERLAP if options.overlap is None else options.overlap
    ledger = Ledger()
    bouts = (b for person in sorted(trials) for b in _bouts(str(person), trials[person], ledger))
    return Reading(
        spec=spec,
        windows=bout_windows(bouts, spec, overlap, ledger),
        source=f"MotionSense (Malekzadeh et al. 2018), ODbL 1.0, {DOWNLOAD}",
        label_names=tuple(LABELS.values()),
        ledger=ledger,
    )


def find_trials(root: Path) -> dict[int, list[tuple[int, str, Path]]]:
    """List each person's trials in the order of their numbers: number, label, file."""
    trials: dict[int, list[tuple[int, str, Path]]] = {}
    for path in root.glob("*_*/sub_*.csv"):
        activity, _, trial = path.parent.name.partition("_")
        person = path.stem.removeprefix("sub_")
        numbers = all(re.fullmatch("[0-9]{1,6}", number) for number in (trial, person))
        if activity not in LABELS or not numbers:
            raise DataError(
                f"{str(path.relative_to(root))[:60]} is no trial; expected "
                "<activity>_<number>/sub_<number>.csv "
                f"with an activity of {', '.join(LABELS)}"
            )
        trials.setdefault(int(person), []).append((int(trial), LABELS[activity], path))
    for files in trials.values():
        for (*one, path), (*other, double) in pairwise(sorted(files)):
            if one == other:
                raise DataError(
                    f"{path.relative_to(root)} and {double.relative_to(root)} are one trial of one "
                    "person; keep one of them"
                )
    return {number: sorted(files) for number, files in trials.items()}


def _bouts(subject: str, trials: list[tuple[int, str, Path]], ledger: Ledger) -> Iterator[Bout]:
    start_s = 0.0
    for number, label, path in trials:
        columns = _columns(path)
        types = {column: pa.float32() for names in columns.values() for column in names}
        batches = list(read_batches(path, types))
        if not batches:
            raise DataError(f"{path.parent.name}/{path.name} has no samples; unpack it again")
        table = pa.Table.from_batches(batches)
        values = {name: stack_floats(table, names) for name, names in columns.items()}
        times_s = start_s + np.arange(len(table)) / RATE_HZ
        if GRAVITY not in columns:
            ledger.change("samples", len(table), "without gravity, which their file lacks")
        yield Bout(subject, label, start_s, values, times_s, f"{label}, trial {number}")
        start_s += len(table) / RATE_HZ


def _columns(path: Path) -> dict[str, list[str]]:
    """Name each sensor's columns; gravity has none in a file that lacks all of them."""
    columns = {
        name: [f"{column}.{axis}" for axis in "xyz"] for name, (column, _) in SENSORS.items()
    }
    with path.open(encoding="utf-8", errors="replace") as file:
        header = file.readline()
    if not any(column in header for column in columns[GRAVITY]):
        del columns[GRAVITY]
    return columns
