"""Say of every row of a recording which windows it came to, or why it came to none."""

import numpy as np

from sensor2llm.signals.ledger.ledger import Ledger

_OUTSIDE, _KEPT = -1, 0


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

    def keep(self, from_s: float, below_s: float) -> None:
        """Take the rows from one time up to below another as kept."""
        self._state[self._between(from_s, below_s)] = _KEPT

    def drop(self, from_s: float, below_s: float, reason: str) -> None:
        """Give a reason to those of these rows that have none yet."""
        if reason not in self._reasons:
            self._reasons.append(reason)
        rows = self._state[self._between(from_s, below_s)]
        rows[rows == _OUTSIDE] = self._reasons.index(reason)

    def account(self, ledger: Ledger, unit: str) -> None:
        """Write the counts down: each row is kept, or dropped for one reason."""
        if not len(self._times):
            return
        ledger.read(unit, len(self._times))
        for code, reason in enumerate(self._reasons):
            n = int((self._state == code).sum())
            if code == _KEPT:
                ledger.keep(unit, n)
            else:
                ledger.drop(unit, n, reason)

    def _between(self, from_s: float, below_s: float) -> slice:
        first, last = np.searchsorted(self._times, (from_s, below_s))
        return slice(int(first), int(last))
