"""Count what a tokenizer does to every number of a stream, in memory that does not grow."""

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from tokenization_study.reading.cells import Cells
from tokenization_study.reading.written import SerialisedText
from tokenization_study.tokenizers.encoded import Encoded
from tokenization_study.tokenizers.tokenizers import Tokenizer

LONGEST = 60
"""Characters of a number whose boundaries are followed."""
_1, _63 = np.uint64(1), np.uint64(63)
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """How numbers of one form are split, and how many are.

    `sign`, `point`, `exponent` and `length` are the number's form. Bit k of `mask` says that a
    token starts at the number's character k; bit 0 and bit `length` are its two edges.
    """

    sign: bool
    point: int
    exponent: int
    length: int
    mask: int
    count: int
    example: str

    @property
    def integer(self) -> tuple[int, int]:
        """Give where the digits before the point start and stop."""
        ends = [place for place in (self.point, self.exponent) if place >= 0]
        return int(self.sign), min([*ends, self.length])

    @property
    def fraction(self) -> tuple[int, int]:
        """Give where the digits after the point start and stop."""
        if self.point < 0:
            return self.length, self.length
        return self.point + 1, self.exponent if self.exponent >= 0 else self.length

    def cuts(self, start: int, stop: int) -> tuple[int, ...]:
        """Give the boundaries strictly between two places, counted from the first."""
        inside = range(start + 1, min(stop, LONGEST))
        return tuple(k - start for k in inside if self.mask >> k & 1)

    @property
    def inner(self) -> int:
        """Give the boundaries strictly inside the number as bits."""
        return self.mask & ((1 << min(self.length, LONGEST)) - 2)

    def has_cut(self, place: int) -> bool:
        """Say whether a token starts at a character of the number."""
        return bool(self.mask >> place & 1)

    @functools.cached_property
    def pieces(self) -> list[str]:
        """Give the example cut at its boundaries."""
        places = [0, *self.cuts(0, self.length), self.length]
        return [self.example[a:b] for a, b in pairwise(places)]


def masks(cells: Cells, is_start: Bool[np.ndarray, " character"]) -> Int[np.ndarray, " cell"]:
    """Give the boundaries of each number as bits (see `Pattern`)."""
    # A word of 64 bits from every byte on; a number's bits are in the word of its first byte and,
    # where it starts late in that byte, in the byte after the word.
    bits = np.concatenate([np.packbits(is_start, bitorder="little"), np.zeros(16, np.uint8)])
    words = np.ndarray((len(bits) - 8,), "<u8", bits, strides=(1,))
    at, late = cells.starts >> 3, (cells.starts & 7).astype(np.uint64)
    windows = (words[at] >> late) | (bits[at + 8].astype(np.uint64) << _1 << (_63 - late))
    lengths = np.minimum(cells.lengths, LONGEST).astype(np.uint64)
    return np.asarray(windows & ((np.uint64(2) << lengths) - np.uint64(1)))


