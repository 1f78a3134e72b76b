"""The rows of one person on one clock, as far as they are read, each with a time of its own."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.resample import spread_stamps
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.rows.rates import RateCheck
from sensor2llm.signals.tables.rows.rows import TableRows, concat_rows

# Times that wait for those that follow, which say how rows that share one are spread.
_WAITING = 64


class RowStream:
    """Read rows ahead, up to a budget, and drop those that are done."""

    def __init__(self, chunks: Iterator[TableRows], table: Table, ledger: Ledger) -> None:
        self.table = table
        self.rows: TableRows | None = None
        """What was read and is not dropped; None before any."""
        self.done = False
        """Whether all rows were read."""
        self._chunks, self._ledger, self._rates = chunks, ledger, RateCheck(table)
        self._waiting: TableRows | None = None
        self._begins = True

    @property
    def known_s(self) -> float:
        """Give the time up to which all rows are there."""
        if self.done or self.rows is None or not self.held:
            return np.inf
        return float(self.rows.times_s[-1])

    @property
    def cells(self) -> int:
        """Give the numbers of a row."""
        return 2 + sum(len(entry.columns) for entry in self.table.modalities)

    def fill(self, rows: int) -> None:
        """Read until so many rows are there."""
        fresh: list[TableRows] = []
        count = self.held
        while not self.done and count < rows:
            chunk = self._spread(next(self._chunks, None))
            if chunk is not None:
                fresh.append(chunk)
                count += len(chunk.times_s)
        if not fresh:
            return
        new = concat_rows(fresh)
        self._rates.see(new.path, new.times_s, new.values)
        self.rows = new if self.rows is None else concat_rows([self.rows, new])

    @property
    def held(self) -> int:
        """Give how many rows are there."""
        return 0 if self.rows is None else len(self.rows.times_s)

    def between(self, first_s: float, last_s: float) -> TableRows | None:
        """Give the rows from one time to another; None where there are none."""
        if self.rows is None:
            return None
        first = int(np.searchsorted(self.rows.times_s, first_s))
        end = int(np.searchsorted(self.rows.times_s, last_s, side="right"))
        return self.rows.part(slice(first, end)) if first < end else None

    def drop(self, before_s: float, needed: np.ndarray | None = None) -> None:
        """Drop the rows before a time, but for those that are needed.

        What sensors on a time axis measured in those is taken out.
        """
        if self.rows is None:
            return
        first = int(np.searchsorted(self.rows.times_s, before_s))
        if needed is None or not needed[:first].any():
            self.rows = self.rows.part(slice(first, None))
            return
        stay = np.r_[np.flatnonzero(needed[:first]), np.arange(first, len(needed))]
        self.rows, blank = self.rows.part(stay), int(needed[:first].sum())
        for entry in self.table.modalities:
            if entry.modality.axis == "time" and entry.modality.name in self.rows.values:
                self.rows.values[entry.modality.name][:, :blank] = np.nan

    def _spread(self, chunk: TableRows | None) -> TableRows | None:
        """Spread rows that share a time; those of the last times wait for what follows."""
        parts = [rows for rows in (self._waiting, chunk) if rows is not None]
        self.done, self._waiting = chunk is None, None
        if not parts:
            return None
        rows = concat_rows(parts)
        end = len(rows.times_s)
        if not self.done:
            times = np.flatnonzero(np.diff(rows.times_s, prepend=-np.inf) > 0)
            end = int(times[-_WAITING]) if len(times) > _WAITING else 0
            self._waiting = rows.part(slice(end, None))
            if not end:
                return None
        rows, shared = _with_own_times(rows, end, self._begins)
        self._begins = False
        self._ledger.change("rows", shared, "that share a time spread over their interval")
        return rows.part(slice(0, end))


def _with_own_times(rows: TableRows, end: int, begins: bool) -> tuple[TableRows, int]:
    """Give each row its own time, and how many of those before `end` shared one."""
    if (np.diff(rows.times_s) > 0).all():
        return rows, 0
    measured = np.stack([np.isfinite(values).any(axis=0) for values in rows.values.values()])
    times, shared = spread_stamps(rows.times_s, measured, rows.path.name, begins=begins)
    if shared and end < len(times):
        shared -= spread_stamps(rows.times_s[end:], measured[:, end:])[1]
    changed = replace(rows, times_s=times)
    return (changed.part(np.argsort(times, kind="stable")) if shared else changed), shared
