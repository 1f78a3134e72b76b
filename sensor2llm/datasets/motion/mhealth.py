"""Read MHEALTH [Banos et al. 2014]: chest, left ankle and right arm, 10 people, 12 activities.

Layout, as published: `MHEALTHDATASET/mHealth_subject{1..10}.log`, a sample a line, 24 columns with
a tab between them, 50 Hz, no clock.

    columns      modality     unit    what
    1 to 3       chest_acc    m/s^2   acceleration with gravity
    4, 5         chest_ecg    mV      lead 1, lead 2
    6 to 8       ankle_acc    m/s^2   left ankle
    9 to 11      ankle_gyro   deg/s
    12 to 14     ankle_mag    local   magnetic field; the authors name no unit but "local"
    15 to 17     arm_acc      m/s^2   right lower arm
    18 to 20     arm_gyro     deg/s
    21 to 23     arm_mag      local
    24           the activity, 0 to 12

Activities: 1 standing ("standing still"), 2 sitting ("sitting and relaxing"), 3 lying ("lying
down"), 4 walking, 5 climbing stairs, 6 waist bends forward, 7 frontal elevation of arms, 8 knee
bends ("knees bending (crouching)"), 9 cycling, 10 jogging, 11 running, 12 jumping front and back.
Samples of 0 (none of them) are dropped and counted.

Each run of one activity is cut by itself. `start_s` of a window counts from the file's first line.
Windows: 5.12 s, half of each is repeated by the next one. There is no published split: split by
subject. The ECG is sampled at 50 Hz: it shows beats, not the shape of a beat.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensor2llm.datasets.formats.text_tables import read_numbers, stack_floats
from sensor2llm.datasets.motion.motion_tables import (
    NO_ACTIVITY,
    Bout,
    bout_windows,
    leave_out,
    long_runs,
)
from sensor2llm.datasets.published import axis_spec, find_root, number_files
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.spec import SignalSpec

LABELS = (
    "standing", "sitting", "lying", "walking", "climbing stairs", "waist bends forward",
    "frontal elevation of arms", "knee bends", "cycling", "jogging", "running",
    "jumping front and back",
)  # fmt: skip
SENSORS = {
    "chest_acc": ("xyz", "m/s^2"),
    "chest_ecg": ("12", "mV"),
    "ankle_acc": ("xyz", "m/s^2"),
    "ankle_gyro": ("xyz", "deg/s"),
    "ankle_mag": ("xyz", "local"),
    "arm_acc": ("xyz", "m/s^2"),
    "arm_gyro": ("xyz", "deg/s"),
    "arm_mag": ("xyz", "local"),
}
COLUMNS = (*(f"{name}_{axis}" for name, (axes, _) in SENSORS.items() for axis in axes), "activity")
RATE_HZ, WINDOW_S, OVERLAP = 50.0, 5.12, 0.5
DOWNLOAD = "https://archive.ics.uci.edu/dataset/319"


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `MHEALTHDATASET`."""
    options.allow("mhealth", "overlap", "window_s")
    pattern = "mHealth_subject*.log"
    root = find_root(folder, ("MHEALTHDATASET",), pattern, DOWNLOAD)
    people = number_files(root, pattern, "mHealth_subject")
    spec = axis_spec(SENSORS, RATE_HZ, options.window_s or WINDOW_S)
    overlap = OVERLAP if options.overlap is None else options.overlap
    ledger = Ledger()
    bouts = (
        bout for person, path in people.items() for bout in _bouts(path, str(person), spec, ledger)
    )
    return Reading(
        spec=spec,
        windows=bout_windows(bouts, spec, overlap, ledger),
        source=f"MHEALTH (Banos et al. 2014), CC BY 4.0, {DOWNLOAD}",
        label_names=LABELS,
        ledger=ledger,
    )


def _bouts(path: Path, subject: str, spec: SignalSpec, ledger: Ledger) -> Iterator[Bout]:
    types = dict.fromkeys(COLUMNS, pa.float32()) | {"activity": pa.int64()}
    table = read_numbers(path, COLUMNS, types)
    codes = table["activity"].to_numpy()
    unknown = codes[(codes < 0) | (codes > len(LABELS))]
    if unknown.size:
        raise DataError(f"{path.name}: unknown activity {unknown[0]}, expected 0 to {len(LABELS)}")
    leave_out(ledger, int((codes == 0).sum()), NO_ACTIVITY)
    times_s = np.arange(len(codes)) / RATE_HZ
    values = {m.name: stack_floats(table, m.channel_names) for m in spec.modalities}
    window_s = float(spec.window_s or 0.0)
    for start, stop in long_runs(times_s, codes, window_s, RATE_HZ, ledger, codes != 0):
        parts = {name: part[:, start:stop] for name, part in values.items()}
        label = LABELS[codes[start] - 1]
        yield Bout(subject, label, start / RATE_HZ, parts, times_s[start:stop])
