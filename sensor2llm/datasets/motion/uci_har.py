"""Read UCI HAR [Anguita et al. 2012]: a smartphone at the waist, 30 people, 6 activities.

Layout, as published: `UCI HAR Dataset/{train,test}/Inertial Signals/<signal>_<split>.txt`, one
window of 128 values a line, with `y_<split>.txt` and `subject_<split>.txt` beside it.

    modality     unit    what
    total_acc    g       acceleration with gravity
    body_acc     g       `total_acc` less its part below 0.3 Hz
    body_gyro    rad/s   angular velocity

50 Hz, 2.56 s. `body_acc` is computed from `total_acc`: to leave the accelerometer out, drop both.
The split by people is the published one (21 train, 9 test).

Published names and the texts that people write: WALKING walking, WALKING_UPSTAIRS walking upstairs,
WALKING_DOWNSTAIRS walking downstairs, SITTING sitting, STANDING standing, LAYING lying.

Start times: the files hold no clock. A window whose first half equals the second half of the line
before it, of the same person, starts 1.28 s later (the published 50 % overlap); any other starts
2.56 s later. So windows that share samples overlap in `start_s` too, and the pauses between the
runs of one person are not known.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from sensor2llm.datasets.published import axis_spec, find_root
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import LIMITS
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.window import Window

LABELS = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")
UNITS = {"body_acc": "g", "body_gyro": "rad/s", "total_acc": "g"}
RATE_HZ, STEPS = 50.0, 128
SPLITS = ("train", "test")

SPEC = axis_spec({name: ("xyz", unit) for name, unit in UNITS.items()}, RATE_HZ, STEPS / RATE_HZ)
DOWNLOAD = "https://archive.ics.uci.edu/dataset/240"


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `UCI HAR Dataset`."""
    options.allow("uci_har")
    below = ("UCI HAR Dataset",)
    root = find_root(folder, below, "train/Inertial Signals", DOWNLOAD)
    ledger = Ledger()
    people = {split: _column(root / split / f"subject_{split}.txt") for split in SPLITS}
    both = np.intersect1d(people["train"], people["test"])
    if both.size:
        raise DataError(
            f"person {both[0]} is in subject_train.txt and in subject_test.txt, so that the "
            "published split would not be one by people; unpack the archive again"
        )
    return Reading(
        spec=SPEC,
        windows=(
            window for split in SPLITS for window in _windows(root, split, people[split], ledger)
        ),
        source=f"UCI HAR (Anguita et al. 2012), {DOWNLOAD}",
        label_names=LABELS,
        published={split: [str(p) for p in np.unique(people[split])] for split in SPLITS},
        total=sum(map(len, people.values())),
        ledger=ledger,
    )


def _windows(root: Path, split: str, people: np.ndarray, ledger: Ledger) -> Iterator[Window]:
    activities = _column(root / split / f"y_{split}.txt")
    unknown = np.flatnonzero((activities < 1) | (activities > len(LABELS)))
    if unknown.size:
        row = int(unknown[0])
        raise DataError(
            f"y_{split}.txt: row {row + 1}: unknown label {activities[row]}, expected 1 to 6"
        )
    signals = {name: _modality(root, split, name) for name in UNITS}
    for name, values in signals.items():
        if not len(values) == len(people) == len(activities):
            raise DataError(
                f"{split}: {name} has {len(values)} windows, subject_{split}.txt {len(people)} and "
                f"y_{split}.txt {len(activities)} lines; they must be equal"
            )
    starts = start_times(signals["total_acc"], people)
    for row, (person, activity) in enumerate(zip(people, activities, strict=True)):
        ledger.read("windows")
        ledger.keep("windows")
        yield Window(
            signals={name: values[row] for name, values in signals.items()},
            subject=str(person),
            label=LABELS[activity - 1],
            start_s=float(starts[row]),
        )


def start_times(values: Float[np.ndarray, "window channel step"], people: np.ndarray) -> np.ndarray:
    """Give each window's start in seconds on its person's clock, by the rule of this module."""
    half = values.shape[2] // 2
    overlaps = (values[1:, :, :half] == values[:-1, :, half:]).all(axis=(1, 2))
    steps = np.r_[0, np.where(overlaps, half, values.shape[2])]
    time = np.cumsum(steps) / RATE_HZ
    first = np.r_[True, people[1:] != people[:-1]]
    return time - time[np.flatnonzero(first)][np.cumsum(first) - 1]


def _modality(root: Path, split: str, name: str) -> Float32[np.ndarray, "window channel step"]:
    folder = root / split / "Inertial Signals"
    axes = [_table(folder / f"{name}_{axis}_{split}.txt") for axis in "xyz"]
    if len({len(axis) for axis in axes}) > 1:
        counts = ", ".join(str(len(axis)) for axis in axes)
        raise DataError(f"{split}: the x, y, z files of {name} have {counts} lines, must be equal")
    values, least, greatest = np.stack(axes, axis=1), *LIMITS[UNITS[name]]
    outside = np.argwhere((values < least) | (values > greatest))
    if outside.size:
        row, axis, step = outside[0]
        raise DataError(
            f"{name}_{'xyz'[axis]}_{split}.txt: row {row + 1}, column {step + 1}: "
            f"{values[row, axis, step]:g} {UNITS[name]} cannot be, expected {least:g} to "
            f"{greatest:g}"
        )
    return values


def _table(path: Path) -> Float32[np.ndarray, "row step"]:
    text = _bytes(path)
    try:
        with np.errstate(over="ignore"):
            values = np.array(text.split(), dtype=np.float32)
        rows = text.count(b"\n") + (not text.endswith(b"\n"))
        if values.size == rows * STEPS and np.isfinite(values).all():
            return values.reshape(rows, STEPS)
    except ValueError:
        pass
    raise _first_fault(path, text)


def _first_fault(path: Path, text: bytes) -> DataError:
    """Say which line does not hold 128 numbers: looked for only once reading has failed."""
    for row, line in enumerate(text.splitlines(), 1):
        cells = line.split()
        if len(cells) != STEPS:
            return DataError(f"{path.name}: row {row} has {len(cells)} values, expected {STEPS}")
        for column, cell in enumerate(cells, 1):
            if not _is_number(cell):
                shown = cell[:40].decode(errors="replace")
                return DataError(
                    f"{path.name}: row {row}, column {column}: {shown!r} is not a number"
                )
    return DataError(f"{path.name}: expected {STEPS} numbers a line")


def _column(path: Path) -> np.ndarray:
    cells = _bytes(path).split()
    for row, cell in enumerate(cells, 1):
        if not (cell.isdigit() and len(cell) < 10):
            shown = cell[:40].decode(errors="replace")
            raise DataError(f"{path.name}: row {row}: {shown!r} is no whole number")
    return np.array(cells, dtype=np.int64)


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path} is missing; unpack the whole archive again")
    text = path.read_bytes()
    if not text.strip():
        raise DataError(f"{path} is empty; unpack the archive again")
    return text


def _is_number(cell: bytes) -> bool:
    try:
        return abs(float(cell)) < float(np.finfo(np.float32).max)
    except ValueError:
        return False
