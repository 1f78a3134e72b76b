"""Find the numbers in a text, many at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sensor2llm.errors import DataError

MINUS = "−"
DIGIT, SIGN, POINT, LETTER, SPACE, ASCII_SIGN = (1 << i for i in range(6))
_TABLE = np.zeros(256, dtype=np.uint8)
for _characters, _kind in (
    ("0123456789", DIGIT), ("+-", SIGN | ASCII_SIGN), (".", POINT), ("eE", LETTER), (" ", SPACE),
):  # fmt: skip
    _TABLE[[ord(character) for character in _characters]] = _kind
FEW = 1 / 8
"""Marks a number, below which each mark's number is searched for."""
_NUMBER = re.compile(
    rf"(?:(?<![\d.])[+\-{MINUS}])?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+\-]?\d+)?", re.ASCII
)


@dataclass(frozen=True, eq=False)
class Cells:
    """Hold where each number of a text stands, and its form.

    `point` and `exponent` count from the number's first character; -1: there is none.
    """

    starts: Int[np.ndarray, " cell"]
    stops: Int[np.ndarray, " cell"]
    sign: Bool[np.ndarray, " cell"]
    point: Int[np.ndarray, " cell"]
    exponent: Int[np.ndarray, " cell"]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Int[np.ndarray, " cell"]:
        """Give the number of characters of each."""
        return np.asarray(self.stops - self.starts)


def code_points(text: str) -> Int[np.ndarray, " character"]:
    """Give a text's characters as numbers; raises DataError for half a surrogate pair."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    try:
        return np.frombuffer(text.encode("utf-32-le"), np.uint32)
    except UnicodeEncodeError as error:
        raise DataError(
            f"the text holds {text[error.start]!r}, which is no character of Unicode; read it "
            "with its right encoding"
        ) from None


def find_cells(text: str, spaced: bool = False, letters: bool = False) -> Cells:
    """Find the numbers of a text.

    Args:
        text: Any text.
        spaced: Whether a number's digits stand apart (`7 0 9`).
        letters: Whether capital letters are digits too (bins in a base above ten).
    """
    codes = code_points(text)
    kinds = _kinds(codes)
    if letters:
        is_capital = (codes >= ord("A")) & (codes <= ord("Z"))
        return _cells(kinds, *_runs(is_capital | ((kinds & DIGIT) != 0)), letters=True)
    if spaced:
        return _cells(kinds, *_spaced_runs(kinds))
    runs = _runs((kinds & (DIGIT | SIGN | POINT | LETTER)) != 0)
    return _cells(kinds, *_numbers(text, kinds, *runs))


def _kinds(codes: np.ndarray) -> np.ndarray:
    """Give each character's kinds as bits."""
    if codes.dtype == np.uint8:
        return np.frombuffer(codes.tobytes().translate(_TABLE.tobytes()), np.uint8)
    kinds = np.where(codes < 256, _TABLE[np.minimum(codes, 255)], 0).astype(np.uint8)
    kinds[codes == ord(MINUS)] = SIGN
    return kinds


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the starts and stops of the runs of true."""
    padded = np.zeros(len(mask) + 2, dtype=bool)
    padded[1:-1] = mask
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return edges[::2], edges[1::2]


def _spaced_runs(kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts, stops = _runs((kinds & (DIGIT | SIGN | SPACE)) != 0)
    counts = _count((kinds & DIGIT) != 0, starts, stops)
    starts, stops = starts[counts > 0].copy(), stops[counts > 0].copy()
    while (padded := kinds[starts] == SPACE).any():
        starts += padded
    while (padded := kinds[stops - 1] == SPACE).any():
        stops -= padded
    return starts, stops


def _count(mask: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Give how many are true in each run."""
    places = np.flatnonzero(mask)
    if not places.size or _is_one_each(places, starts, stops):
        return np.full(starts.shape, min(places.size, 1), dtype=np.int64)
    if places.size < FEW * starts.size:
        return np.bincount(_inside(places, starts, stops)[1], minlength=len(starts))
    before = _before(mask)
    return np.asarray(before[stops] - before[starts])


