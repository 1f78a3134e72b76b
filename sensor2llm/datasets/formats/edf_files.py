"""Open EDF and EDF+ files through edfio, an optional library; signals are read piece by piece.

The header [Kemp & Olivan 2003] says how long the file is and what its numbers mean, so what it says
is held against the file's own size here.
"""

import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from sensor2llm.errors import DataError

# What edfio lets through where a field is no number, or annotations are none.
_BROKEN = (ValueError, OSError, EOFError, IndexError, ArithmeticError)
MAX_ANNOTATION_BYTES = 1_000_000
GREATEST = 1e9  # of a limit; in uV, a thousand volts

Span = tuple[float, float]
ANNOTATIONS = "EDF Annotations"
MAX_SIGNALS = 512
# A record this close to the end of the one before goes on from it.
CLOCK_TOLERANCE_S = 0.005
# Sizes of the fields that every signal has, in their order; the samples a record come after them.
_LABEL, _BEFORE_SAMPLES = 16, 16 + 80 + 8 * 5 + 80
_ONSET = re.compile(rb"([+-]\d{1,9}(?:\.\d{1,9})?)(?:\x15[^\x14]{0,20})?\x14")


@dataclass(frozen=True, kw_only=True)
class EdfHeader:
    """Say where a file's data records lie, when it started and which signals it has."""

    path: Path
    started: datetime | None
    """Local time; `None` where it is no date."""
    records: int
    """Whole data records; one at the end that was cut short is not among them."""
    record_s: float
    labels: tuple[str, ...]
    samples: tuple[int, ...]
    """Of each signal in a data record."""

    def starts_s(self) -> Float64[np.ndarray, " record"]:
        """Give when each data record starts, in seconds after the file's start.

        EDF+ writes it into the first annotation of a record; a discontinuous file (EDF+D) has
        pauses there. In EDF each record follows the one before.
        """
        if ANNOTATIONS not in self.labels or not self.record_s:
            return np.arange(self.records) * self.record_s
        place = self.labels.index(ANNOTATIONS)
        first = sum(self.samples[:place])
        words = np.memmap(
            self.path,
            "<i2",
            "r",
            offset=256 * (len(self.labels) + 1),
            shape=(self.records, sum(self.samples)),
        )
        starts_s = np.empty(self.records)
        for record in range(self.records):
            text = words[record, first : first + self.samples[place]].tobytes()
            onset = _ONSET.match(text)
            if not onset:
                raise self.fault(f"data record {record + 1} does not say when it starts")
            starts_s[record] = float(onset[1])
        # A start between two seconds is written as the first onset; all annotations count from it.
        starts_s -= starts_s[0] if 0 <= starts_s[0] < 1 else 0.0
        back = np.flatnonzero(np.diff(starts_s) < self.record_s - CLOCK_TOLERANCE_S)
        if back.size:
            raise self.fault(f"data record {back[0] + 2} starts before the one above it ends")
        return starts_s

    def fault(self, what: str) -> DataError:
        """Give an error about this file."""
        return DataError(f"{self.path.name}: {what}; download it again")


def read_header(path: Path) -> EdfHeader:
    """Read a header and hold it against the size of its file."""
    if not path.is_file():
        raise DataError(f"{path} is missing; download it again")
    with path.open("rb") as file:
        head = file.read(256).decode("latin-1")
        signals = _whole(head[252:256])
        if len(head) < 256 or not signals or not 0 < signals <= MAX_SIGNALS:
            raise _no_edf(path, f"its header names {head[252:256].strip() or 'no'} signals")
        fields = file.read(256 * signals).decode("latin-1")
    samples = [_whole(fields[_BEFORE_SAMPLES * signals + 8 * i :][:8]) or 0 for i in range(signals)]
    labels = [fields[_LABEL * i : _LABEL * (i + 1)].rstrip() for i in range(signals)]
    record_s, header_bytes = _seconds(head[244:252]), 256 * (signals + 1)
    timed = set(labels) != {ANNOTATIONS}
    if len(fields) < 256 * signals or _whole(head[184:192]) != header_bytes or min(samples) < 1:
        raise _no_edf(path, f"its header of {signals} signals is not whole")
    if record_s is None or (timed and not record_s):
        raise _no_edf(path, f"a data record of {head[244:252].strip()!r} s")
    records, rest = divmod(path.stat().st_size - header_bytes, 2 * sum(samples))
    declared = -1 if head[236:244].strip() == "-1" else _whole(head[236:244])
    # Published files may end within a record; a recorder writes -1 until it stops.
    if declared is None or declared not in (-1, records, records + (rest > 0)) or not records:
        raise DataError(
            f"{path.name} has {records} of {head[236:244].strip()} data records; download it again"
        )
    return EdfHeader(
        path=path,
        started=_moment(head[168:184]),
        records=records,
        record_s=record_s,
        labels=tuple(labels),
        samples=tuple(samples),
    )


