"""Read WISDM 2019 [Weiss et al. 2019]: phone and watch, 51 people, 18 activities of 3 minutes.

Layout, as published: `wisdm-dataset/raw/<device>/<sensor>/data_<subject>_<sensor>_<device>.txt` for
device phone and watch, sensor accel and gyro; a sample a line: `subject,activity code,time stamp in
ns,x,y,z;` in m/s^2 with gravity, or in rad/s.
Modalities: `watch_accel`, `watch_gyro`, `phone_accel`, `phone_gyro`.

Clocks. Phone and watch count from different, unknown moments, so nothing says which sample of one
belongs to which of the other. They are aligned by activity segment:
1. A file's neighbouring lines of one activity are a segment; a clock that jumps back by a second or
   more starts another one. A person's k-th segments of an activity belong together.
2. Each device's segment is put on a clock of its own whose zero is the moment from which all its
   sensors ran. The two sensors of one device share its clock, so what is true of them stays true
   (the phone's accelerometer starts about 0.2 s before its gyroscope). Sensors of one device that
   start over 2 s apart get a zero each.
3. The zeros are laid on each other: windows at the same time after the start of an activity are
   paired. Where both clocks ran on, the distance of the two zeros mostly stays within 0.1 s from
   activity to activity (measured on 17 people), in a few segments it moves by
   seconds. So the phase between devices is approximate, and nothing should be read from it.

Rate: 20 Hz nominal, but watches burst at 100 Hz within a segment. Samples that lie closer than 3/4
of a 20 Hz step and within the same step are averaged; then values are interpolated linearly on a
regular 20 Hz clock. Pauses above 0.5 s are not bridged.

Dropped and counted: malformed lines (more than 1 % of a file is an error), and lines whose stamp
is earlier than one before it in their segment. Lines that share a stamp are spread up to the next.

`start_s` of a window counts from the person's first sample, on the watch's clock (the phone's where
there is no watch). There is no published split: split by subject.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sensor2llm.datasets.motion.motion_tables import leave_out
from sensor2llm.datasets.motion.wisdm_file import (
    MAX_GAP_S,
    LabelSegment,
    average_bursts,
    read_segments,
)
from sensor2llm.datasets.published import axis_spec, find_root, possible_values
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.segment import SHORT
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import resample_irregular, segment
from sensor2llm.signals.window import Annotation, Recording, Track

LABELS = {
    "A": "walking",
    "B": "jogging",
    "C": "stairs",
    "D": "sitting",
    "E": "standing",
    "F": "typing",
    "G": "brushing teeth",
    "H": "eating soup",
    "I": "eating chips",
    "J": "eating pasta",
    "K": "drinking",
    "L": "eating a sandwich",
    "M": "kicking a ball",
    "O": "playing catch",
    "P": "dribbling a basketball",
    "Q": "writing",
    "R": "clapping",
    "S": "folding clothes",
}
UNITS = {"accel": "m/s^2", "gyro": "rad/s"}
RATE_HZ, WINDOW_S = 20.0, 10.0
SHARED_START_S, EDGE_S = 2.0, 1e-6
DOWNLOAD = "https://archive.ics.uci.edu/dataset/507"

Files = dict[str, dict[str, Path]]
"""Modality name to subject to file."""


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `wisdm-dataset`."""
    options.allow("wisdm", "overlap", "window_s", "devices", "subjects")
    devices = ("watch", "phone") if options.devices in (None, "both") else (options.devices,)
    root = find_root(folder, ("wisdm-dataset/raw", "raw"), "*/*/data_*.txt", DOWNLOAD)
    files = find_files(root, devices)
    people = {subject for of_sensor in files.values() for subject in of_sensor}
    if options.subjects == "complete":
        people = set.intersection(*(set(of_sensor) for of_sensor in files.values()))
    if not people:
        raise DataError(f"{folder} has no data of {' and '.join(devices)} for these people")
    sensors = {f"{device}_{name}": ("xyz", UNITS[name]) for device in devices for name in UNITS}
    spec = axis_spec(sensors, RATE_HZ, options.window_s or WINDOW_S)
    ledger = Ledger()
    return Reading(
        spec=spec,
        windows=(
            window
            for subject in sorted(people)
            for recording in recordings(subject, files, spec, ledger)
            for window in segment(
                recording,
                spec,
                overlap=options.overlap or 0.0,
                ledger=ledger,
                rows_unit="samples",
            )
        ),
        source=f"WISDM 2019 (Weiss et al. 2019), CC BY 4.0, {DOWNLOAD}",
        label_names=tuple(LABELS.values()),
        ledger=ledger,
    )


def find_files(root: Path, devices: tuple[str, ...]) -> Files:
    """List the files of each modality by subject."""
    files: Files = {}
    for device in devices:
        for sensor in UNITS:
            paths = sorted((root / device / sensor).glob(f"data_*_{sensor}_{device}.txt"))
            of_sensor = {path.stem.split("_")[1]: path for path in paths}
            if len(of_sensor) < len(paths):
                raise DataError(
                    f"{root / device / sensor} has two files of one person; keep one of them"
                )
            files[f"{device}_{sensor}"] = of_sensor
    return files


