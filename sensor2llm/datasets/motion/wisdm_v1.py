"""Read WISDM v1.1 [Kwapisz et al. 2010]: a phone in the trouser pocket, 36 people, 6 activities.

Layout, as published: `WISDM_ar_v1.1/WISDM_ar_v1.1_raw.txt`, a sample a line:
`user,activity,time stamp in ns,x,y,z;`. One modality: `phone_accel`, m/s^2 with gravity, 20 Hz.
(`wisdm` reads the set of 2019, with other people, a watch and 18 activities.)

Activities: Walking walking, Jogging jogging, Upstairs walking upstairs, Downstairs walking
downstairs, Sitting sitting, Standing standing.

The published file has faults, which are mended or dropped, and counted:
- Two samples on one line, or a comma before the semicolon: read as if they were written well.
- Samples without z, or with anything else but the form above, are malformed and dropped; more than
  1 % of them is an error.
- Samples with time stamp 0 (their values are 0 too) are dropped.
- Samples whose stamp is earlier than one before it in their bout are dropped; samples that share a
  stamp are spread over the time up to the next one.

Clock: neighbouring samples of one person and one activity are a bout; a clock that jumps back by a
second or more, or on by ten, begins another one. Samples that lie closer than 3/4 of a 20 Hz step
and within the same step are averaged, then values are interpolated linearly on a regular 20 Hz
clock. Pauses above 0.5 s are not bridged. `start_s` of a window counts from the person's first
sample; where the clock went back, the bout is laid 1 s after the end of the one before.

Windows: 10 s without overlap, as its authors cut them. There is no published split: split by
subject.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sensor2llm.datasets.formats.text_tables import read_cells
from sensor2llm.datasets.motion.motion_tables import (
    SLOW,
    Bout,
    bout_windows,
    equal_runs,
    in_order,
    is_slow,
    leave_out,
)
from sensor2llm.datasets.motion.wisdm_file import (
    MAX_MALFORMED,
    RESTART_S,
    average_bursts,
    malformed,
)
from sensor2llm.datasets.published import axis_spec, find_root, possible_values
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.segment import SHORT
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import resample_irregular

LABELS = {
    "Walking": "walking",
    "Jogging": "jogging",
    "Upstairs": "walking upstairs",
    "Downstairs": "walking downstairs",
    "Sitting": "sitting",
    "Standing": "standing",
}
NAME = "phone_accel"
RATE_HZ, WINDOW_S = 20.0, 10.0
MAX_GAP_S, PAUSE_S = 0.5, 10.0
FILE = "WISDM_ar_v1.1_raw.txt"
DOWNLOAD = "https://www.cis.fordham.edu/wisdm/dataset.php"
COLUMNS = ("user", "activity", "time", "x", "y", "z")
_NUMBER = r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_FORM = {
    "user": r"\d{1,9}",
    "activity": "|".join(LABELS),
    "time": r"\d{1,18}",
    "x": _NUMBER,
    "y": _NUMBER,
    "z": _NUMBER,
}


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `WISDM_ar_v1.1`."""
    options.allow("wisdm_v1", "overlap", "window_s")
    path = find_root(folder, ("WISDM_ar_v1.1",), FILE, DOWNLOAD) / FILE
    spec = make_spec(options.window_s or WINDOW_S)
    ledger = Ledger()
    return Reading(
        spec=spec,
        windows=bout_windows(read_bouts(path, spec, ledger), spec, options.overlap or 0.0, ledger),
        source=f"WISDM v1.1 (Kwapisz et al. 2010), {DOWNLOAD}",
        label_names=tuple(LABELS.values()),
        ledger=ledger,
    )


def make_spec(window_s: float = WINDOW_S) -> SignalSpec:
    """Describe windows of this length."""
    return axis_spec({NAME: ("xyz", "m/s^2")}, RATE_HZ, window_s)


