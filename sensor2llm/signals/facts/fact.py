"""What a fact is, and how its numbers and words are written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sensor2llm.signals.spec import Modality, canonical_unit

Values = Float[np.ndarray, "channel step"]
FactValue = float | str | tuple[float, ...] | tuple[str, ...] | None

NEAR = 1.1
"""How many times larger or smaller a number may be for a word that is near."""


@dataclass(frozen=True)
class Fact:
    """One thing that is true of a window.

    `value` is a number, a word, one number a channel, or None where the thing is not there (no
    regular steps); `modality` is empty for facts about the window as a whole. `number` is what the
    word of an intensity was read from (mean amplitude deviation in g), and of a dominant frequency
    the share of power that its peak holds; `near` holds the other words that fit within `NEAR`;
    `channels` the name and the unit of each value of a row.
    """

    name: str
    modality: str
    value: FactValue
    unit: str
    text: str
    number: float | None = None
    near: tuple[str, ...] = ()
    channels: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """The fact's key among the facts of a window."""
        return f"{self.modality}.{self.name}" if self.modality else self.name


FactExtractor = Callable[[Modality, Values], Iterator[Fact]]
"""Gives facts of a modality from its values, which are float64 in its own units, without NaN."""


def shared_unit(modality: Modality) -> str:
    """Give the unit all channels share, or an empty text."""
    units = {canonical_unit(unit) for unit in modality.units}
    return units.pop() if len(units) == 1 else ""


def written(value: float) -> str:
    """Write three significant digits without exponent."""
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def near_words(word_of: Callable[[float], str], number: float) -> tuple[str, ...]:
    """Give the other words of a number that is up to 10 % larger or smaller."""
    words = dict.fromkeys((word_of(number / NEAR), word_of(number * NEAR)))
    return tuple(word for word in words if word != word_of(number))
