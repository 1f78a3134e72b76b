"""Read WFDB records, PhysioNet's format of signals, through wfdb, an optional library."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from sensor2llm.errors import DataError

# What wfdb lets through where a file is cut short, or is not what its header says.
_BROKEN = (OSError, EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError)

MAX_HEADER_BYTES = 1 << 16
_RECORD = re.compile(
    r"(?P<name>\S+)\s+(?P<signals>\d{1,3})\s+(?P<rate>\d{1,9}(\.\d{1,9})?)\s+(?P<samples>\d{1,12})\b"
)
_SIGNAL = re.compile(
    r"(?P<file>\S+)\s+16(\+(?P<offset>\d{1,4}))?\s+(?P<gain>\d{1,9}(\.\d{1,9})?(e[+-]?\d{1,2})?)"
    r"(\(-?\d{1,9}\))?/(?P<unit>[!-~]+)"
    r"\s+\d{1,3}(\s+-?\d{1,9}){3}\s+\d{1,9}\s+(?P<name>[!-~][ -~]*)"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """Hold a record's signals in physical units; samples that were not measured are NaN."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    values: Float32[np.ndarray, "channel step"]

    def rows(self, names: Sequence[str]) -> Float32[np.ndarray, "channel step"] | None:
        """Give the signals of these names in this order; `None` if one of them is not there."""
        if not set(names) <= set(self.names):
            return None
        return self.values[[self.names.index(name) for name in names]]


def read_signals(record: Path, units: dict[str, str]) -> Signals:
    """Read those signals of a record that `units` names."""
    rate_hz, unit_of = _read_header(record)
    there = [name for name in unit_of if name in units]
    if not there:
        has = ", ".join(unit_of)[:100]
        raise DataError(f"{record.name} has none of {', '.join(units)}; its signals: {has}")
    for name in there:
        if unit_of[name].lower() != units[name].lower():
            raise DataError(
                f"{record.name}: {name!r} is in {unit_of[name]!r}, expected {units[name]}; this is "
                "not the published file"
            )
    content = _read(record, there)
    if content.p_signal is None or sorted(content.sig_name) != sorted(there):
        raise DataError(f"{record.name}.hea cannot be read by wfdb; download it again")
    return Signals(
        names=tuple(content.sig_name),
        units=tuple(units[name] for name in content.sig_name),
        rate_hz=rate_hz,
        values=np.ascontiguousarray(content.p_signal.T, dtype=np.float32),
    )


def _read_header(record: Path) -> tuple[float, dict[str, str]]:
    """Give the rate and the unit of each signal; refuse what the published headers are not.

    A header names the files that are read, how long they are and how numbers become volts, so it is
    read here word for word before wfdb may act on it.
    """
    path = record.with_name(f"{record.name}.hea")
    if not path.is_file():
        raise DataError(f"{path} is missing; download it again")
    with path.open("rb") as file:
        lines = file.read(MAX_HEADER_BYTES).decode("latin-1").splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("#")] or [""]
    head = _RECORD.match(lines[0])
    if not head or head["name"] != record.name or int(head["signals"]) != len(lines) - 1:
        raise DataError(
            f"{path.name}: {lines[0][:60]!r} and {len(lines) - 1} signals; expected a first line "
            f"such as '{record.name} 1 300 9000' and a line a signal; download it again"
        )
    signals = [_SIGNAL.fullmatch(line.strip()) for line in lines[1:]]
    for line, signal in zip(lines[1:], signals, strict=True):
        if not signal or signal["file"] != f"{record.name}.mat" or not float(signal["gain"]):
            raise DataError(
                f"{path.name}: {line[:60]!r}; expected such as "
                f"'{record.name}.mat 16+24 1000/mV 16 0 0 0 0 ECG'; download it again"
            )
    described = [signal for signal in signals if signal]
    names = [signal["name"] for signal in described]
    if len(set(names)) < len(names) or not float(head["rate"]):
        raise DataError(f"{path.name} names a signal twice, or no rate; download it again")
    _check_size(record, described, int(head["samples"]))
    return float(head["rate"]), {signal["name"]: signal["unit"] for signal in described}


def _check_size(record: Path, signals: list[re.Match[str]], samples: int) -> None:
    path = record.with_name(f"{record.name}.mat")
    if not path.is_file():
        raise DataError(f"{path} is missing; download it again")
    offsets = {int(signal["offset"] or 0) for signal in signals}
    expected, size = max(offsets) + 2 * len(signals) * samples, path.stat().st_size
    if len(offsets) > 1 or not samples or expected != size:
        raise DataError(
            f"{path.name} has {size} bytes where its header says {expected}; it is no whole file: "
            "download it again"
        )


def _wfdb() -> Any:
    try:
        with _without_deprecations():
            import wfdb
    except ImportError as error:
        raise DataError("reading WFDB records needs wfdb: pip install 'sensor2llm[ecg]'") from error
    return wfdb


def _read(record: Path, names: list[str]) -> Any:
    try:
        with _without_deprecations():
            return _wfdb().rdrecord(str(record), channel_names=names, return_res=32)
    except _BROKEN as error:
        raise DataError(
            f"{record.name}.mat is no whole WFDB file ({str(error)[:100]}); download it again"
        ) from error


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """Keep what newer versions of pandas say about wfdb's calls from the person who reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield
