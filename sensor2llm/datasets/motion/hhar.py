"""Read HHAR [Stisen et al. 2015]: 8 phones at the waist, 4 watches, 9 people, 6 activities.

Layout, as published: `Activity recognition exp/{Phones,Watch}_{accelerometer,gyroscope}.csv` with
the header `Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt`; a sample a line.
Modalities: `phone_accel`, `phone_gyro`, `watch_accel`, `watch_gyro` in m/s^2 with gravity and in
rad/s, all brought to 50 Hz (the devices' own rates are 50 to 200 Hz).

Activities: bike cycling, sit sitting, stand standing, walk walking, stairsup walking upstairs,
stairsdown walking downstairs. Samples of `null` or of none are dropped and counted.

Recordings. A person carried several devices at once, each with a clock of its own that nothing ties
to the others. So each device of a person is a recording of its own: a window holds the sensors of
one device, and the other device kind's modalities are absent. Windows of one person's devices may
show the same moment: split by subject, never by window. `start_s` counts from the first sample of
that person on that device. Some phones have no gyroscope.

Clocks. `Arrival_Time` (ms) is the device's time of day when a sample reached the app: one clock for
both sensors, but with jitter and several samples at one moment. `Creation_Time` (ns) is the
driver's: even, but it counts from different moments, and on some devices it jumps or runs at
another speed. The rule:
1. A device's samples are sorted by arrival, accelerometer and gyroscope together, and cut where the
   activity changes or nothing arrives for 5 s: a bout.
2. In a bout, each sensor's creation times are shifted onto the arrivals by the median of their
   differences. If then at least 99 % of the samples lie within 0.5 s of their arrival, they are
   the sensor's clock (those that do not are dropped), and samples that share a time are spread up
   to the next one.
3. If not, arrivals are the clock; samples that arrive closer than 3/4 of a 50 Hz step and within
   the same step are averaged. Samples timed so are counted.
4. Values are brought to 50 Hz (filtered first where the sensor is faster). Pauses above 0.5 s are
   not bridged. Sensors that start or stop less than a window apart are cut to what both measured.

Windows: 2.56 s, half of each is repeated by the next one. There is no published split.

The files hold tens of millions of samples. They are read in pieces, sorted by person and device
into a temporary folder (32 bytes a sample; `TMPDIR` says where), and used from there: memory holds
one device of one person.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sensor2llm.datasets.formats.text_tables import read_batches, stack_floats
from sensor2llm.datasets.motion.motion_tables import (
    NO_ACTIVITY,
    SLOW,
    Bout,
    bout_windows,
    in_order,
    is_slow,
    leave_out,
    long_runs,
)
from sensor2llm.datasets.motion.wisdm_file import average_bursts
from sensor2llm.datasets.published import axis_spec, find_root
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.reader_options import SourceOptions
from sensor2llm.signals.reading import Reading
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.transforms import resample_irregular

LABELS = {
    "bike": "cycling",
    "sit": "sitting",
    "stand": "standing",
    "walk": "walking",
    "stairsup": "walking upstairs",
    "stairsdown": "walking downstairs",
}
NO_LABEL = ("null", "")
MAX_DEVICES = 200
LATEST = {"arrival": 10**14, "creation": 4 * 10**18}
FILES = {
    "phone_accel": "Phones_accelerometer.csv",
    "phone_gyro": "Phones_gyroscope.csv",
    "watch_accel": "Watch_accelerometer.csv",
    "watch_gyro": "Watch_gyroscope.csv",
}
UNITS = {"accel": "m/s^2", "gyro": "rad/s"}
RATE_HZ, WINDOW_S, OVERLAP = 50.0, 2.56, 0.5
PAUSE_S, MAX_GAP_S = 5.0, 0.5
MAX_LAG_S, MIN_AGREEING = 0.5, 0.99
ALONE = "alone of their sensor in a bout"
DOWNLOAD = "https://archive.ics.uci.edu/dataset/344"
SAMPLE = np.dtype([("arrival", "<i8"), ("creation", "<i8"), ("code", "<i4"), ("values", "<f4", 3)])
_TYPES = {
    "Arrival_Time": pa.int64(),
    "Creation_Time": pa.int64(),
    **dict.fromkeys("xyz", pa.float32()),
    **dict.fromkeys(("User", "Device", "gt"), pa.string()),
}

Device = tuple[str, str]
"""Person and device, as the files name them."""


def read(folder: Path, options: SourceOptions) -> Reading:
    """Read the data set from the folder that holds (or is) `Activity recognition exp`."""
    options.allow("hhar", "overlap", "window_s", "devices")
    if options.devices not in (None, "both", "watch", "phone"):
        raise ConfigError(f"hhar has devices watch, phone and both, got {options.devices!r}")
    kinds = ("watch", "phone") if options.devices in (None, "both") else (options.devices,)
    below = ("Activity recognition exp",)
    root = find_root(folder, below, "*_accelerometer.csv", DOWNLOAD)
    files = {name: root / file for name, file in FILES.items() if name.startswith(kinds)}
    for path in files.values():
        if not path.is_file():
            raise DataError(f"{path} is missing; unpack the whole archive again")
    sensors = {name: ("xyz", UNITS[name.split("_")[1]]) for name in files}
    spec = axis_spec(sensors, RATE_HZ, options.window_s or WINDOW_S)
    overlap = OVERLAP if options.overlap is None else options.overlap
    ledger = Ledger()
    return Reading(
        spec=spec,
        windows=bout_windows(_all_bouts(files, spec, ledger), spec, overlap, ledger),
        source=f"HHAR (Stisen et al. 2015), CC BY 4.0, {DOWNLOAD}",
        label_names=tuple(LABELS.values()),
        ledger=ledger,
    )


def _all_bouts(files: Mapping[str, Path], spec: SignalSpec, ledger: Ledger) -> Iterator[Bout]:
    with TemporaryDirectory(prefix="hhar-") as folder:
        numbers: dict[Device, int] = {}
        for name, path in files.items():
            for device, samples in _by_device(path, ledger):
                number = numbers.setdefault(device, len(numbers))
                if number >= MAX_DEVICES:
                    raise DataError(
                        f"{path.name} names over {MAX_DEVICES} pairs of a user and a device, "
                        "expected 9 users and 12 devices; unpack the archive again"
                    )
                with (Path(folder) / f"{number}-{name}").open("ab") as file:
                    samples.tofile(file)
        for device in sorted(numbers):
            stored = {name: Path(folder) / f"{numbers[device]}-{name}" for name in files}
            samples_of = {
                name: np.fromfile(path, SAMPLE) for name, path in stored.items() if path.is_file()
            }
            yield from device_bouts(device[0], samples_of, spec, ledger)


def _by_device(path: Path, ledger: Ledger) -> Iterator[tuple[Device, np.ndarray]]:
    """Give a file's samples with an activity, piece by piece and device by device."""
    for batch in read_batches(path, _TYPES):
        samples = np.empty(len(batch), SAMPLE)
        samples["arrival"] = batch["Arrival_Time"].to_numpy()
        samples["creation"] = batch["Creation_Time"].to_numpy()
        samples["values"] = stack_floats(batch, "xyz").T
        samples["code"] = _codes(batch["gt"], path)
        users, devices = (batch[name].dictionary_encode() for name in ("User", "Device"))
        which = users.indices.to_numpy() * len(devices.dictionary) + devices.indices.to_numpy()
        labelled = samples["code"] >= 0
        leave_out(ledger, int((~labelled).sum()), NO_ACTIVITY)
        _check_times(samples, path)
        for number in np.unique(which[labelled]):
            user, device = divmod(int(number), len(devices.dictionary))
            name = users.dictionary[user].as_py(), devices.dictionary[device].as_py()
            if not all(name):
                raise DataError(f"{path.name} has a sample without a User or a Device")
            yield name, samples[labelled & (which == number)]


