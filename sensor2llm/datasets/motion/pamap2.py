"""Read PAMAP2 [Reiss & Stricker 2012]: hand, chest, ankle and heart rate, 9 people, 12 activities.

Layout, as published: `PAMAP2_Dataset/Protocol/subject10{1..9}.dat`, a sample a line, 54 columns
with a space between them: time in s, activity, heart rate in bpm, then 17 columns each of hand,
chest and ankle. NaN is a value that was not measured.

    modality                           unit    rate    what
    hand_acc, chest_acc, ankle_acc     m/s^2   100 Hz  the ±16 g accelerometer, with gravity
    hand_gyro, chest_gyro, ankle_gyro  rad/s   100 Hz  angular velocity
    heart_rate                         bpm     1 Hz    chest strap

Left out: temperature, magnetometers, the ±6 g accelerometer (it saturates; its authors advise the
other one) and the orientation, which they call invalid.

Activities: 1 lying, 2 sitting, 3 standing, 4 walking, 5 running, 6 cycling, 7 Nordic walking,
12 walking upstairs ("ascending stairs"), 13 walking downstairs, 16 vacuum cleaning, 17 ironing,
24 jumping rope. Samples of 0 (between two activities) and of the optional activities 9, 10, 11, 18,
19 and 20 are dropped and counted. `Optional/` is not read.

Clock: one for all sensors, a sample every 10 ms; samples that are lacking are NaN. Samples earlier
than one before them are dropped, those that share a time are spread up to the next one, and both
are counted. Each run of one activity is cut by itself, so no
window holds the moment of a change. `start_s` of a window counts from the file's first sample.

Heart rate: read about nine times a second. A window's values are interpolated linearly at its
start and every second after it. Where two neighbouring readings are more than 2 s apart, nothing
is filled in, and the window has no heart rate.

Windows: 5.12 s, half of each is repeated by the next one. There is no published split; the custom
is to leave one person out. Subject 109 has one activity only.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Float32, Float64, Int64

from sensor2llm.datasets.formats.text_tables import read_numbers, stack_floats
from sensor2llm.datasets.motion.motion_tables import (
    Bout,
    bout_windows,
    in_order,
    leave_out,
    long_runs,
)
from sensor2llm.datasets.published import find_root, number_files, possible_values, sampled_spec
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window

LABELS = {
    1: "lying",
    2: "sitting",
    3: "standing",
    4: "walking",
    5: "running",
    6: "cycling",
    7: "Nordic walking",
    12: "walking upstairs",
    13: "walking downstairs",
    16: "vacuum cleaning",
    17: "ironing",
    24: "jumping rope",
}
TRANSIENT, OPTIONAL = 0, (9, 10, 11, 18, 19, 20)
UNITS = {"acc": "m/s^2", "gyro": "rad/s"}
RATE_HZ, HEART_RATE_HZ = 100.0, 1.0
WINDOW_S, OVERLAP = 5.12, 0.5
MAX_BEAT_GAP_S = 2.0
# A file may lack so many of its samples: some 45 minutes of pauses, and 4 of 5 samples beyond.
MAX_STEPS_A_SAMPLE, STEPS_AT_LEAST = 5, 1 << 18
LATEST_S = 1e11
DOWNLOAD = "https://archive.ics.uci.edu/dataset/231"

_OF_PLACE = (
    "temperature",
    *(f"{sensor}_{axis}" for sensor in ("acc", "acc6", "gyro", "mag") for axis in "xyz"),
    *(f"orientation_{i}" for i in range(4)),
)
PLACES = ("hand", "chest", "ankle")
COLUMNS = (
    "time",
    "activity",
    "heart_rate",
    *(f"{place}_{column}" for place in PLACES for column in _OF_PLACE),
)


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `PAMAP2_Dataset`."""
    options.allow("pamap2", "overlap", "window_s")
    below = ("PAMAP2_Dataset/Protocol", "Protocol")
    root = find_root(folder, below, "subject*.dat", DOWNLOAD)
    people = number_files(root, "subject*.dat", "subject")
    spec = make_spec(options.window_s or WINDOW_S)
    overlap = OVERLAP if options.overlap is None else options.overlap
    ledger = Ledger()
    return Reading(
        spec=spec,
        windows=(
            window
            for person, path in people.items()
            for window in _windows(path, str(person), spec, overlap, ledger)
        ),
        source=f"PAMAP2 (Reiss & Stricker 2012), CC BY 4.0, {DOWNLOAD}",
        label_names=tuple(LABELS.values()),
        ledger=ledger,
    )


def make_spec(window_s: float = WINDOW_S) -> SignalSpec:
    """Describe windows of this length."""
    sensors = {
        f"{place}_{name}": ([f"{place}_{name}_{axis}" for axis in "xyz"], unit, RATE_HZ)
        for place in PLACES
        for name, unit in UNITS.items()
    }
    heart_rate = (["heart_rate"], "bpm", HEART_RATE_HZ)
    return sampled_spec(sensors | {"heart_rate": heart_rate}, window_s)


