"""Open EDF and EDF+ files through edfio, an optional library; signals are read piece by piece."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from sensor2llm.datasets.formats.edf_header import CLOCK_TOLERANCE_S, EdfHeader, read_header
from sensor2llm.errors import DataError

# What edfio lets through where a field is no number, or annotations are none.
_BROKEN = (ValueError, OSError, EOFError, IndexError, ArithmeticError)
MAX_ANNOTATION_BYTES = 1_000_000
GREATEST = 1e9  # of a limit; in uV, a thousand volts

Span = tuple[float, float]


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