def _check_times(samples: np.ndarray, path: Path) -> None:
    for clock, unit in {"arrival": "ms", "creation": "ns"}.items():
        low, high = int(samples[clock].min(initial=0)), int(samples[clock].max(initial=0))
        if max(-low, high) > LATEST[clock]:
            raise DataError(
                f"{path.name}: {clock.title()}_Time {low if -low > high else high} is no time in "
                f"{unit}; unpack the archive again"
            )


def _codes(column: pa.Array, path: Path) -> np.ndarray:
    """Give each sample's index in `LABELS`, -1 for none."""
    encoded = pc.ascii_trim_whitespace(column).dictionary_encode()
    names, texts = list(LABELS), encoded.dictionary.to_pylist()
    for text in texts:
        if text not in (*names, *NO_LABEL):
            raise DataError(
                f"{path.name}: unknown activity {text[:40]!r}, expected {', '.join(names)} or null"
            )
    codes = [names.index(text) if text in names else -1 for text in texts]
    return np.array(codes, np.int32)[encoded.indices.to_numpy()]


def device_bouts(
    subject: str, samples_of: Mapping[str, np.ndarray], spec: SignalSpec, ledger: Ledger
) -> Iterator[Bout]:
    """Give the bouts of one device by the rule of this module, in the order of time."""
    names = list(samples_of)
    samples = np.concatenate([samples_of[name] for name in names])
    sensor = np.repeat(np.arange(len(names)), [len(samples_of[name]) for name in names])
    order = np.argsort(samples["arrival"], kind="stable")
    samples, sensor = samples[order], sensor[order]
    cuts = np.diff(samples["code"]) != 0
    cuts |= np.diff(samples["arrival"]) >= PAUSE_S * 1e3
    arrival_s, window_s = samples["arrival"] * 1e-3, float(spec.window_s or 0.0)
    # Each end of a bout may lie so far from its samples' arrival.
    shortest_s = window_s - 2 * MAX_LAG_S
    runs = long_runs(arrival_s, np.r_[0, np.cumsum(cuts)], shortest_s, RATE_HZ, ledger)
    for start, stop in runs:
        zero_ms = int(samples["arrival"][start])
        parts, own = samples[start:stop], sensor[start:stop]
        of_sensor = {name: parts[own == i] for i, name in enumerate(names)}
        leave_out(ledger, sum(len(part) for part in of_sensor.values() if len(part) == 1), ALONE)
        timed = {name: timed_samples(part, zero_ms, ledger)
                 for name, part in of_sensor.items() if len(part) > 1}  # fmt: skip
        for name in [name for name, part in timed.items() if is_slow(part[0], MAX_GAP_S)]:
            leave_out(ledger, len(timed.pop(name)[2]), SLOW)
        if timed:
            begin_s, values = _at_rate({n: part[:2] for n, part in timed.items()}, window_s)
            bout_s = (zero_ms - int(samples["arrival"][0])) * 1e-3
            label = list(LABELS.values())[int(parts["code"][0])]
            times_s = bout_s + np.sort(np.concatenate([part[2] for part in timed.values()]))
            yield Bout(subject, label, bout_s + begin_s, values, times_s)


