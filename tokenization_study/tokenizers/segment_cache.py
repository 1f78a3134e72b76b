"""Encode what is different once: a long input repeats most of its numbers.

The first chunk is encoded whole. Every stretch of it (a number with what stands before it) is
remembered with its tokens, if all its occurrences are split alike. Later chunks are counted from
memory: a new stretch is encoded between its neighbours, and one text of every chunk is encoded
whole as a check. A tokenizer that splits a stretch by what stands around it is found by that, and
everything is encoded from there on. An input that hardly repeats itself is encoded whole.
"""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from tokenization_study.reading.cells import Cells
from tokenization_study.reading.written import SerialisedText, Writer
from tokenization_study.tokenizers.tally import Splits, TokenTally, distinct, split_numbers
from tokenization_study.tokenizers.tokenizers import Tokenizer

MOST_NEW = 0.4
"""Share of a chunk's numbers that may be encoded again before it is encoded whole."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)
"""Bits of a word's first bytes, by their number."""
_ZEROS = np.zeros(8, np.uint8)
LONGEST = 512
"""Bytes of a stretch beyond which a chunk is encoded whole."""
LARGEST = 300_000
"""Stretches that are remembered."""


class SegmentTokenCache:
    """The different stretches of a chunk, shared by all tokenizers; each has a 64-bit key."""

    def __init__(self, written: SerialisedText) -> None:
        begins, ends = written.stretches
        text_of = written.text_of
        edge = (np.diff(text_of, prepend=-1) != 0) + 2 * (np.diff(text_of, append=-1) != 0)
        data = np.frombuffer(written.joined.encode(), np.uint8)
        if len(data) > len(written.joined):
            first_byte = np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data))
            begins, ends = first_byte[begins], first_byte[ends]
        lengths = np.minimum(ends - begins, LONGEST)
        has_long = (ends - begins > LONGEST).any()
        self._kinds, self.first, self.place = distinct(_keys(data, begins, lengths, edge))
        self.times = np.bincount(self.place)
        self.is_whole = len(np.unique(text_of)) == len(written.texts) and not has_long
        self.repeats = len(self._kinds) < MOST_NEW * len(self.place)

    @functools.cached_property
    def keys(self) -> list[int]:
        """Give the key of each."""
        return list(self._kinds.tolist())


def _keys(
    data: np.ndarray, begins: np.ndarray, lengths: np.ndarray, edge: np.ndarray
) -> np.ndarray:
    """Give a hash of each stretch: of its length, its edges, and eight bytes of it at a time."""
    # A word of 64 bits from every byte on.
    words = np.ndarray((len(data) + 1,), "<u8", np.append(data, _ZEROS), strides=(1,))
    hashes = (4 * lengths + edge).astype(np.uint64) * _ODD
    for start in range(0, int(lengths.max(initial=0)), 8):
        rows = np.flatnonzero(lengths > start)
        first = _FIRST_BYTES[np.minimum(lengths[rows] - start, 8)]
        mixed = (hashes[rows] ^ (words[begins[rows] + start] & first)) * _ODD
        hashes[rows] = mixed ^ (mixed >> np.uint64(32))
    return np.asarray(hashes)