def _no_edf(path: Path, why: str) -> DataError:
    return DataError(f"{path.name} is no whole EDF file ({why}); download it again")


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r" *[0-9]{1,8} *", text) else None


def _seconds(text: str) -> float | None:
    return float(text) if re.fullmatch(r" *[0-9]{1,8}(\.[0-9]{0,7})? *", text) else None


def _moment(text: str) -> datetime | None:
    """Read `dd.mm.yyhh.mm.ss`; years from 85 on are of the last century."""
    cells = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d\d)(\d\d)\.(\d\d)\.(\d\d)", text)
    if not cells:
        return None
    day, month, year, hour, minute, second = map(int, cells.groups())
    try:
        return datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second)
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class EdfFile:
    """Hold an open file: its header, and the `edfio.Edf` whose signals are read when cut."""

    header: EdfHeader
    edf: Any

    @cached_property
    def _pieces(self) -> list[tuple[float, float, float]]:
        """Give start and stop of what was measured without a pause, and its seconds in the file."""
        starts_s, record_s = self.header.starts_s(), self.header.record_s
        pieces, first = [], 0
        for record in range(1, len(starts_s) + 1):
            due_s = starts_s[first] + (record - first) * record_s
            if record == len(starts_s) or abs(starts_s[record] - due_s) > CLOCK_TOLERANCE_S:
                pieces.append((float(starts_s[first]), float(due_s), first * record_s))
                first = record
        return pieces

    def spans(self) -> list[Span]:
        """Give when something was measured, in seconds after the file's start."""
        return [(start_s, stop_s) for start_s, stop_s, _ in self._pieces]

    def cut(self, signal: Any, start_s: float, stop_s: float) -> Float64[np.ndarray, " sample"]:
        """Read a signal in physical units from one time to another, both within one of `spans`."""
        span = next(p for p in self._pieces if p[0] <= start_s + 1e-6 and stop_s <= p[1] + 1e-6)
        rate_hz = float(signal.sampling_frequency)
        first = round((start_s - span[0] + span[2]) * rate_hz)
        steps = round((stop_s - start_s) * rate_hz)
        try:
            values = signal.get_data_slice(first / rate_hz, (first + steps) / rate_hz)
        except _BROKEN as error:
            raise self.header.fault(f"signal {signal.label!r} cannot be read") from error
        return np.asarray(values, np.float64)

    def annotations(self) -> list[tuple[float, float, str]]:
        """Give onset and duration in seconds, and text, in the order of time."""
        if self.header.path.stat().st_size > MAX_ANNOTATION_BYTES:
            raise self.header.fault(f"over {MAX_ANNOTATION_BYTES} bytes of annotations")
        try:
            notes = self.edf.annotations
        except _BROKEN as error:
            raise self.header.fault("its annotations cannot be read") from error
        return [(note.onset, note.duration or 0.0, note.text) for note in notes]


def open_edf(path: Path) -> EdfFile:
    """Open a file and read its header."""
    try:
        import edfio
    except ImportError as error:
        raise DataError("reading .edf files needs edfio: pip install 'sensor2llm[edf]'") from error
    header = read_header(path)
    try:
        with warnings.catch_warnings():
            # Checked in the header, where it matters: published files may end within a record.
            warnings.simplefilter("ignore")
            edf = edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")

    except _BROKEN as error:
        raise header.fault("no whole EDF file") from error

    return EdfFile(header=header, edf=edf)


def find_signal(file: EdfFile, names: tuple[str, ...]) -> Any | None:
    """Give the file's first signal, in uV, that bears one of these names, in any case, if any."""
    wanted = {name.lower() for name in names}
    labels = [signal.label.strip().lower() for signal in file.edf.signals]
    for signal, label in zip(file.edf.signals, labels, strict=True):
        if label not in wanted:
            continue
        name, path = signal.label, file.header.path
        if labels.count(label) > 1:
            raise DataError(f"{path.name} has the signal {name!r} twice; expected it once")
        # "UV" and "uVrms" are written for it, too.
        dimension = signal.physical_dimension.replace("\xb5", "u")
        if not dimension.lower().startswith("uv"):
            raise DataError(
                f"{path.name}: {name!r} is in {signal.physical_dimension!r}, "
                f"expected uV; this is not the published file"
            )
        if not _is_calibrated(signal):
            raise DataError(
                f"{path.name}: {name!r} has no physical range, so its numbers are the converter's "
                f"counts and not uV; expected different physical and digital limits"
            )
        return signal
    return None


def _is_calibrated(signal: Any) -> bool:
    try:
        digital, physical = tuple(signal.digital_range), tuple(signal.physical_range)
    except ValueError:
        return False
    stated = digital[1] > digital[0] and physical[0] != physical[1] and digital != physical
    return stated and all(abs(limit) < GREATEST for limit in physical)
