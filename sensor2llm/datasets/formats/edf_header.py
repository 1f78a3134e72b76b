"""Read and check the header of an EDF or EDF+ file [Kemp & Olivan 2003].

The header says how long the file is and what its numbers mean, so what it says is held against the
file's own size here; edfio then reads the signals.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from sensor2llm.errors import DataError

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