def read_bouts(path: Path, spec: SignalSpec, ledger: Ledger) -> Iterator[Bout]:
    """Give the file's bouts in order at 20 Hz; what is dropped is counted in `ledger`."""
    table = parse(path, ledger)
    if not len(table):
        raise DataError(f"{path.name} holds no sample with a time stamp; unpack the archive again")
    user, stamps = table["user"].to_numpy(), table["time"].to_numpy()
    encoded = pc.dictionary_encode(table["activity"]).combine_chunks()
    activity, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    values = np.stack([table[axis].to_numpy() for axis in "xyz"])
    clocks: dict[int, tuple[int, float]] = {}
    step_s = np.diff(stamps) * 1e-9
    cuts = (np.diff(user) != 0) | (np.diff(activity) != 0)
    cuts |= (step_s <= -RESTART_S) | (step_s >= PAUSE_S)
    shortest_s = float(spec.window_s or 0.0) - 2 / RATE_HZ
    for start, stop in equal_runs(np.r_[0, np.cumsum(cuts)]):
        person, first = int(user[start]), int(stamps[start])
        duration_s = (int(stamps[start:stop].max()) - first) * 1e-9
        zero, end_s = clocks.get(person, (first, 0.0))
        if (first - zero) * 1e-9 < end_s:
            zero = first - round((end_s + 1.0) * 1e9)
        start_s = (first - zero) * 1e-9
        clocks[person] = zero, start_s + duration_s
        if duration_s < shortest_s:
            leave_out(ledger, stop - start, SHORT)
            continue
        where = f"{path.name}, user {person}"
        part = possible_values(where, values[:, start:stop], spec[NAME], ledger)
        stay, times_s = in_order((stamps[start:stop] - first) * 1e-9, part, ledger)
        if is_slow(times_s, MAX_GAP_S):
            leave_out(ledger, len(times_s), SLOW)
            continue
        regular = _regular(times_s, part[:, stay])
        label = LABELS[names[activity[start]]]
        yield Bout(str(person), label, start_s, {NAME: regular}, start_s + times_s)


def parse(path: Path, ledger: Ledger) -> pa.Table:
    """Read the well-formed samples with a time stamp: user, activity, time, x, y, z."""
    text = path.read_bytes()
    if not text.strip():
        raise DataError(f"{path.name} is empty; unpack the archive again")
    # A semicolon ends a sample; the line does not, where two samples are on one.
    lines = text.replace(b"\r", b"").replace(b";", b"\n").replace(b",\n", b"\n")
    table, ragged = read_cells(path, lines, COLUMNS, " \t")
    good = pa.array(np.ones(len(table), bool))
    for name, form in _FORM.items():
        good = pc.and_(good, pc.match_substring_regex(table[name], f"^({form})$"))
    samples = len(table) + ragged
    table = table.filter(good)
    bad = samples - len(table)
    leave_out(ledger, bad, "malformed")
    if bad > MAX_MALFORMED * samples:
        sample = ",".join(rf"\s*({_FORM[name]})\s*" for name in COLUMNS)
        good_line = "33,Jogging,49105962326000,-0.69,12.68,0.50;"
        raise malformed(path, text, rf"({sample},?(;|$))*", (bad, samples), good_line)
    columns = {name: pc.cast(table[name], pa.int64()) for name in ("user", "time")}
    columns |= {axis: pc.cast(table[axis], pa.float64()) for axis in "xyz"}
    table = pa.table(columns | {"activity": table["activity"]})
    stamped = pc.not_equal(table["time"], 0)
    leave_out(ledger, len(table) - (pc.sum(stamped).as_py() or 0), "with time stamp 0")
    return table.filter(stamped)


def _regular(times_s: np.ndarray, values: np.ndarray) -> np.ndarray:
    times_s, values = average_bursts(times_s, values, RATE_HZ)
    steps = int(times_s[-1] * RATE_HZ + 1e-6) + 1
    return resample_irregular(times_s, values, RATE_HZ, 0.0, steps, max_gap_s=MAX_GAP_S)
