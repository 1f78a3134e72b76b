"""What a tokenizer makes of texts: ids, and the characters that each token stands for."""

import functools
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int

from sensor2llm.errors import DataError, ModelError

AT_ONCE = 1 << 15
"""Characters whose tokens are laid out at once: their arrays stay in the processor's cache."""
LARGEST_ID = (1 << 24) - 1
"""Ids have their places in an array; no vocabulary is near this size."""
Spans = tuple[np.ndarray, np.ndarray]
Ids = Sequence[int] | Int[np.ndarray, " token"]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Hold the tokens of several texts in flat arrays.

    A token of part of a character has the span of the whole character; a token that stands for
    nothing in the text (a dummy prefix) has an empty span.
    """

    ids: Int[np.ndarray, " token"]
    starts: Int[np.ndarray, " token"]
    """First character of each token, counted within its own text."""
    stops: Int[np.ndarray, " token"]
    """Character after each token's last, counted within its own text."""
    bounds: Int[np.ndarray, " text_and_one"]
    """Text i has the tokens from bounds[i] to bounds[i + 1]."""

    @property
    def counts(self) -> Int[np.ndarray, " text"]:
        """Give the number of tokens of each text."""
        return np.diff(self.bounds)

    def ids_of(self, text: int) -> list[int]:
        """Give the ids of one text."""
        bounds = self._bounds
        return self._ids[bounds[text] : bounds[text + 1]]

    def spans_of(self, text: int) -> list[tuple[int, int]]:
        """Give the spans of one text."""
        bounds = self._bounds
        return self._spans[bounds[text] : bounds[text + 1]]

    @functools.cached_property
    def _bounds(self) -> list[int]:
        return list(self.bounds.tolist())

    @functools.cached_property
    def _ids(self) -> list[int]:
        return list(self.ids.tolist())

    @functools.cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return list(zip(self.starts.tolist(), self.stops.tolist(), strict=True))


class Pieces:
    """Look up the bytes that an id stands for, each id once."""

    def __init__(self, piece: Callable[[int], bytes]) -> None:
        self._piece = piece
        self._known: dict[int, bytes] = {}
        self._lengths = np.full(1024, -1, dtype=np.int64)
        self._firsts = np.zeros(1024, dtype=np.int64)
        self._bytes = bytearray()

    def __getitem__(self, token: int) -> bytes:
        piece = self._known.get(token)
        if piece is None:
            piece = self._known[token] = self._piece(token)
        return piece

    def lengths(self, ids: Int[np.ndarray, " token"]) -> Int[np.ndarray, " token"]:
        """Give the number of bytes of each token; raises ModelError for ids that cannot be."""
        if ids.size and ids.max() > LARGEST_ID:
            raise ModelError(f"a token has the id {ids.max()}; expected {LARGEST_ID} at most")
        if ids.size and ids.max() >= self._lengths.size:
            more = int(ids.max()) + 1 - self._lengths.size
            self._lengths = np.pad(self._lengths, (0, more), constant_values=-1)
            self._firsts = np.pad(self._firsts, (0, more))
        lengths = self._lengths[ids]
        if lengths.size and lengths.min() >= 0:
            return np.asarray(lengths)
        for token in np.unique(ids[lengths < 0]).tolist():
            self._lengths[token], self._firsts[token] = len(self[token]), len(self._bytes)
            self._bytes += self[token]
        return np.asarray(self._lengths[ids])

    def spelt(
        self,
        ids: Int[np.ndarray, " token"],
        lengths: Int[np.ndarray, " token"],
        begins: Int[np.ndarray, " token"],
    ) -> np.ndarray:
        """Give the bytes of many tokens, one after the other (uint8).

        Their lengths are known, and where the bytes of each begin.
        """
        places = np.repeat(self._firsts[ids] - begins, lengths)
        places += np.arange(len(places))
        return np.asarray(np.frombuffer(bytes(self._bytes), np.uint8)[places])


def utf8(text: str) -> bytes:
    """Give a text's bytes; raises DataError where it holds half a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"the text holds {text[error.start]!r} at character {error.start}, which is no "
            "character of Unicode; read it with its right encoding"
        ) from None


def char_spans(data: bytes, starts: np.ndarray, stops: np.ndarray) -> Spans:
    """Turn spans of bytes into spans of characters; part of a character gives the whole of it."""
    if data.isascii():
        return starts, stops
    codes = np.frombuffer(data, np.uint8)
    character = np.cumsum((codes & 0xC0) != 0x80) - 1
    character = np.append(character, character[-1] + 1)
    last = character[np.maximum(stops - 1, 0)] + 1
    first = character[starts]
    return first, np.where(stops > starts, last, first)


def running_total(lengths: Int[np.ndarray, " token"]) -> Int[np.ndarray, " token_and_one"]:
    """Give where each token begins when they are laid one behind the other, and where all end."""
    total = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=total[1:])
    return total


def flatten(lists: Iterable[Ids]) -> tuple[np.ndarray, np.ndarray]:
    """Give (ids, bounds) of lists, or of arrays, of ids."""
    parts = [array("q", ids) if isinstance(ids, list) else ids for ids in lists]
    bounds = running_total(np.array([len(part) for part in parts], dtype=np.int64))
    return np.concatenate([*parts, np.empty(0, np.int64)], dtype=np.int64), bounds


def in_parts(texts: Sequence[str], lay_out: Callable[[slice], Encoded]) -> Encoded:
    """Lay out encoded texts some at a time, and join what is found."""
    sizes = np.cumsum([len(text) for text in texts], dtype=np.int64)
    cuts = [0, *(np.flatnonzero(np.diff(sizes // AT_ONCE)) + 1).tolist(), len(texts)]
    if len(cuts) == 2:
        return lay_out(slice(0, len(texts)))
    parts = [lay_out(slice(a, b)) for a, b in pairwise(cuts)]
    return Encoded(
        ids=np.concatenate([one.ids for one in parts]),
        starts=np.concatenate([one.starts for one in parts]),
        stops=np.concatenate([one.stops for one in parts]),
        bounds=np.concatenate([[0], np.cumsum(np.concatenate([one.counts for one in parts]))]),
    )
