"""Samples on their way from an export to windows: on disk, a file a person and sensor.

An export is read once; what it holds need not fit into memory. The files are in the folder for
temporary files (`TMPDIR`), take 8 bytes a sample and 4 a value, and go when the windows are read.
"""

import shutil
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import numpy as np

from sensor2llm.datasets.exports.samples.device import Clock, Samples, Sensor, SensorStream
from sensor2llm.datasets.motion.motion_tables import EARLIER, in_order, leave_out
from sensor2llm.datasets.published import possible_values
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger

NO_VALUE = "without a value or a time"
SAME_TIME = "at the time of another record"
OTHER_SOURCE = "of other sources than the one with most records"
# Earlier than 1970, or later than year 2100: no clock of a sensor is there.
_LATEST_S = 4.1e9
_SCAN = 1_000_000
_SUFFIXES = (".times", ".values")


class StreamKey(NamedTuple):
    """Name a stream of samples: whose, of which sensor, from which recorder or file."""

    person: str
    sensor: str
    source: str


class Spool:
    """Collect the samples of an export, and give them back by person and sensor."""

    def __init__(self, sensors: Mapping[str, Sensor], ledger: Ledger) -> None:
        self._sensors, self._ledger = sensors, ledger
        self._folder = Path(mkdtemp(prefix="sensor2llm-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._files: dict[StreamKey, Path] = {}
        self._last_s: dict[StreamKey, float] = {}
        self._streams: dict[tuple[str, str], Path] = {}
        self._counts: Counter[StreamKey] = Counter()
        self._earlier: Counter[StreamKey] = Counter()
        self.clocks: dict[str, Clock] = {}
        """The clock of each person's recordings."""

    def add(self, person: str, samples: Samples, file_name: str) -> None:
        """Write samples of a file down: measured ones, in the order of their times.

        Raises:
            SpecError: For values that their unit cannot have.
            DataError: For files of one person whose clocks differ.
        """
        sensor = self._sensors[samples.sensor]
        clock = self.clocks.setdefault(person, samples.clock)
        if clock != samples.clock:
            raise DataError(
                f"{person}: one file has the clock {clock!r}, another {samples.clock!r}; give each "
                "a folder of its own"
            )
        modality = sensor.modality(samples.sensor, None, 1.0)
        times_s = np.asarray(samples.times_s, dtype=np.float64)
        values = np.asarray(samples.values, dtype=np.float64)
        values = possible_values(person, values, modality, self._ledger)
        there = np.isfinite(values).any(axis=0) & (np.abs(times_s) < _LATEST_S)
        self._leave_out(int((~there).sum()), NO_VALUE)
        key = StreamKey(person, samples.sensor, samples.source if sensor.sort else file_name)
        times_s, values = times_s[there], values[:, there]
        if not sensor.sort:
            times_s, values = self._forward(key, times_s, values)
        if len(times_s):
            self._append(key, times_s, values)

    def _forward(
        self, key: StreamKey, times_s: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Leave out samples earlier than one before; spread those that share a time."""
        later = times_s > self._last_s.get(key, -np.inf)
        self._leave_out(int((~later).sum()), EARLIER)
        earlier = len(times_s)
        times_s, values = times_s[later], values[:, later]
        if len(times_s):
            self._last_s[key] = float(times_s.max())
            stay, times_s = in_order(times_s, values, self._ledger)
            values = values[:, stay]
        self._earlier[key] += earlier - len(times_s)
        return times_s, values

    def _leave_out(self, samples: int, reason: str) -> None:
        if samples:
            leave_out(self._ledger, samples, reason)

    def _append(self, key: StreamKey, times_s: np.ndarray, values: np.ndarray) -> None:
        path = self._files.setdefault(key, self._folder / str(len(self._files)))
        _write(path, times_s, values.T, "ab")
        self._counts[key] += len(times_s)

    @property
    def people(self) -> list[str]:
        """Give the people of whom there are samples, in order of their names."""
        return sorted({key.person for key in self._files})

    def sensors_of(self, person: str) -> list[str]:
        """Give the sensors of which a person has samples."""
        names = {key.sensor for key in self._files if key.person == person}
        return [name for name in self._sensors if name in names]

    def stream(self, person: str, name: str) -> SensorStream:
        """Give a person's samples of a sensor in order of time.

        Raises:
            DataError: If the clock jumped ahead, so that most samples lie before one above them.
        """
        if (person, name) not in self._streams:
            self._streams[person, name] = self._ordered(person, name)
        return _open(self._streams[person, name], len(self._sensors[name].channels))

    def _ordered(self, person: str, name: str) -> Path:
        sensor = self._sensors[name]
        keys = [key for key in self._files if key[:2] == (person, name)]
        if sensor.kind == "total":
            keys = self._largest(keys)
        channels = len(sensor.channels)
        if not sensor.sort:
            return self._joined(keys, channels)
        parts = [_open(self._files[key], channels) for key in keys]
        if len(parts) == 1 and _is_sorted(parts[0].times_s):
            return self._files[keys[0]]
        times_s = np.concatenate([part.times_s for part in parts])
        order = np.argsort(times_s, kind="stable")
        if sensor.kind != "total":
            first = np.r_[True, np.diff(times_s[order]) > 0]
            self._leave_out(int((~first).sum()), SAME_TIME)
            order = order[first]
        values = np.concatenate([part.values for part in parts])
        path = self._folder / f"{len(self._files)}-{len(self._streams)}"
        _write(path, times_s[order], values[order], "wb")
        return path

    def _joined(self, keys: list[StreamKey], channels: int) -> Path:
        """Lay the files of a person after each other, in order of time."""
        for key in keys:
            self._refuse_jump(key)
        ends = {}
        for key in keys:
            times_s = _open(self._files[key], channels).times_s
            ends[key] = (float(times_s[0]), float(times_s[-1]))
        keys = sorted(keys, key=lambda key: ends[key])
        for one, other in pairwise(keys):
            if ends[other][0] <= ends[one][1]:
                raise DataError(
                    f"{one.person}: {one.source} and {other.source} have {one.sensor!r} at one "
                    "time; give each a folder of its own, as another person or place"
                )
        for key in keys[1:]:
            for suffix in _SUFFIXES:
                with (
                    self._files[keys[0]].with_suffix(suffix).open("ab") as whole,
                    self._files[key].with_suffix(suffix).open("rb") as part,
                ):
                    shutil.copyfileobj(part, whole)
        return self._files[keys[0]]

    def _refuse_jump(self, key: StreamKey) -> None:
        earlier, stay = self._earlier[key], self._counts[key]
        if earlier > stay:
            raise DataError(
                f"{key.person}: {earlier} of the samples of {key.sensor!r} are earlier than one "
                f"above them, {stay} are not; the clock jumped: split the files there"
            )

    def _largest(self, keys: list[StreamKey]) -> list[StreamKey]:
        largest = max(keys, key=lambda key: self._counts[key])
        others = sum(self._counts[key] for key in keys) - self._counts[largest]
        self._leave_out(others, OTHER_SOURCE)
        return [largest]


def _write(path: Path, times_s: np.ndarray, values: np.ndarray, mode: str) -> None:
    for suffix, array, kind in zip(_SUFFIXES, (times_s, values), ("<f8", "<f4"), strict=True):
        with path.with_suffix(suffix).open(mode) as file:
            file.write(np.ascontiguousarray(array, kind).tobytes())


def _open(path: Path, channels: int) -> SensorStream:
    times_s, values = (
        np.memmap(path.with_suffix(suffix), kind, mode="r")
        for suffix, kind in zip(_SUFFIXES, ("<f8", "<f4"), strict=True)
    )
    return SensorStream(times_s, values.reshape(-1, channels))


def read_parts(times_s: np.memmap) -> Iterator[np.ndarray]:
    """Read the times of a stream part by part; read and not mapped, none stays in memory."""
    for first in range(0, len(times_s), _SCAN):
        yield np.fromfile(str(times_s.filename), "<f8", _SCAN, offset=8 * first)


def _is_sorted(times_s: np.memmap) -> bool:
    last = -np.inf
    for part in read_parts(times_s):
        if not (np.diff(part, prepend=last) > 0).all():
            return False
        last = part[-1]
    return True
