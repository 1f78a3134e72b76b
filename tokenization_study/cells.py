"""Find the numbers in a text, many at once."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from sensor2llm.errors import DataError

MINUS = "−"
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
    if letters:
        runs = _runs(_among(codes, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        return _cells(codes, *runs, letters=True)
    if spaced:
        return _cells(codes, *_spaced_runs(codes))
    runs = _runs(_among(codes, "0123456789+-.eE" + MINUS))
    return _cells(codes, *_numbers(text, codes, *runs))


def _among(codes: np.ndarray, characters: str) -> np.ndarray:
    table = np.zeros(256, dtype=bool)
    low = [ord(c) for c in characters if ord(c) < 256]
    table[low] = True
    if codes.dtype == np.uint8:
        return np.asarray(table[codes])
    found = (codes < 256) & table[np.minimum(codes, 255)]
    for character in characters:
        if ord(character) >= 256:
            found |= codes == ord(character)
    return np.asarray(found)


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the starts and stops of the runs of true."""
    edges = np.flatnonzero(np.diff(mask.view(np.int8), prepend=0, append=0))
    return edges[::2], edges[1::2]


def _spaced_runs(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts, stops = _runs(_among(codes, "0123456789- "))
    counts = _count(_among(codes, "0123456789"), starts, stops)
    starts, stops = starts[counts > 0].copy(), stops[counts > 0].copy()
    while (padded := codes[starts] == ord(" ")).any():
        starts += padded
    while (padded := codes[stops - 1] == ord(" ")).any():
        stops -= padded
    return starts, stops


def _count(mask: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Give how many are true in each run; quick where few are."""
    places = np.flatnonzero(mask)
    if not places.size:
        return np.zeros(starts.shape, dtype=np.int64)
    return np.asarray(np.searchsorted(places, stops) - np.searchsorted(places, starts))


def _numbers(
    text: str, codes: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keep the runs that are numbers; what looks unusual is read by a regular expression."""
    digit = _among(codes, "0123456789")
    begins, ends = digit[starts], digit[stops - 1]
    kept = begins | ends
    kept[~kept] = _count(digit, starts[~kept], stops[~kept]) > 0
    starts, stops, begins, ends = starts[kept], stops[kept], begins[kept], ends[kept]
    sign, letters = _among(codes, "+-" + MINUS), _among(codes, "eE")
    inner = sign.copy()
    # The sign of an exponent belongs to it.
    inner[1:] &= ~(letters[:-1] & _among(codes, "+-")[1:])
    points, exponents = (_count(m, starts, stops) for m in (_among(codes, "."), letters))
    plain = (points <= 1) & ends & (exponents <= 1)
    leads = inner[starts]
    plain &= _count(inner, starts, stops) == leads
    plain &= begins | (leads & digit[np.minimum(starts + 1, codes.size - 1)])
    if exponents.any():
        before = np.concatenate([[False], digit[:-1]])
        plain &= _count(letters & ~before, starts, stops) == 0
        both = (points > 0) & (exponents > 0)
        plain &= ~_point_in_exponent(codes, letters, starts, stops, both)
    if plain.all():
        return starts, stops
    return _with_unusual(text, starts, stops, plain)


def _with_unusual(
    text: str, starts: np.ndarray, stops: np.ndarray, plain: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    found = [
        (start + match.start(), start + match.end())
        for start, stop in zip(starts[~plain].tolist(), stops[~plain].tolist(), strict=True)
        for match in _NUMBER.finditer(text[start:stop])
    ]
    more = np.array(found, dtype=starts.dtype).reshape(-1, 2)
    starts = np.concatenate([starts[plain], more[:, 0]])
    stops = np.concatenate([stops[plain], more[:, 1]])
    order = np.argsort(starts, kind="stable")
    return starts[order], stops[order]


def _point_in_exponent(
    codes: np.ndarray, letters: np.ndarray, starts: np.ndarray, stops: np.ndarray, both: np.ndarray
) -> np.ndarray:
    wrong = np.zeros_like(both)
    letter = _first(letters, starts[both], stops[both])
    point = _first(codes == ord("."), starts[both], stops[both])
    wrong[both] = point > letter
    return wrong


def _first(mask: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Give where the first true of each run stands, counted from its start; -1: nowhere."""
    places = np.flatnonzero(mask)
    if not places.size:
        return np.full(starts.shape, -1, dtype=np.int64)
    found = places[np.minimum(np.searchsorted(places, starts), places.size - 1)]
    return np.where((found >= starts) & (found < stops), found - starts, -1)


def _cells(
    codes: np.ndarray, starts: np.ndarray, stops: np.ndarray, letters: bool = False
) -> Cells:
    none = np.full(starts.shape, -1, dtype=np.int64)
    if letters or not starts.size:
        return Cells(starts, stops, np.zeros(starts.shape, dtype=bool), none, none)
    return Cells(
        starts=starts,
        stops=stops,
        sign=_among(codes[starts], "+-" + MINUS),
        point=_first(codes == ord("."), starts, stops),
        exponent=_first(_among(codes, "eE"), starts, stops),
    )


def cell_texts(text: str, cells: Cells) -> list[str]:
    """Give the numbers as they stand in the text."""
    pairs = zip(cells.starts.tolist(), cells.stops.tolist(), strict=True)
    return [text[start:stop] for start, stop in pairs]


def value_of(cell: str) -> float:
    """Read a number as it was found; too large a one is infinite."""
    plain = cell.replace(MINUS, "-").replace(" ", "")
    try:
        return float(plain)
    except ValueError:
        return float(int(plain, 36))
