"""Account for every row, beat and window of a recording: nothing is dropped without a reason.

ledger = Ledger()
ledger.read("rows", 3000)
ledger.keep("rows", 2960)
ledger.drop("rows", 40, "at a border between labels")
ledger.lines()          # ["rows: 3000 read, 2960 in windows, 40 dropped: 40 at a border ..."]
ledger.unbalanced()     # {} : all that was read was kept or dropped
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_OUTSIDE, _KEPT = -1, 0


@dataclass
class UnitCounts:
    """Hold the counts of one unit; what is changed is kept, so it does not enter the balance."""

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    @property
    def missing(self) -> int:
        """Give how many were read and neither kept nor dropped (below zero: too many were)."""
        return self.read - self.kept - self.dropped.total()


class Ledger:
    """Count what was read, kept, dropped and changed, by unit ("rows", "beats", "windows") and why.

    A reason goes on from its number: "30 at a border between labels", "2 with an unknown label".
    """

    def __init__(self) -> None:
        self._units: dict[str, UnitCounts] = {}

    def read(self, unit: str, n: int = 1) -> None:
        """Count what came in."""
        self._of(unit, n).read += n

    def keep(self, unit: str, n: int = 1) -> None:
        """Count what is in the result."""
        self._of(unit, n).kept += n

    def drop(self, unit: str, n: int, reason: str) -> None:
        """Count what is not in the result, and why."""
        if n:
            self._of(unit, n).dropped[reason] += n

    def discard(self, unit: str, n: int, reason: str) -> None:
        """Take out of the result what was counted as kept, and say why."""
        self._of(unit, n).kept -= n
        self.drop(unit, n, reason)

    def change(self, unit: str, n: int, reason: str) -> None:
        """Count what is in the result otherwise than it was read: filled, spread, converted."""
        if n:
            self._of(unit, n).changed[reason] += n

    def merge(self, other: "Ledger") -> None:
        """Add the counts of another ledger."""
        for unit, counts in other._units.items():
            self.read(unit, counts.read)
            self.keep(unit, counts.kept)
            self._units[unit].dropped += counts.dropped
            self._units[unit].changed += counts.changed

    def unbalanced(self) -> dict[str, int]:
        """Give the units whose counts do not add up: unit -> read less kept less dropped."""
        return {unit: c.missing for unit, c in self._units.items() if c.missing}

    def __getitem__(self, unit: str) -> UnitCounts:
        return self._units.get(unit, UnitCounts())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and self._units == other._units

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON types; `from_dict` is the inverse."""
        return {
            unit: {
                "read": counts.read,
                "kept": counts.kept,
                "dropped": dict(counts.dropped),
                "changed": dict(counts.changed),
            }
            for unit, counts in self._units.items()
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Ledger":
        """Build a ledger from what `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: For anything else.
        """
        ledger = cls()
        for unit, counts in plain.items():
            ledger._units[unit] = UnitCounts(
                int(counts["read"]),
                int(counts["kept"]),
                *(Counter({why: int(n) for why, n in counts[name].items()})
                  for name in ("dropped", "changed")),
            )  # fmt: skip
        return ledger

    def reasons(self) -> dict[str, int]:
        """Give how many were dropped or changed, by unit and reason: `beats in a pause` -> 3."""
        return {
            f"{unit} {reason}": n
            for unit, counts in self._units.items()
            for reason, n in (counts.dropped + counts.changed).items()
        }

    def lines(self) -> list[str]:
        """Write it for a person, a line a unit, the commonest reason first."""
        return [_line(unit, counts) for unit, counts in self._units.items()]

    def _of(self, unit: str, n: int) -> UnitCounts:
        assert n >= 0, f"a ledger counts up, got {n} {unit}"
        if unit not in self._units:
            self._units[unit] = UnitCounts()
        return self._units[unit]


def _line(unit: str, counts: UnitCounts) -> str:
    parts = []
    if counts.read or not counts.changed:
        stayed = f"{counts.kept} {'kept' if unit == 'windows' else 'in windows'}"
        cut = f"{counts.read}{'' if unit == 'windows' else ' read'}"
        parts.append(f"{cut}, {stayed}")
    if counts.dropped:
        parts[-1] += f", {counts.dropped.total()} dropped: {_reasons(counts.dropped)}"
    if counts.changed:
        parts.append(f"changed: {_reasons(counts.changed)}")
    return f"{unit}: {'; '.join(parts)}"


def _reasons(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in counts.most_common())


class RowCoverage:
    """Collect what the windows of a recording do with its rows, by the rows' times.

    A row in one window that is kept counts as kept; else the first reason that covers it holds.

    Args:
        times_s: of the rows, never going back; None where rows are not accounted for.
    """

    def __init__(self, times_s: np.ndarray | None) -> None:
        self._times = np.zeros(0) if times_s is None else np.asarray(times_s, dtype=np.float64)
        self._state = np.full(len(self._times), _OUTSIDE, dtype=np.int16)
        self._reasons: list[str] = [""]
        self._kept: list[float] = []

    def keep(self, from_s: float, below_s: float) -> None:
        """Take the rows from one time up to below another as kept."""
        # All are looked for at once in the end: kept rows stay so, whatever else covers them.
        self._kept += (from_s, below_s)

    def drop(self, from_s: float, below_s: float, reason: str) -> None:
        """Give a reason to those of these rows that have none yet."""
        if reason not in self._reasons:
            self._reasons.append(reason)
        rows = self._state[self._between(from_s, below_s)]
        rows[rows == _OUTSIDE] = self._reasons.index(reason)

    def account(self, ledger: Ledger, unit: str, below_s: float = np.inf) -> None:
        """Write down what became of the rows up to a time: each is kept, or has one reason."""
        ends = self._times.searchsorted(self._kept).tolist()
        for first, end in zip(ends[::2], ends[1::2], strict=True):
            self._state[first:end] = _KEPT
        state = self._state[self._between(-np.inf, below_s)]
        if not len(state):
            return
        ledger.read(unit, len(state))
        for code, reason in enumerate(self._reasons):
            n = int((state == code).sum())
            if code == _KEPT:
                ledger.keep(unit, n)
            else:
                ledger.drop(unit, n, reason)

    def _between(self, from_s: float, below_s: float) -> slice:
        return slice(self._times.searchsorted(from_s), self._times.searchsorted(below_s))
