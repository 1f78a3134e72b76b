"""A modality's rows on a regular clock, also where they come in parts that overlap."""

from dataclasses import replace

import numpy as np

from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.resample import MAX_GAP_S, resample_irregular
from sensor2llm.signals.tables.description import Table, TableModality
from sensor2llm.signals.tables.rows.rows import TableRows
from sensor2llm.signals.window import Track

_SAME_S = 1e-7
# A part begins at one of so many steps, where the steps of both rates fall together best.
_STEPS_LOOKED_AT = 1000
# Steps of the slower rate that the filter between two rates reaches, with room to spare.
_FILTER_STEPS = 25


def margins_s(table: Table) -> tuple[float, float]:
    """Give how many seconds before and after its windows a part of a recording needs."""
    before, after = [0.0], [0.0]
    for entry in table.modalities:
        if entry.modality.axis == "time" and entry.rate_hz:
            slowest_hz = min(entry.rate_hz, entry.modality.rate_hz or entry.rate_hz)
            after.append(2 * (entry.max_gap_s + MAX_GAP_S) + _FILTER_STEPS / slowest_hz)
            before.append(after[-1] + _STEPS_LOOKED_AT / entry.rate_hz)
    return max(before), max(after)


def needed_rows(rows: TableRows, table: Table, from_s: float) -> np.ndarray:
    """Say which rows up to a time the windows after it need: a few events, and the last values."""
    needed = np.zeros(len(rows.times_s), dtype=bool)
    end = int(np.searchsorted(rows.times_s, from_s, side="right"))
    for entry in table.modalities:
        if entry.modality.axis != "time" and entry.modality.name in rows.values:
            values = rows.values[entry.modality.name][:, :end]
            measured = np.flatnonzero(np.isfinite(values).any(axis=0))
            needed[measured[-entry.modality.steps - 1 :]] = True
    return needed


def track_of(
    rows: TableRows,
    entry: TableModality,
    keep_empty: bool,
    starts_s: dict[str, float],
    ledger: Ledger,
    counted: tuple[float, float],
) -> Track | None:
    """Give a modality as a track; None where nothing of it was measured.

    Args:
        rows: of a recording, or of a part of it.
        entry: the modality.
        keep_empty: whether an empty row is an event that was missed, whose place is kept.
        starts_s: where the grids of the recording's modalities begin; filled here.
        ledger: counts rows after pauses that are bridged.
        counted: the times above which and up to which rows are counted.
    """
    modality, times_s = entry.modality, rows.times_s
    values = rows.values[modality.name]
    measured = np.isfinite(values).any(axis=0)
    if not measured.any():
        return None
    if not (keep_empty or measured.all()):
        times_s, values = times_s[measured], values[:, measured]
    if modality.axis != "time" or entry.rate_hz is None:
        return Track(modality=modality, values=values, start_s=float(times_s[0]), stamps_s=times_s)
    # At the rate of the rows; `segment` brings it to the spec's.
    at_rate = replace(modality, rate_hz=entry.rate_hz)
    start_s = starts_s.setdefault(modality.name, float(times_s[0]))
    since_s = times_s - start_s
    now, first = _first_steps(float(since_s[0]), entry.rate_hz, modality.rate_hz or entry.rate_hz)
    begin_s = start_s + first / entry.rate_hz
    grid_s = np.arange(now, now + len(since_s)) / entry.rate_hz
    if np.abs(since_s - grid_s).max() < _SAME_S and np.isfinite(values).all():
        # Regular to the last digits, so that nothing is to be interpolated.
        return Track(modality=at_rate, values=values[:, first - now :], start_s=begin_s)
    bridged = _bridged(times_s, entry, counted)
    ledger.change("rows", bridged, "after a short pause that is bridged")
    regular = resample_irregular(
        since_s,
        values,
        entry.rate_hz,
        first / entry.rate_hz,
        # Stamps written in milliseconds end up to half a step early: the last step still counts.
        steps=max(0, round(since_s[-1] * entry.rate_hz) + 1 - first),
        max_gap_s=entry.max_gap_s,
    )
    return Track(modality=at_rate, values=regular, start_s=begin_s)


def _bridged(times_s: np.ndarray, entry: TableModality, counted: tuple[float, float]) -> int:
    """Count the rows after pauses that are bridged, above a time and up to another."""
    steps_s, later_s = np.diff(times_s), times_s[1:]
    bridged = (steps_s > 1.5 / float(entry.rate_hz or 1.0)) & (steps_s <= entry.max_gap_s)
    return int((bridged & (later_s > counted[0]) & (later_s <= counted[1])).sum())


def _first_steps(since_s: float, rate_hz: float, new_rate_hz: float) -> tuple[int, int]:
    """Give the grid's step of a part's first row, and the one that its track begins with.

    That is one which is a step of the new rate's grid as well, so that the part's own grid goes on.
    """
    now = round(since_s * rate_hz)
    if not now or rate_hz == new_rate_hz:
        return now, now
    new_steps = np.arange(now, now + _STEPS_LOOKED_AT) * (new_rate_hz / rate_hz)
    off = np.abs(new_steps - np.rint(new_steps))
    return now, now + int(np.flatnonzero(off <= off.min() + 1e-6)[0])
