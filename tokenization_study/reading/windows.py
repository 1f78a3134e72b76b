"""What an audit reads: windows of numbers and texts as written, in chunks of bounded size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np
from jaxtyping import Shaped

from sensor2llm.errors import DataError

CHUNK_VALUES = 65_536
Part = Shaped[np.ndarray, "channel step"]
Window = tuple[Part, ...]
"""One array a modality; one without steps where the window lacks the modality."""
EXACT = 2**53
"""Integers up to here are floats without rounding."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Hold some windows of numbers, some texts as they stand in the input, or both."""

    windows: Sequence[Window] = ()
    texts: Sequence[str] = ()


@dataclass(eq=False)
class AuditSource:
    """An input that can be gone through once; memory does not grow with its length."""

    name: str
    chunks: Iterator[Chunk]
    kind: str
    """What it is, in words."""
    rate_hz: float | None = None
    unit: str = ""
    window_steps: int | None = None
    has_text: bool = False
    """Whether it has a text of its own."""
    notes: list[str] = field(default_factory=list)
    """What was left out or guessed; complete once `chunks` is used up."""
    hash: Callable[[], str] = str
    """Gives the sha256 of what was read, once `chunks` is used up."""
    columns: list[str] = field(default_factory=list)
    """Names of the channels, modality after modality; complete with the first chunk."""


def chunks_of(
    windows: Iterable[Window], limit: int | None = None, notes: list[str] | None = None
) -> Iterator[Chunk]:
    """Group windows into chunks, and note how many values are missing.

    Raises DataError for infinities, and where there is no number.
    """
    held: list[Window] = []
    size = numbers = missing = 0
    for window in islice(windows, limit):
        there = sum(int(check_finite(part).sum()) for part in window)
        numbers += there
        missing += sum(part.size for part in window) - there
        held.append(window)
        size += sum(part.size for part in window)
        if size >= CHUNK_VALUES:
            yield Chunk(windows=held)
            held, size = [], 0
    if not numbers:
        raise DataError("there is no number in the input (empty, or NaN only)")
    if missing and notes is not None:
        notes.append(
            f"{missing:,} of {numbers + missing:,} values are missing: no text is written for them"
        )
    if held:
        yield Chunk(windows=held)


def check_finite(part: Part) -> np.ndarray:
    """Say which values are there; raises DataError for infinities and for what is no number."""
    if part.dtype.kind not in "iuf":
        raise DataError(f"values must be numbers, got {part.dtype}")
    if part.dtype.kind != "f":
        return np.ones(part.shape, dtype=bool)
    infinite = np.isinf(part)
    if infinite.any():
        channel, step = (int(i) for i in np.argwhere(infinite)[0])
        raise DataError(
            f"{int(infinite.sum())} values are infinite, the first in channel {channel + 1} at "
            f"step {step + 1}; clip them or make them NaN (missing)"
        )
    return np.asarray(~np.isnan(part))


def cut_rows(blocks: Iterable[Part], steps: int) -> Iterator[Window]:
    """Cut rows that come in blocks of (channel, row) into windows; the last may be shorter."""
    rest: Part | None = None
    for block in blocks:
        rows = block if rest is None else np.concatenate([rest, block], axis=1)
        whole = rows.shape[1] // steps * steps
        for start in range(0, whole, steps):
            yield (rows[:, start : start + steps],)
        rest = rows[:, whole:]
    if rest is not None and rest.shape[1]:
        yield (rest,)


def choose_columns(first: Part, names: Sequence[str], notes: list[str]) -> list[int]:
    """Leave out constant columns, clocks, and those without a number; DataError if none is left."""
    chosen = []
    for i, (name, row) in enumerate(zip(names, first, strict=True)):
        there = row[~np.isnan(row)] if row.dtype.kind == "f" else row
        if not there.size:
            notes.append(f"column {name} left out: no number in its first rows")
        elif len(first) > 1 and row.size > 2 and (there == there[0]).all():
            notes.append(f"column {name} left out: constant")
        elif len(first) > 1 and row.size > 2 and _is_clock(row):
            notes.append(f"column {name} left out: a clock")
        else:
            chosen.append(i)
    if not chosen:
        raise DataError(
            f"no column varies: {'; '.join(notes) or 'there is none'}; name columns with "
            "--data.columns"
        )
    return chosen


def check_exact(name: str, integers: Sequence[int]) -> str:
    """Say why a column of integers is left out; empty where floats hold each without rounding."""
    if max(map(abs, integers), default=0) <= EXACT:
        return ""
    if len(integers) > 2 and all(a < b for a, b in pairwise(integers)):
        return f"column {name} left out: a clock"
    return (
        f"column {name} left out: integers beyond 2^53 would be rounded; "
        "`--serialiser as_written` audits their digits"
    )


def _is_clock(row: np.ndarray) -> bool:
    """Say whether a column counts up without exception, in whole or in equal steps."""
    if row.dtype.kind == "f" and np.isnan(row).any():
        return False
    steps = np.diff(row)
    if not (steps > 0).all():
        return False
    return bool((row == np.rint(row)).all() or np.ptp(steps) < 1e-3 * abs(np.median(steps)))