def read_samples(path: Path) -> pa.Table:
    """Read a subject's file: time, activity, heart rate and the channels of `make_spec`."""
    channels = [name for m in make_spec().modalities for name in m.channel_names]
    types = dict.fromkeys(channels, pa.float32())
    return read_numbers(path, COLUMNS, {"time": pa.float64(), "activity": pa.int64()} | types)


def heart_rate_at(
    times_s: Float64[np.ndarray, " step"],
    read_s: Float64[np.ndarray, " reading"],
    bpm: Float[np.ndarray, " reading"],
) -> Float32[np.ndarray, "1 step"]:
    """Interpolate the readings; NaN outside them and between two that are over 2 s apart."""
    if not len(read_s):
        return np.full((1, len(times_s)), np.nan, np.float32)
    after = read_s[np.minimum(np.searchsorted(read_s, times_s), len(read_s) - 1)]
    before = read_s[np.maximum(np.searchsorted(read_s, times_s, side="right") - 1, 0)]
    inside = (before <= times_s) & (times_s <= after) & (after - before <= MAX_BEAT_GAP_S)
    values = np.where(inside, np.interp(times_s, read_s, bpm), np.nan)
    return values[None].astype(np.float32)


def _windows(
    path: Path, subject: str, spec: SignalSpec, overlap: float, ledger: Ledger
) -> Iterator[Window]:
    table, steps = _in_order(path, read_samples(path), ledger)
    heart_rate = stack_floats(table, ["heart_rate"])
    bpm = possible_values(path.name, heart_rate, spec["heart_rate"], ledger)[0]
    measured = np.isfinite(bpm)
    read_s, bpm = steps[measured] / RATE_HZ, bpm[measured]
    motion = spec.subset(name for name in spec.names if name != "heart_rate")
    # The heart rate is added afterwards, at each window's own seconds: cut with the rest, it would
    # be up to half a second off, and make windows of the half second in which nothing else is left.
    bouts = _bouts(path, subject, table, steps, motion, ledger)
    for window in bout_windows(bouts, motion, overlap, ledger):
        seconds = window.start_s + np.arange(spec["heart_rate"].steps) / HEART_RATE_HZ
        heart_rate = heart_rate_at(seconds, read_s, bpm)
        if np.isfinite(heart_rate).all():
            yield replace(window, signals={**window.signals, "heart_rate": heart_rate})
        else:
            yield window


def _in_order(
    path: Path, table: pa.Table, ledger: Ledger
) -> tuple[pa.Table, Int64[np.ndarray, " sample"]]:
    """Give the samples and their steps of 10 ms from the first, each later than the one before."""
    times_s = table["time"].to_numpy()
    possible = np.abs(times_s) < LATEST_S
    if not possible.all():
        row = int(np.flatnonzero(~possible)[0]) + 1
        raise DataError(f"{path.name}: row {row} has no time; unpack the archive again")
    channels = [name for name in table.column_names if name not in ("time", "activity")]
    stay, times_s = in_order(times_s - times_s[0], stack_floats(table, channels), ledger)
    if times_s[-1] * RATE_HZ > MAX_STEPS_A_SAMPLE * len(times_s) + STEPS_AT_LEAST:
        raise DataError(
            f"{path.name}: {len(times_s)} samples over {times_s[-1]:g} s, expected {RATE_HZ:g} a "
            "second; is the first column the time in s?"
        )
    steps = np.rint(times_s * RATE_HZ).astype(np.int64)
    single = np.r_[True, np.diff(steps) > 0]
    leave_out(ledger, int((~single).sum()), "in the same 10 ms as one before")
    return table.take(pa.array(stay[single])), steps[single]


def _bouts(
    path: Path,
    subject: str,
    table: pa.Table,
    steps: np.ndarray,
    motion: SignalSpec,
    ledger: Ledger,
) -> Iterator[Bout]:
    codes = table["activity"].to_numpy()
    unknown = np.setdiff1d(codes, (TRANSIENT, *OPTIONAL, *LABELS))
    if unknown.size:
        numbers = ", ".join(map(str, sorted((TRANSIENT, *OPTIONAL, *LABELS))))
        raise DataError(f"{path.name}: unknown activity {unknown[0]}, expected one of {numbers}")
    leave_out(ledger, int((codes == TRANSIENT).sum()), "between two activities")
    leave_out(ledger, int(np.isin(codes, OPTIONAL).sum()), "of optional activities")
    values = {m.name: stack_floats(table, m.channel_names) for m in motion.modalities}
    times_s, window_s = steps / RATE_HZ, float(motion.window_s or 0.0)
    wanted = np.isin(codes, list(LABELS))
    for start, stop in long_runs(times_s, codes, window_s, RATE_HZ, ledger, wanted):
        places = steps[start:stop] - steps[start]
        parts = {name: _spread(part[:, start:stop], places) for name, part in values.items()}
        label = LABELS[int(codes[start])]
        yield Bout(subject, label, float(times_s[start]), parts, times_s[start:stop])


def _spread(
    values: Float32[np.ndarray, "channel sample"], places: Int64[np.ndarray, " sample"]
) -> Float32[np.ndarray, "channel step"]:
    """Put samples in their places; the steps that have none are NaN."""
    grid = np.full((len(values), int(places[-1]) + 1), np.nan, np.float32)
    grid[:, places] = values
    return grid