def distinct(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the different keys as they come, where each is first, and which one each place has.

    A hash table finds them, several times faster than `np.unique` sorts. Buffers are read as they
    are: on the way through `to_numpy` pyarrow imports pandas, which takes as long as an audit.
    """
    data = pa.py_buffer(np.ascontiguousarray(keys, dtype=np.uint64))
    encoded = pa.Array.from_buffers(pa.uint64(), len(keys), [None, data]).dictionary_encode()
    kinds, place = (
        np.frombuffer(part.buffers()[1], dtype, len(part))
        for part, dtype in ((encoded.dictionary, np.uint64), (encoded.indices, np.int32))
    )
    first = np.empty(len(kinds), dtype=np.int64)
    first[place[::-1]] = np.arange(len(place) - 1, -1, -1)
    return kinds, first, place


class TokenTally:
    """Count tokens and splits of one tokenizer on one serialiser's texts."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokens = self.characters = self.values = self.texts = self.steps = 0
        self.special = self.unknown = 0
        self.special_example = ""
        self.per_value: Counter[int] = Counter()
        self.per_text: Counter[int] = Counter()
        self._counts: Counter[int] = Counter()
        self._forms: dict[int, dict[str, Any]] = {}
        self._unknown_ids = np.array(sorted(tokenizer.unknown_ids), dtype=np.int64)
        self._special_ids = np.array(
            sorted(tokenizer.special_ids - tokenizer.unknown_ids), dtype=np.int64
        )

    def add(self, written: SerialisedText, encoded: Encoded) -> "Splits":
        """Count a chunk; gives what was done to each of its numbers."""
        splits = split_numbers(written, encoded)
        self._count_special(written, encoded)
        self.add_splits(written, written.cells, splits, encoded.counts)
        return splits

    def add_splits(
        self,
        written: SerialisedText,
        cells: Cells,
        splits: "Splits",
        per_text: np.ndarray,
        times: np.ndarray | None = None,
    ) -> None:
        """Count a chunk of which splits are known; `times`: how often each number stands there."""
        self.tokens += int(per_text.sum())
        self.characters += sum(map(len, written.texts))
        self.values += len(written.cells)
        self.texts += len(written.texts)
        self.steps += written.steps
        _count(self.per_text, per_text)
        _count(self.per_value, splits.touching, times)
        form = (cells.lengths.astype(np.uint64) << np.uint64(34)) | (
            (cells.point + 1).astype(np.uint64) << np.uint64(17)
        )
        form |= ((cells.exponent + 1).astype(np.uint64) << np.uint64(1)) | cells.sign
        # Two odd factors spread form and boundaries over 64 bits: one search instead of two.
        kinds, first, place = distinct(splits.masks * _ODD[0] + form * _ODD[1])
        counts = np.bincount(place, times, len(kinds)).astype(np.int64)
        for key, row, count in zip(kinds.tolist(), first.tolist(), counts.tolist(), strict=True):
            self._counts[key] += count
            if key in self._forms:
                continue
            start, stop = int(cells.starts[row]), int(cells.stops[row])
            self._forms[key] = {
                "sign": bool(cells.sign[row]), "point": int(cells.point[row]),
                "exponent": int(cells.exponent[row]), "length": stop - start,
                "mask": int(splits.masks[row]), "example": written.joined[start:stop],
            }  # fmt: skip

    def has_special(self, encoded: Encoded) -> bool:
        """Say whether any token is unknown or special."""
        ids, bad = encoded.ids, np.concatenate([self._unknown_ids, self._special_ids])
        # Most vocabularies have them all at one end: the others need not be looked up.
        if not bad.size or not ids.size or ids.min() > bad.max() or ids.max() < bad.min():
            return False
        return bool(np.isin(ids, bad).any())

    def _count_special(self, written: SerialisedText, encoded: Encoded) -> None:
        if not self.has_special(encoded):
            return
        for ids, kind in ((self._unknown_ids, "unknown"), (self._special_ids, "special")):
            if not ids.size:
                continue
            hits = np.flatnonzero(np.isin(encoded.ids, ids))
            if not hits.size:
                continue
            setattr(self, kind, getattr(self, kind) + len(hits))
            if not self.special_example:
                text = int(np.searchsorted(encoded.bounds, hits[0], side="right")) - 1
                start, stop = int(encoded.starts[hits[0]]), int(encoded.stops[hits[0]])
                self.special_example = written.texts[text][max(start - 12, 0) : stop + 12]

    def patterns(self) -> Iterator[Pattern]:
        """Give every way in which a form of number was split."""
        for key, count in self._counts.items():
            yield Pattern(count=count, **self._forms[key])


@dataclass(frozen=True, eq=False)
class Splits:
    """Hold what a tokenizer does to each number of a chunk."""

    masks: Int[np.ndarray, " cell"]
    """Boundaries as bits (see `Pattern`)."""
    touching: Int[np.ndarray, " cell"]
    """Tokens that touch the number."""
    tokens: Int[np.ndarray, " cell"]
    """Tokens from the end of the number before to the number's own end."""


def split_numbers(written: SerialisedText, encoded: Encoded) -> Splits:
    """Say how the numbers of encoded texts are split."""
    cells, size = written.cells, len(written.joined) + 1
    starts = encoded.starts + np.repeat(written.text_starts, encoded.counts)
    if not (is_text := encoded.stops > encoded.starts).all():
        starts = starts[is_text]
    is_start = np.zeros(size, dtype=bool)
    is_start[starts] = True
    total = np.zeros(size + 1, dtype=np.int32)
    np.cumsum(is_start, out=total[1:])
    if total[-1] < len(starts):
        # Tokens of part of a character share one: more than one starts there.
        np.cumsum(np.bincount(starts, minlength=size), out=total[1:])
    # What follows a text's last character is a boundary too.
    is_start[written.text_starts[1:] - 1] = True
    is_start[size - 1] = True
    begins, ends = written.stretches
    tokens = total[ends] - total[begins]
    if len(starts) < len(encoded.ids):
        tokens += _empty_tokens(written, encoded)
    return Splits(
        masks=masks(cells, is_start),
        touching=total[cells.stops] - total[cells.starts] + ~is_start[cells.starts],
        tokens=tokens,
    )


def _empty_tokens(written: SerialisedText, encoded: Encoded) -> np.ndarray:
    """Give a text's tokens that stand for nothing to its first number."""
    nothing = np.flatnonzero(encoded.starts == encoded.stops)
    text_of = np.searchsorted(encoded.bounds, nothing, side="right") - 1
    counts = np.bincount(text_of, minlength=len(written.texts))
    empty = np.zeros(len(written.cells), dtype=np.int64)
    first = np.searchsorted(written.cells.starts, written.text_starts)
    there = first < len(empty)
    np.add.at(empty, first[there], counts[there])
    return empty


def _count(counter: Counter[int], values: np.ndarray, times: np.ndarray | None = None) -> None:
    if not values.size:
        return
    counts = np.bincount(values, times).astype(np.int64)
    used = np.flatnonzero(counts)
    for value, count in zip(used.tolist(), counts[used].tolist(), strict=True):
        counter[value] += count
