"""A seeded sample of the numbers in their texts, taken while an input streams by."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from tokenization_study.reading.cells import Cells, cell_texts, find_cells, values_of
from tokenization_study.reading.written import SerialisedText

SEGMENT_CELLS = 256
LARGEST = 1e9


@dataclass(frozen=True)
class SampleSegment:
    """A stretch of a text; its first number counts only where the text begins with it."""

    order: tuple[int, int]
    text: str
    cells: int
    is_start: bool


class SegmentSampler:
    """Keep a random choice of segments, so many numbers in all, of a stream of any length."""

    def __init__(self, values: int, seed: int) -> None:
        self._values = values
        self._random = np.random.default_rng(seed)
        self._kept: list[tuple[float, SampleSegment]] = []
        self._threshold = 1.0
        self._chunks = 0

    def add(self, written: SerialisedText) -> None:
        """Look at the segments of a chunk."""
        starts, stops = written.cells.starts, written.cells.stops
        firsts = np.searchsorted(starts, written.text_starts)
        bounds = [*firsts.tolist(), len(starts)]
        self._chunks += 1
        number = 0
        for text, (first, end) in enumerate(pairwise(bounds)):
            begins = range(first, end, SEGMENT_CELLS)
            chances = self._random.random(len(begins))
            for begin, chance in zip(begins, chances.tolist(), strict=True):
                number += 1
                if chance > self._threshold:
                    continue
                stop = min(begin + SEGMENT_CELLS, end)
                is_start = begin == first
                left = int(written.text_starts[text] if is_start else stops[begin - 1])
                ends = int(written.text_starts[text]) + len(written.texts[text])
                right = ends if stop == end else int(starts[stop])
                segment = SampleSegment(
                    (self._chunks, number), written.joined[left:right], stop - begin, is_start
                )
                self._kept.append((chance, segment))
        self._prune(2 * self._values)

    def _prune(self, limit: int) -> None:
        if sum(segment.cells for _, segment in self._kept) <= limit:
            return
        self._kept.sort(key=lambda pair: pair[0])
        total, segments = 0, []
        for chance, segment in self._kept:
            if total >= min(limit, self._values):
                break
            segments.append((chance, segment))
            total += segment.cells
            self._threshold = chance
        self._kept = segments

    def sample(self, values: int, spaced: bool, letters: bool = False) -> "Sample":
        """Give a sample of so many numbers, in the order of the input."""
        self._prune(values)
        segments = sorted((s for _, s in self._kept), key=lambda segment: segment.order)
        return make_sample(segments, spaced, letters)


@dataclass(frozen=True, eq=False)
class Sample:
    """Hold the sample's numbers: their texts, values and places in `joined`."""

    segments: list[str]
    joined: str
    segment_starts: Int[np.ndarray, " segment"]
    cells: Cells
    texts: list[str]
    values: Float[np.ndarray, " cell"]
    segment_of: Int[np.ndarray, " cell"]
    whole: Bool[np.ndarray, " cell"]
    """Whether a number stands with all that comes before it in its text."""

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def is_signal(self) -> Bool[np.ndarray, " cell"]:
        """Say which numbers are taken for the signal's: those with a point, if there are any.

        In a text's own lines, names of people and time stamps are numbers too.
        """
        there = np.isfinite(self.values) & (np.abs(self.values) < LARGEST)
        with_point = there & (self.cells.point >= 0)
        return np.asarray(with_point if with_point.any() else there)

    @property
    def signal(self) -> Float[np.ndarray, " number"]:
        """Give the values of the signal's numbers."""
        return np.asarray(self.values[self.is_signal])

    def distinct(self, limit: int, seed: int) -> list[str]:
        """Give a seeded choice of different numbers, in the order in which they come."""
        different = list(dict.fromkeys(self.texts))
        if len(different) <= limit:
            return different
        chosen = np.random.default_rng(seed).choice(len(different), limit, replace=False)
        return [different[i] for i in np.sort(chosen).tolist()]


def make_sample(segments: list[SampleSegment], spaced: bool, letters: bool = False) -> Sample:
    """Find the numbers of segments."""
    joined = "\n".join(segment.text for segment in segments)
    lengths = np.array([len(segment.text) + 1 for segment in segments], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    cells = find_cells(joined, spaced=spaced, letters=letters)
    texts = cell_texts(joined, cells)
    segment_of = np.searchsorted(starts, cells.starts, side="right") - 1
    first = np.diff(segment_of, prepend=-1) > 0
    begins = np.array([segment.is_start for segment in segments], dtype=bool)
    return Sample(
        segments=[segment.text for segment in segments],
        joined=joined,
        segment_starts=starts,
        cells=cells,
        texts=texts,
        values=values_of(texts),
        segment_of=segment_of,
        whole=~first | (begins[segment_of] if len(begins) else first),
    )
