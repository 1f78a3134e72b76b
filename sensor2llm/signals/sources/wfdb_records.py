"""Read WFDB records and annotations, PhysioNet's format, through wfdb, an optional library."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from sensor2llm.errors import DataError

# What wfdb lets through where a file is cut short, or is not what its header says.
_BROKEN = (OSError, EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Notes:
    """Hold annotations in order of time: sample number and the text beside it."""

    samples: Int64[np.ndarray, " note"]
    texts: tuple[str, ...]
    rate_hz: float | None
    """What the record's header says; `None` without a header."""


def read_signals(record: Path, units: dict[str, str]) -> Signals:
    """Read those signals of a record that `units` names.

    Args:
        record: The path without an extension.
        units: Signal name to the unit that is expected.

    Raises:
        DataError: Where wfdb is not installed, for a missing or broken file, a record without any
            of these signals, or a signal in another unit.
    """
    wfdb = _wfdb()
    header = _read(wfdb.rdheader, record, ".hea")
    names = [name for name in header.sig_name or () if name]
    if len(names) < header.n_sig:
        raise DataError(
            f"{record.name}.hea names {len(names)} of {header.n_sig} signals; download it again"
        )
    there = [name for name in names if name in units]
    if not there:
        has = ", ".join(names) or "none"
        raise DataError(f"{record.name} has none of {', '.join(units)}; its signals: {has}")
    for name in there:
        unit = header.units[header.sig_name.index(name)]
        if unit.lower() != units[name].lower():
            raise DataError(
                f"{record.name}: {name!r} is in {unit!r}, expected {units[name]}; this is not the "
                "published file"
            )
    suffix = Path(header.file_name[0]).suffix
    found = _read(wfdb.rdrecord, record, suffix, channel_names=there, return_res=32)
    return Signals(
        names=tuple(found.sig_name),
        units=tuple(units[name] for name in found.sig_name),
        rate_hz=float(found.fs),
        values=np.ascontiguousarray(found.p_signal.T, dtype=np.float32),
    )


def read_notes(record: Path, extension: str) -> Notes:
    """Read the annotations of a record.

    Args:
        record: The path without an extension.
        extension: The annotator's name: `atr`, `qrs`, `arousal`.

    Raises:
        DataError: Where wfdb is not installed, and for a missing or broken file.
    """
    found = _read(_wfdb().rdann, record, f".{extension}", extension)
    texts = tuple(text.strip("\x00 ") for text in found.aux_note)
    rate_hz = float(found.fs) if found.fs else None
    return Notes(samples=np.asarray(found.sample, np.int64), texts=texts, rate_hz=rate_hz)


def _wfdb() -> Any:
    try:
        with _without_deprecations():
            import wfdb
    except ImportError as error:
        raise DataError("reading WFDB records needs wfdb: pip install 'sensor2llm[ecg]'") from error
    return wfdb


def _read(reader: Any, record: Path, suffix: str, *args: Any, **options: Any) -> Any:
    path = record.with_name(record.name + suffix)
    if not path.is_file():
        raise DataError(f"{path} is missing; download it again")
    try:
        with _without_deprecations():
            return reader(str(record), *args, **options)
    except _BROKEN as error:
        raise DataError(
            f"{path.name} is no whole WFDB file ({error}); download it again"
        ) from error


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """Keep what newer versions of pandas say about wfdb's calls from the person who reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield
