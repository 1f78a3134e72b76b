"""Lay tokens over the text that they were made from.

A tokenizer may put a space in front, take white space away or write small letters before it
splits. What its tokens spell is compared with each such form of the text; a form that fits says
exactly which characters each token stands for. Where none fits, the library's own offsets are
asked for, which is slow.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from tokenization_study.tokenizers.encoded import (
    Encoded,
    Ids,
    Pieces,
    Spans,
    char_spans,
    flatten,
    running_total,
    utf8,
)

Fallback = Callable[[int], Spans]
_WHITE = b" \t\n\r\x0b\x0c"
_BLANK = bytes.maketrans(_WHITE, b" " * len(_WHITE))
_IS_WHITE = np.isin(np.arange(256, dtype=np.uint8), np.frombuffer(_WHITE, np.uint8))


def align(
    texts: Sequence[str], lists: Sequence[Ids], pieces: Pieces, fallback: Fallback
) -> Encoded:
    """Give the tokens of texts with their characters.

    `pieces` have a space where the tokenizer writes one as a mark; `fallback` gives the spans of a
    text, by its number, that no form fits.
    """
    ids, bounds = flatten(lists)
    lengths = pieces.lengths(ids)
    data = [utf8(text) for text in texts]
    total = running_total(lengths)
    ends, sizes = total[1:], total[bounds]
    whole = pieces.spelt(ids, lengths, total[:-1]).tobytes()
    places = _all_places(data, whole, sizes)
    # Most texts are spelt as they are, or behind one space: these are laid out all at once.
    shifts = np.array([p if isinstance(p, int) else 0 for p in places], dtype=np.int64)
    stops = ends - np.repeat(sizes[:-1] + shifts, np.diff(bounds))
    starts, stops = np.maximum(stops - lengths, 0), np.maximum(stops, 0)
    for i, place in enumerate(places):
        if isinstance(place, int) and data[i].isascii():
            continue
        part = slice(int(bounds[i]), int(bounds[i + 1]))
        if place is None:
            starts[part], stops[part] = fallback(i)
        elif not isinstance(place, int):
            starts[part], stops[part] = _spans(place, lengths[part], data[i])
        else:
            starts[part], stops[part] = char_spans(data[i], starts[part], stops[part])
    return Encoded(ids=ids, starts=starts, stops=stops, bounds=bounds)


def _spans(place: np.ndarray, lengths: np.ndarray, data: bytes) -> Spans:
    """Give the bytes of the text that tokens cover; `place` is where each spelt byte stands."""
    place, ends = np.append(place, len(data)), np.cumsum(lengths)
    # A spelt byte that is not in the text (a space put in front) has the place -1.
    first = np.maximum(place[np.minimum(ends - lengths, place.size - 1)], 0)
    return first, np.where(lengths > 0, place[np.maximum(ends - 1, 0)] + 1, first)


def _all_places(
    data: Sequence[bytes], whole: bytes, sizes: np.ndarray
) -> Sequence[np.ndarray | int | None]:
    """Give the places of each text (see `_places`); `sizes` are where its spelt bytes begin."""
    behind_space = np.array([len(part) + 1 for part in data], dtype=np.int64)
    if np.array_equal(np.diff(sizes), behind_space) and whole == b" " + b" ".join(data):
        return [1] * len(data)
    pairs = zip(data, pairwise(sizes.tolist()), strict=True)
    return [_places(part, whole[start:stop]) for part, (start, stop) in pairs]


def _places(data: bytes, spelt: bytes) -> np.ndarray | int | None:
    """Say where each spelt byte stands in the text: a shift, or a place each; None: no form."""
    if spelt == data:
        return 0
    if spelt == b" " + data or spelt == b" " + data.translate(_BLANK).rstrip(b" "):
        return 1
    for form, place in _forms(data):
        if form == spelt:
            return place
    return None


def _forms(data: bytes) -> Iterator[tuple[bytes, np.ndarray]]:
    if not data.isascii():
        return
    codes = np.frombuffer(data, np.uint8)
    white = _IS_WHITE[codes]
    places = np.flatnonzero(~white)
    for letters in (data, data.lower()):
        yield b"".join(letters.split()), places
        collapsed = b" ".join(letters.split())
        first_white = np.flatnonzero(white & ~np.append(False, white[:-1]))
        ends = (places[0], places[-1]) if places.size else (0, 0)
        inside = first_white[(first_white > ends[0]) & (first_white < ends[1])]
        place = np.sort(np.concatenate([places, inside]))
        yield collapsed, place
        yield b" " + collapsed, np.concatenate([[-1], place])
    yield data.lower(), np.arange(len(data))