class Counter:
    """Count chunks for one tokenizer, from memory where that is exact."""

    def __init__(self, tokenizer: Tokenizer, tally: TokenTally, writer: Writer) -> None:
        self.tokenizer = tokenizer
        self.tally = tally
        self._writer = writer
        self._known: dict[int, tuple[int, int, int]] = {}
        self._remembers = True
        self._wasted = self._checks = 0

    @property
    def remembers(self) -> bool:
        """Say whether anything is counted from memory."""
        return self._remembers

    def add(self, written: SerialisedText, stretches: SegmentTokenCache | None) -> None:
        """Count a chunk."""
        if not self._remembers or stretches is None or not stretches.is_whole:
            self.tally.add(written, self.tokenizer.encode(written.texts))
            return
        if not self._known and not stretches.repeats:
            self._remembers = False
            self.tally.add(written, self.tokenizer.encode(written.texts))
        elif not self._from_memory(written, stretches):
            splits = self.tally.add(written, self.tokenizer.encode(written.texts))
            self._learn(stretches, splits)

    def _from_memory(self, written: SerialisedText, stretches: SegmentTokenCache) -> bool:
        """Count a chunk whose stretches are known or can be learnt from few of its texts."""
        if not self._known:
            return False
        new = [i for i, key in enumerate(stretches.keys) if key not in self._known]
        if 3 * len(new) > MOST_NEW * len(written.cells):
            self._wasted += 1
            # Twice: the input hardly repeats itself.
            self._remembers = self._wasted < 2
            return False
        # A new stretch is encoded between its neighbours; one whole text is a check.
        texts = _surroundings(written, stretches.first[new])
        self._checks += 1
        part = self._writer.lay_out([*texts, written.texts[self._checks % len(written.texts)]])
        own = SegmentTokenCache(part)
        encoded = self.tokenizer.encode(part.texts)
        if self.tally.has_special(encoded) or not self._learn(own, split_numbers(part, encoded)):
            return False
        remembered = np.array([self._known[key] for key in stretches.keys], dtype=np.int64)
        self._count(written, stretches, remembered)
        return True

    def _count(
        self,
        written: SerialisedText,
        stretches: SegmentTokenCache,
        counts: Int[np.ndarray, "stretch 3"],
    ) -> None:
        per_text = np.bincount(
            written.text_of, counts[stretches.place, 0], len(written.texts)
        ).astype(np.int64)
        cells, first = written.cells, stretches.first
        part = Cells(
            starts=cells.starts[first],
            stops=cells.stops[first],
            sign=cells.sign[first],
            point=cells.point[first],
            exponent=cells.exponent[first],
        )
        splits = Splits(
            tokens=counts[:, 0], touching=counts[:, 1], masks=counts[:, 2].astype(np.uint64)
        )
        self.tally.add_splits(written, part, splits, per_text, stretches.times)

    def _learn(self, stretches: SegmentTokenCache, splits: Splits) -> bool:
        """Remember stretches; False, and never again, where one is split in two ways."""
        rows = np.stack([splits.tokens, splits.touching, splits.masks.astype(np.int64)], axis=1)
        own = rows[stretches.first]
        learnt: Sequence[tuple[int, int, int]] = list(map(tuple, own.tolist()))
        alike = np.array_equal(own[stretches.place], rows) and all(
            self._known.get(key, row) == row
            for key, row in zip(stretches.keys, learnt, strict=True)
        )
        if not alike or self.tally.special or self.tally.unknown:
            self._remembers = False
            return False
        if len(self._known) < LARGEST:
            self._known.update(zip(stretches.keys, learnt, strict=True))
        return all(key in self._known for key in stretches.keys)


def count_chunk(counters: Sequence[Counter], written: SerialisedText) -> None:
    """Count a chunk for several tokenizers."""
    some = any(counter.remembers for counter in counters) and len(written.cells)
    stretches = SegmentTokenCache(written) if some else None
    for counter in counters:
        counter.add(written, stretches)


def _surroundings(written: SerialisedText, cells: np.ndarray) -> list[str]:
    """Give texts that hold a number each, from the number before it to the one after it."""
    begins, ends = written.stretches
    text_of, count = written.text_of, len(written.cells)
    before, after = np.maximum(cells - 1, 0), np.minimum(cells + 1, count - 1)
    is_first, is_last = text_of[before] != text_of[cells], text_of[after] != text_of[cells]
    starts = np.where(is_first | (before == cells), begins[cells], written.cells.starts[before])
    stops = np.where(is_last, ends[cells], ends[after])
    pairs = zip(starts.tolist(), stops.tolist(), strict=True)
    return [written.joined[start:stop] for start, stop in pairs]
