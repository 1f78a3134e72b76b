"""What a check finds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

WORST = 3
"""Examples that are kept."""


@dataclass(frozen=True)
class Example:
    """A text of the input (or made from one), and how it is split."""

    text: str
    pieces: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Say how large a share of what was checked has the fault."""

    share: float
    checked: int
    of: str
    """What was checked, in words: `pairs of neighbours`."""
    examples: tuple[Example, ...] = ()
    note: str = ""


def share_of(
    faults: Sequence[bool] | Sequence[int],
    of: str,
    examples: Iterable[Example] = (),
    note: str = "",
) -> Outcome | None:
    """Give the outcome of single checks; None where there was nothing to check."""
    if not len(faults):
        return None
    return Outcome(
        share=sum(map(bool, faults)) / len(faults),
        checked=len(faults),
        of=of,
        examples=tuple(examples)[:WORST],
        note=note,
    )


def spread(rows: Sequence[T], count: int = WORST) -> list[T]:
    """Choose a few rows from all over a list."""
    if len(rows) <= count:
        return list(rows)
    return [rows[i * (len(rows) - 1) // (count - 1)] for i in range(count)]
