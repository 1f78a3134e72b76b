"""The columns of an input: what each one spreads over, and a seeded choice of its values.

A column is a channel of a modality, or the numbers at one place of a text's lines. Columns are
looked at one by one: on a common scale a column in pascal hides one in g.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from tokenization_study.checks.sample import Sample
from tokenization_study.reading.windows import Chunk, Window

STEPS = 100
VALUES = 6000
"""Values that are chosen of all columns together, at least one of each."""
MOST = 20
"""Stretches that are chosen at most."""
WIDEST = 64
"""Numbers of a line beyond which a text has no columns."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Hold a choice of stretches, and what each column spreads over in the whole input."""

    stretches: Sequence[Window]
    spreads: Sequence[Float[np.ndarray, " channel"]]
    """Standard deviation of each channel, a modality each; zero for a constant one."""
    names: Sequence[str] = ()
    """One a column, modality after modality; numbered where there are none."""

    def name(self, part: int, channel: int) -> str:
        """Give what a column is called."""
        place = sum(len(spread) for spread in self.spreads[:part]) + channel
        return self.names[place] if place < len(self.names) else f"column {place + 1}"

    def __len__(self) -> int:
        return sum(map(len, self.spreads))


class ColumnSampler:
    """Follow the columns of a stream of windows in memory that does not grow."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._stretches: list[tuple[float, Window]] = []
        self._moments: list[_Moments] = []

    def add(self, chunk: Chunk) -> None:
        """Look at a chunk's windows."""
        chances = self._random.random(len(chunk.windows))
        for window, chance in zip(chunk.windows, chances.tolist(), strict=True):
            if len(self._stretches) == MOST and chance >= self._stretches[-1][0]:
                continue
            stretch = tuple(part[:, :STEPS].copy() for part in window)
            self._stretches.append((chance, stretch))
            self._stretches.sort(key=lambda pair: pair[0])
            del self._stretches[MOST:]
        for i in range(max(map(len, chunk.windows), default=0)):
            parts = [w[i] for w in chunk.windows if len(w) > i and w[i].size]
            if i == len(self._moments):
                self._moments.append(_Moments())
            if parts:
                self._moments[i].add(np.concatenate(parts, axis=1))

    def columns(self, names: Sequence[str]) -> Columns | None:
        """Give what was found; None where no window came by."""
        if not self._stretches:
            return None
        spreads = [moments.spread for moments in self._moments]
        count, steps = _sizes(sum(map(len, spreads)))
        chosen = [tuple(part[:, :steps] for part in s) for _, s in self._stretches[:count]]
        return Columns(chosen, spreads, names)


class _Moments:
    """Count, mean and squared differences of each channel [Chan et al. 1979, eq. 1.5]."""

    def __init__(self) -> None:
        self._count: np.ndarray = np.zeros(1)
        self._mean: np.ndarray = np.zeros(1)
        self._squares: np.ndarray = np.zeros(1)

    def add(self, values: np.ndarray) -> None:
        values = values.astype(np.float64)
        there = ~np.isnan(values)
        count = there.sum(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.where(there, values, 0.0).sum(axis=1) / np.maximum(count, 1)
            squares = (np.where(there, values - mean[:, None], 0.0) ** 2).sum(axis=1)
            total = np.maximum(self._count + count, 1)
            step = mean - self._mean
            self._squares = self._squares + squares + step**2 * self._count * count / total
            self._mean = self._mean + step * count / total
        self._count = self._count + count

    @property
    def spread(self) -> Float[np.ndarray, " channel"]:
        """Give each channel's standard deviation."""
        return np.asarray(np.sqrt(np.nan_to_num(self._squares / np.maximum(self._count, 1))))


def text_columns(sample: Sample) -> Columns | None:
    """Give the columns of a text's lines; one column of its signal where lines are no rows."""
    cells = _rows(sample)
    if cells is None or not cells.size:
        table, names = sample.signal[None, :], ["the signal"]
    else:
        chosen = _signal_columns(sample, cells)
        table = sample.values[cells[chosen]]
        table = table[:, np.isfinite(table).all(axis=0)]
        names = [f"number {i + 1} of a line" for i in chosen]
    if not table.size:
        return None
    count, steps = _sizes(len(table))
    starts = range(0, min(table.shape[1], count * steps), steps)
    moments = _Moments()
    moments.add(table)
    stretches = [(table[:, i : i + steps],) for i in starts]
    return Columns(stretches, [moments.spread], names)


def _sizes(columns: int) -> tuple[int, int]:
    """Give how many stretches are looked at, and the steps of each."""
    share = max(VALUES // max(columns, 1), 1)
    return min(max(share // STEPS, 1), MOST), min(share, STEPS)


def _rows(sample: Sample) -> Int[np.ndarray, "column line"] | None:
    """Give the cells of whole lines that hold as many as most; None where few are alike."""
    breaks = np.flatnonzero(np.frombuffer(sample.joined.encode("utf-32-le"), np.uint32) == 10)
    if not len(sample) or not breaks.size:
        return None
    line_of = np.searchsorted(breaks, sample.cells.starts)
    # A segment may begin and end within a line.
    edges = np.searchsorted(breaks, [*sample.segment_starts[1:], 0, len(sample.joined)])
    is_cut = np.isin(line_of, [*edges, *(edges - 1)]) if len(sample.segments) > 1 else (
        np.zeros(len(line_of), dtype=bool))  # fmt: skip
    counts = np.bincount(line_of[~is_cut])
    filled = counts[counts > 0]
    if not filled.size:
        return None
    width = int(np.bincount(filled).argmax())
    usual = ~is_cut & (counts[np.minimum(line_of, len(counts) - 1)] == width)
    if width > WIDEST or 2 * usual.sum() < (~is_cut).sum():
        return None
    return np.flatnonzero(usual).reshape(-1, width).T


def _signal_columns(sample: Sample, cells: Int[np.ndarray, "column line"]) -> list[int]:
    """Leave out people, time stamps and constants, as far as the numbers tell."""
    values, shares = sample.values[cells], sample.is_signal[cells].mean(axis=1)
    varying = [i for i, row in enumerate(values) if (row != row[0]).any()]
    return [i for i in varying if shares[i] > 0.5] or varying or list(range(len(cells)))
