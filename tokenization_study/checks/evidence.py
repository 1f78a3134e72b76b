"""What a check looks at: one tokenizer on one serialiser's numbers."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int

from tokenization_study.checks.distance import distance_correlation, token_columns
from tokenization_study.checks.pitfalls.outcome import Example
from tokenization_study.checks.sample import Sample
from tokenization_study.config import AuditConfig
from tokenization_study.tokenizers.encoded import Encoded
from tokenization_study.tokenizers.tally import LONGEST, Pattern, TokenTally, masks
from tokenization_study.tokenizers.tokenizers import Tokenizer


@dataclass(eq=False)
class Evidence:
    """Hold all counts, the sample, and the sample's tokens."""

    tokenizer: Tokenizer
    tally: TokenTally
    sample: Sample
    config: AuditConfig
    unit: str = ""
    tokens_per_window: float | None = None
    others: "Sequence[Evidence]" = ()
    """What the audit's tokenizers, this one too, make of the same sample."""

    @functools.cached_property
    def patterns(self) -> list[Pattern]:
        """Give how all numbers were split, the commonest first."""
        return sorted(self.tally.patterns(), key=lambda pattern: -pattern.count)

    @functools.cached_property
    def encoded(self) -> Encoded:
        """Give the tokens of the sample's segments."""
        return self.tokenizer.encode(self.sample.segments)

    @functools.cached_property
    def spans(self) -> tuple[np.ndarray, np.ndarray]:
        """Give where all tokens start and stop in the sample's joined text."""
        base = np.repeat(self.sample.segment_starts, self.encoded.counts)
        return self.encoded.starts + base, self.encoded.stops + base

    @functools.cached_property
    def is_start(self) -> Bool[np.ndarray, " character"]:
        """Say at which characters of the sample a token starts."""
        starts, stops = self.spans
        starts_here = np.zeros(len(self.sample.joined) + 1, dtype=bool)
        starts_here[starts[stops > starts]] = True
        starts_here[self.sample.segment_starts[1:] - 1] = True
        starts_here[-1] = True
        return starts_here

    @functools.cached_property
    def masks(self) -> Int[np.ndarray, " cell"]:
        """Give the boundaries of the sample's numbers as bits (see `Pattern`)."""
        return masks(self.sample.cells, self.is_start)

    @functools.cached_property
    def inner(self) -> Int[np.ndarray, " cell"]:
        """Give the boundaries strictly inside the sample's numbers as bits."""
        lengths = np.minimum(self.sample.cells.lengths, 63).astype(np.uint64)
        within = (np.uint64(1) << lengths) - np.uint64(2)
        return np.asarray(self.masks & within)

    @functools.cached_property
    def ranges(self) -> tuple[np.ndarray, np.ndarray]:
        """Give each number's first token and the one after its last."""
        starts, stops = self.spans
        cells = self.sample.cells
        first = np.searchsorted(stops, cells.starts, side="right")
        return first, np.maximum(np.searchsorted(starts, cells.stops, side="left"), first)

    def tokens_of(
        self, rows: Int[np.ndarray, " number"]
    ) -> tuple[Int[np.ndarray, " token"], Int[np.ndarray, " token"]]:
        """Give the tokens that touch some numbers, one number's after the other's.

        Returns (which of all tokens, which of `rows` it touches).
        """
        first, stop = (edge[rows] for edge in self.ranges)
        counts = stop - first
        place = np.repeat(np.arange(len(rows)), counts)
        begins = np.cumsum(counts) - counts
        return np.arange(len(place)) - begins[place] + first[place], place

    @functools.cached_property
    def cell_ids(self) -> list[tuple[int, ...]]:
        """Give the tokens that touch each number of the sample."""
        ids = self.encoded.ids.tolist()
        first, stop = self.ranges
        return [tuple(ids[a:b]) for a, b in zip(first.tolist(), stop.tolist(), strict=True)]

    @functools.cached_property
    def by_value(self) -> Int[np.ndarray, " cell"]:
        """Give different numbers of the sample in the order of their values."""
        first = {text: i for i, text in reversed(list(enumerate(self.sample.texts)))}
        rows = np.array(sorted(first.values()), dtype=np.int64)
        rows = rows[self.sample.whole[rows]] if self.sample.whole[rows].any() else rows
        values = self.sample.values[rows]
        rows, values = rows[np.isfinite(values)], values[np.isfinite(values)]
        return np.asarray(rows[np.argsort(values, kind="stable")])

    @functools.cached_property
    def distance_correlation(self) -> tuple[float, int] | None:
        """Give the rank correlation of token edit distance and distance in value, and the pairs."""
        rows = self.by_value
        token, place = self.tokens_of(rows)
        columns = token_columns(self.encoded.ids[token], place, len(rows))
        limit, seed = len(self.sample), self.config.seed
        return distance_correlation(self.sample.values[rows], columns, limit, seed)

    @functools.cached_property
    def probes(self) -> list[str]:
        """Give different numbers of the sample to be rewritten."""
        return self.sample.distinct(self.config.probed(len(self.sample)), self.config.seed)

    def pieces(self, cell: int) -> list[str]:
        """Give a number of the sample cut at its boundaries."""
        return cut(self.sample.texts[cell], int(self.inner[cell]))

    @functools.cached_property
    def _probe_tokens(self) -> Encoded:
        return self.tokenizer.encode(self.probes)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Give the tokens of texts; the probes, which several checks start from, are made once."""
        return self._probe_tokens if texts == self.probes else self.tokenizer.encode(texts)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the tokens of each text; a tokenizer that can is not asked where they stand."""
        bare = getattr(self.tokenizer, "encode_bare", None)
        if bare is not None and texts != self.probes:
            return list(bare(texts))
        encoded = self.encode(texts)
        return list(map(encoded.ids_of, range(len(texts))))

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Give what the tokens of each text stand for, characters as they are."""
        encoded = self.encode(texts)
        spans = map(encoded.spans_of, range(len(texts)))
        return [
            [text[a:b] for a, b in own if b > a] for text, own in zip(texts, spans, strict=True)
        ]

    def boundaries(self, texts: Sequence[str], parts: Sequence[str]) -> Int[np.ndarray, " text"]:
        """Give where tokens start inside the last occurrence of a part in each text, as bits."""
        encoded = self.encode(texts)
        begins = [text.rindex(part) for text, part in zip(texts, parts, strict=True)]
        text_of = np.repeat(np.arange(len(texts)), encoded.counts)
        places = encoded.starts - np.array(begins, dtype=np.int64)[text_of]
        sizes = np.minimum([len(part) for part in parts], LONGEST)[text_of]
        inside = (places > 0) & (places < sizes) & (encoded.stops > encoded.starts)
        masks = np.zeros(len(texts), dtype=np.int64)
        np.bitwise_or.at(masks, text_of[inside], np.int64(1) << places[inside])
        return masks

    def pair(self, left: int, right: int, note: str) -> Example:
        """Show two numbers of the sample beside each other."""
        texts = self.sample.texts
        pieces = (*self.pieces(left), " / ", *self.pieces(right))
        return Example(f"{texts[left]} / {texts[right]}", pieces, note)


def cut(text: str, mask: int) -> list[str]:
    """Cut a text at the places whose bits are set."""
    places = [0, *(k for k in range(1, len(text)) if mask >> k & 1), len(text)]
    return [text[a:b] for a, b in pairwise(places)]