def _inside(
    places: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keep the places that lie in a run; give them and their runs' numbers."""
    run = np.searchsorted(starts, places, side="right") - 1
    inside = (run >= 0) & (places < stops[run])
    return places[inside], run[inside]


def _is_one_each(places: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> bool:
    """Say whether each run holds one of the places, and there are no more (the usual case)."""
    if places.size != starts.size:
        return False
    return bool((places >= starts).all() and (places < stops).all())


def _before(mask: np.ndarray) -> np.ndarray:
    """Give how many are true before each place."""
    counts = np.zeros(len(mask) + 1, dtype=np.int32)
    np.cumsum(mask, out=counts[1:])
    return counts


def _numbers(
    text: str, kinds: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keep the runs that are numbers; what looks unusual is read by a regular expression."""
    digit = (kinds & DIGIT) != 0
    begins, ends = digit[starts], digit[stops - 1]
    numeric = begins | ends
    if not numeric.all():
        numeric[~numeric] = _count(digit, starts[~numeric], stops[~numeric]) > 0
        starts, stops, begins, ends = (a[numeric] for a in (starts, stops, begins, ends))
    point, letters, inner = ((kinds & kind) != 0 for kind in (POINT, LETTER, SIGN))
    some_letter = letters.any()
    if some_letter:
        # The sign of an exponent belongs to it.
        inner[1:] &= ~(letters[:-1] & ((kinds[1:] & ASCII_SIGN) != 0))
    points, leads = _count(point, starts, stops), inner[starts]
    plain = (points <= 1) & ends
    if np.count_nonzero(inner) != np.count_nonzero(leads):
        plain &= _count(inner, starts, stops) == leads
    plain &= begins | (leads & digit[np.minimum(starts + 1, kinds.size - 1)])
    if some_letter:
        exponents = _count(letters, starts, stops)
        before = np.concatenate([[False], digit[:-1]])
        plain &= (exponents <= 1) & (_count(letters & ~before, starts, stops) == 0)
        both = (points > 0) & (exponents > 0)
        plain &= ~_point_in_exponent(point, letters, starts, stops, both)
    if plain.all():
        return starts, stops
    return _with_unusual(text, starts, stops, plain)


def _with_unusual(
    text: str, starts: np.ndarray, stops: np.ndarray, plain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    spans = [
        (start + match.start(), start + match.end())
        for start, stop in zip(starts[~plain].tolist(), stops[~plain].tolist(), strict=True)
        for match in _NUMBER.finditer(text[start:stop])
    ]
    more = np.array(spans, dtype=starts.dtype).reshape(-1, 2)
    starts = np.concatenate([starts[plain], more[:, 0]])
    stops = np.concatenate([stops[plain], more[:, 1]])
    order = np.argsort(starts, kind="stable")
    return starts[order], stops[order]


def _point_in_exponent(
    point: np.ndarray, letters: np.ndarray, starts: np.ndarray, stops: np.ndarray, both: np.ndarray
) -> np.ndarray:
    wrong = np.zeros_like(both)
    first = (_first(mask, starts[both], stops[both]) for mask in (point, letters))
    wrong[both] = np.greater(*first)
    return wrong


def _first(mask: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Give where the first true of each run stands, counted from its start; -1: nowhere."""
    places = np.flatnonzero(mask)
    if not places.size:
        return np.full(starts.shape, -1, dtype=np.int64)
    if _is_one_each(places, starts, stops):
        return np.asarray(places - starts)
    if places.size < FEW * starts.size:
        firsts = np.full(starts.shape, -1, dtype=np.int64)
        places, run = _inside(places[::-1], starts, stops)
        firsts[run] = places - starts[run]
        return firsts
    few = starts.size < FEW * places.size
    number = np.searchsorted(places, starts) if few else _before(mask)[starts]
    nearest = places[np.minimum(number, places.size - 1)]
    return np.where((nearest >= starts) & (nearest < stops), nearest - starts, -1)


def _cells(
    kinds: np.ndarray, starts: np.ndarray, stops: np.ndarray, letters: bool = False
) -> Cells:
    none = np.full(starts.shape, -1, dtype=np.int64)
    if letters or not starts.size:
        return Cells(starts, stops, np.zeros(starts.shape, dtype=bool), none, none)
    return Cells(
        starts=starts,
        stops=stops,
        sign=(kinds[starts] & SIGN) != 0,
        point=_first((kinds & POINT) != 0, starts, stops),
        exponent=_first((kinds & LETTER) != 0, starts, stops),
    )


def cell_texts(text: str, cells: Cells) -> list[str]:
    """Give the numbers as they stand in the text."""
    pairs = zip(cells.starts.tolist(), cells.stops.tolist(), strict=True)
    return [text[start:stop] for start, stop in pairs]


def values_of(cells: Sequence[str]) -> Float[np.ndarray, " cell"]:
    """Read numbers as they were found; too large a one is infinite."""
    plain = "\n".join(cells).replace(MINUS, "-").replace(" ", "").split("\n") if cells else []
    try:
        return np.array(list(map(float, plain)), dtype=np.float64)
    except ValueError:
        return np.array(list(map(value_of, cells)), dtype=np.float64)


def value_of(cell: str) -> float:
    """Read a number as it was found; too large a one is infinite."""
    plain = cell.replace(MINUS, "-").replace(" ", "")
    try:
        return float(plain)
    except ValueError:
        return float(int(plain, 36))
