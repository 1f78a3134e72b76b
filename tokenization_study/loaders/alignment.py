"""Lay tokens over the text that they were made from.

A tokenizer may put a space in front, take white space away or write small letters before it
splits. What its tokens spell is compared with each such form of the text; a form that fits says
exactly which characters each token stands for. Where none fits, the library's own offsets are
asked for, which is slow.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from tokenization_study.encoded import Encoded, Pieces, Spans, char_spans, flatten, utf8

Fallback = Callable[[int], Spans]
_WHITE = b" \t\n\r\x0b\x0c"
_IS_WHITE = np.isin(np.arange(256, dtype=np.uint8), np.frombuffer(_WHITE, np.uint8))


def align(
    texts: Sequence[str], lists: Sequence[Sequence[int]], pieces: Pieces, fallback: Fallback
) -> Encoded:
    """Give the tokens of texts with their characters.

    Args:
        texts: What was encoded.
        lists: The ids of each text.
        pieces: The bytes of each id, a space where the tokenizer writes one as a mark.
        fallback: The spans of a text, by its number, for texts that no form fits.
    """
    ids, bounds = flatten(lists)
    lengths = pieces.lengths(ids)
    data = [utf8(text) for text in texts]
    spelt, ends = pieces.spelt(ids), np.cumsum(lengths)
    sizes = np.concatenate([[0], ends])[bounds]
    if (spans := _collapsed_spans(data, spelt, np.diff(sizes), lengths)) is not None:
        return Encoded(ids=ids, starts=spans[0], stops=spans[1], bounds=bounds)
    # Most texts are spelt as they are, or behind one space: these are laid out all at once.
    places: list[np.ndarray | int | None] = []
    if (alike := _same_shift(data, spelt, np.diff(sizes))) is not None:
        places += [alike] * len(data)
    else:
        whole = spelt.tobytes()
        pairs = zip(data, pairwise(sizes.tolist()), strict=True)
        places += [_places(part, whole[start:stop]) for part, (start, stop) in pairs]
    shifts = np.array([p if isinstance(p, int) else 0 for p in places], dtype=np.int64)
    stops = ends - np.repeat(sizes[:-1] + shifts, np.diff(bounds))
    starts, stops = np.maximum(stops - lengths, 0), np.maximum(stops, 0)
    for i, place in enumerate(places):
        part = slice(int(bounds[i]), int(bounds[i + 1]))
        if place is None:
            starts[part], stops[part] = fallback(i)
        elif not isinstance(place, int):
            starts[part], stops[part] = _spans(place, lengths[part], data[i])
        elif not data[i].isascii():
            starts[part], stops[part] = char_spans(data[i], starts[part], stops[part])
    return Encoded(ids=ids, starts=starts, stops=stops, bounds=bounds)


def _collapsed_spans(
    data: list[bytes], spelt: np.ndarray, sizes: np.ndarray, lengths: np.ndarray
) -> Spans | None:
    """Lay out all at once texts that are spelt behind a space, each white run as one space.

    None where one of them is spelt otherwise, or begins with a space of its own.
    """
    whole = np.frombuffer(b"".join(data), np.uint8)
    kept = ~_IS_WHITE[whole]
    if not (lengths.all() and sizes.all() and len(data)) or (whole > 127).any():
        return None
    counts = np.array([len(part) for part in data], dtype=np.int64)
    begins = np.cumsum(counts) - counts
    if not counts.all() or (whole[begins] == ord(" ")).any():
        return None
    text = np.repeat(np.arange(len(data)), counts)
    before = np.concatenate([[0], np.cumsum(kept)])
    first, last = before[begins][text], before[begins + counts][text]
    follows = np.concatenate([[False], kept[:-1]])
    inside = ~kept & follows & (before[:-1] > first) & (before[:-1] < last)
    chosen = np.flatnonzero(kept | inside)
    if len(chosen) + len(data) != len(spelt):
        return None
    written = np.full(len(spelt), ord(" "), np.uint8)
    place = np.full(len(spelt), -1, dtype=np.int64)
    at = np.arange(len(chosen)) + text[chosen] + 1
    written[at] = np.where(kept[chosen], whole[chosen], ord(" "))
    place[at] = chosen - begins[text[chosen]]
    found = np.bincount(text[chosen], minlength=len(data)) + 1
    if not (np.array_equal(found, sizes) and np.array_equal(written, spelt)):
        return None
    ends = np.cumsum(lengths)
    return np.maximum(place[ends - lengths], 0), place[ends - 1] + 1


def _same_shift(data: list[bytes], spelt: np.ndarray, sizes: np.ndarray) -> int | None:
    """Say that all texts are spelt as they are (0) or all behind a space (1); None: neither."""
    longer = sizes - np.array([len(part) for part in data], dtype=np.int64)
    for shift, lead in ((0, b""), (1, b" ")):
        if (longer == shift).all():
            whole = np.frombuffer(b"".join(lead + part for part in data), np.uint8)
            return shift if np.array_equal(whole, spelt) else None
    return None


def _spans(place: np.ndarray, lengths: np.ndarray, data: bytes) -> Spans:
    """Give the bytes of the text that tokens cover; `place` is where each spelt byte stands."""
    place, ends = np.append(place, len(data)), np.cumsum(lengths)
    # A spelt byte that is not in the text (a space put in front) has the place -1.
    first = np.maximum(place[np.minimum(ends - lengths, place.size - 1)], 0)
    return first, np.where(lengths > 0, place[np.maximum(ends - 1, 0)] + 1, first)


def _places(data: bytes, spelt: bytes) -> np.ndarray | int | None:
    """Say where each spelt byte stands in the text: a shift, or a place each; None: no form."""
    if spelt == data:
        return 0
    if spelt == b" " + data:
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
    kept = np.flatnonzero(~white)
    for letters in (data, data.lower()):
        yield b"".join(letters.split()), kept
        collapsed = b" ".join(letters.split())
        first_white = np.flatnonzero(white & ~np.append(False, white[:-1]))
        inside = first_white[(first_white > kept[0]) & (first_white < kept[-1])] if kept.size else (
            first_white[:0])  # fmt: skip
        place = np.sort(np.concatenate([kept, inside]))
        yield collapsed, place
        yield b" " + collapsed, np.concatenate([[-1], place])
    yield data.lower(), np.arange(len(data))
