"""Training items whose answer is one of several words for their label, drawn anew each time."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.worth.label_words import LabelWords
from sensor2llm.batches import CLASSIFICATION, Request
from sensor2llm.recipes.sources import Source


@dataclass(frozen=True, eq=False, kw_only=True)
class WordSource(Source):
    """Ask each window for its label, and have it answered by one of the label's training words.

    Args:
        words: of each label.
        listed: the prompt names one word of every label, in any order, to choose from.
    """

    words: LabelWords = field(repr=False)
    listed: bool = False

    def _asked(
        self, items: NDArray[np.int64], generator: np.random.Generator | None
    ) -> tuple[Request, ...]:
        generator = generator or np.random.default_rng(0)
        return tuple(self.request(label, generator) for label in self.labels[items].tolist())

    def request(self, label: int, generator: np.random.Generator) -> Request:
        """Draw a word for every label, and have the right one's said."""
        drawn = [words[int(generator.integers(len(words)))] for words in self.words.train]
        if not self.listed:
            return Request(CLASSIFICATION, answer=drawn[label])
        order = generator.permutation(len(drawn)).tolist()
        return Request(CLASSIFICATION, {"labels": [drawn[i] for i in order]}, drawn[label])