def recordings(subject: str, files: Files, spec: SignalSpec, ledger: Ledger) -> Iterator[Recording]:
    """Give a person's activities in order, each with the sensors that recorded it."""
    groups: dict[tuple[str, int], dict[str, LabelSegment]] = defaultdict(dict)
    for name, of_sensor in files.items():
        if subject not in of_sensor:
            continue
        seen: Counter[str] = Counter()
        for part in read_segments(of_sensor[subject], subject, frozenset(LABELS), ledger):
            groups[part.code, seen[part.code]][name] = part
            seen[part.code] += 1
    if not groups:
        return
    shortest_s = float(spec.window_s or 0.0) - 2 / RATE_HZ
    for (code, _), group, start_s in in_order(groups):
        if max(part.duration_s for part in group.values()) < shortest_s:
            leave_out(ledger, sum(len(part.times_s) for part in group.values()), SHORT)
            continue
        tracks = aligned(group, spec, start_s, ledger)
        stop_s = max(track.times_s[-1] for track in tracks.values()) + 1 / RATE_HZ
        yield Recording(
            subject=subject,
            tracks=tracks,
            annotations=(Annotation(start_s=start_s, stop_s=stop_s, label=LABELS[code]),),
            name=f"{subject} {LABELS[code]}",
            row_times_s=_sample_times(group, start_s, ledger),
        )


def _sample_times(group: dict[str, LabelSegment], start_s: float, ledger: Ledger) -> np.ndarray:
    """Give the times of an activity's samples from its start on; count those before it."""
    zeros = device_zeros(group)
    times_s = np.concatenate([part.times_s - zeros[name] for name, part in group.items()])
    before = times_s < -EDGE_S
    leave_out(ledger, int(before.sum()), "before all sensors of a device ran")
    return np.sort(times_s[~before]) + start_s


def in_order(
    groups: dict[tuple[str, int], dict[str, LabelSegment]],
) -> list[tuple[tuple[str, int], dict[str, LabelSegment], float]]:
    """Sort a person's segments by start; those that only the other device has come last.

    Returns:
        Activity and count, its segments by modality, and its start in seconds.
    """
    devices = {name.split("_")[0] for group in groups.values() for name in group}
    reference = "watch" if "watch" in devices else "phone"
    clocks = {
        key: [part.times_s[[0, -1]] for name, part in group.items() if name.startswith(reference)]
        for key, group in groups.items()
    }
    zero = min(times[0] for segments in clocks.values() for times in segments)
    starts = {
        key: min(t[0] for t in segments) - zero for key, segments in clocks.items() if segments
    }
    end = max(times[1] for segments in clocks.values() for times in segments) - zero
    for key, group in groups.items():
        if key not in starts:
            starts[key], end = end + 1.0, end + 1.0 + max(p.duration_s for p in group.values())
    order = sorted(groups, key=lambda key: starts[key])
    return [(key, groups[key], starts[key]) for key in order]


def aligned(
    group: dict[str, LabelSegment], spec: SignalSpec, start_s: float, ledger: Ledger
) -> dict[str, Track]:
    """Put one activity's segments on a common clock that starts at `start_s`.

    Ends that differ by less than a window are cut to the earliest, so that the last window does
    not lack a sensor that stopped a moment before.
    """
    zeros = device_zeros(group)
    ends = {name: part.times_s[-1] - zeros[name] for name, part in group.items()}
    if max(ends.values()) - min(ends.values()) < (spec.window_s or 0.0):
        ends = dict.fromkeys(ends, min(ends.values()))
    tracks = {}
    for name, part in group.items():
        where = f"person {part.subject}"
        possible = possible_values(where, part.values, spec[name], ledger)
        times_s, values = average_bursts(part.times_s - zeros[name], possible, RATE_HZ)
        ledger.change("samples", len(part.times_s) - len(times_s), "averaged in bursts")
        steps = max(1, math.floor(ends[name] * RATE_HZ + 1e-6) + 1)
        regular = resample_irregular(times_s, values, RATE_HZ, 0.0, steps, max_gap_s=MAX_GAP_S)
        tracks[name] = Track(modality=spec[name], values=regular, start_s=start_s)
    return tracks


def device_zeros(group: dict[str, LabelSegment]) -> dict[str, float]:
    """Give each sensor's zero on its own clock: the moment from which its device's sensors ran."""
    zeros = {name: float(part.times_s[0]) for name, part in group.items()}
    for device in ("watch", "phone"):
        own = {name: zero for name, zero in zeros.items() if name.startswith(device)}
        if own and max(own.values()) - min(own.values()) <= SHARED_START_S:
            zeros |= dict.fromkeys(own, max(own.values()))
    return zeros
