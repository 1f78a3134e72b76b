"""Texts of small integers, each made once: numbers in fixed steps repeat all the time."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

LIMIT = 1 << 13
"""Integers from here on are written anew each time."""


class IntegerTexts:
    """Write integers by a function of one, and remember the small ones' texts.

    >>> IntegerTexts(str).write(np.array([-1, 12, -1]))
    ['-1', '12', '-1']
    """

    def __init__(self, text: Callable[[int], str]) -> None:
        self._text = text
        self._texts: NDArray[Any] = np.empty(2 * LIMIT, dtype=object)
        self._is_written = np.zeros(2 * LIMIT, dtype=bool)

    def write(self, numbers: Int[np.ndarray, " step"]) -> list[str]:
        """Give one text an integer."""
        if numbers.size and not -LIMIT <= numbers.min() <= numbers.max() < LIMIT:
            return list(map(self._text, numbers.tolist()))
        places = numbers + LIMIT
        for place in np.unique(places[~self._is_written[places]]).tolist():
            self._texts[place], self._is_written[place] = self._text(place - LIMIT), True
        return self._texts[places].tolist()