def timed_samples(
    samples: np.ndarray, zero_ms: int, ledger: Ledger
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give one sensor's times in seconds after `zero_ms`, and its values (channel, sample).

    The last are the times of the samples that these were made of.
    """
    arrival_s = (samples["arrival"] - zero_ms) * 1e-3
    creation_s = (samples["creation"] - samples["creation"][0]) * 1e-9
    times_s = creation_s + np.median(arrival_s - creation_s)
    agrees = np.abs(times_s - arrival_s) <= MAX_LAG_S
    values = samples["values"].T
    if agrees.mean() < MIN_AGREEING:
        ledger.change("samples", len(samples), "timed by arrival, bursts averaged")
        return *average_bursts(arrival_s, values, RATE_HZ), arrival_s
    leave_out(ledger, int((~agrees).sum()), "created at another time than they arrived")
    times_s, values = times_s[agrees], values[:, agrees]
    order = np.argsort(times_s, kind="stable")
    values = values[:, order]
    stay, times_s = in_order(times_s[order], values, ledger)
    return times_s, values[:, stay], times_s


def _at_rate(
    timed: Mapping[str, tuple[np.ndarray, np.ndarray]], window_s: float
) -> tuple[float, dict[str, np.ndarray]]:
    """Bring a bout's sensors to 50 Hz from a common start, which is given too, in seconds."""
    starts = [float(times_s[0]) for times_s, _ in timed.values()]
    stops = [float(times_s[-1]) for times_s, _ in timed.values()]
    start_s = max(starts) if max(starts) - min(starts) < window_s else min(starts)
    stop_s = min(stops) if max(stops) - min(stops) < window_s else max(stops)
    steps = max(1, int((stop_s - start_s) * RATE_HZ + 1e-6) + 1)
    return start_s, {
        name: resample_irregular(times_s, values, RATE_HZ, start_s, steps, max_gap_s=MAX_GAP_S)
        for name, (times_s, values) in timed.items()
    }
