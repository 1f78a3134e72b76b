"""Train a bridge with labels that are called by other words at every step.

sets = draw_sets(words, 16, shuffled=False, seed=0)
train(DrawnWords(model, sets, objective="labels"), [Source.of_labels(rows)], loop, run, {})
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from research.llm_ablation.label_words import LabelWords
from research.llm_ablation.word_scores import with_words
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.model.loss import Objective
from sensor2llm.model.model import Batch, SensorLanguageModel
from sensor2llm.training.loop import StepLoss


@dataclass(frozen=True)
class WordSet:
    """Hold one word a label, in the order in which a prompt may list them.

    Args:
        words: to choose from.
        places: where each label's word stands among them.
    """

    words: tuple[str, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, words: Sequence[str]) -> "WordSet":
        """Keep words in the order of the labels."""
        return cls(tuple(words), tuple(range(len(words))))


def draw_sets(words: LabelWords, count: int, *, shuffled: bool, seed: int) -> tuple[WordSet, ...]:
    """Draw sets of training words; the first one has the labels' own names.

    Args:
        words: of the labels.
        count: how many sets.
        shuffled: in any order, as where the prompt lists them.
        seed: of the words and their order.
    """
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        drawn = [known[int(generator.integers(len(known)))] for known in words.train]
        chosen = drawn if number else list(words.names)
        order = generator.permutation(len(chosen)) if shuffled else np.arange(len(chosen))
        places = tuple(np.argsort(order).tolist())
        found.append(WordSet(tuple(chosen[i] for i in order.tolist()), places))
    return tuple(found)


class DrawnWords(nn.Module):
    """Give the loss of a batch whose labels are called by one of several sets of words.

    Args:
        model: whose adapter is trained; it keeps its own labels.
        sets: of words; each step draws one.
        objective: of each step, as in `SensorLanguageModel`.
    """

    def __init__(
        self, model: SensorLanguageModel, sets: Sequence[WordSet], *, objective: Objective
    ) -> None:
        super().__init__()
        self.model, self.sets = model, tuple(sets)
        # A tuple, so that the weights they share are no parameters twice.
        self.asked = tuple(with_words(model, chosen.words, objective) for chosen in self.sets)

    @property
    def llm(self) -> object:
        """Give the language model."""
        return self.model.llm

    def forward(self, batch: FeatureBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss summed over the batch, by a set of words that the generator draws."""
        number = int(torch.randint(len(self.sets), (), generator=generator))
        asked = self.asked[number].train(self.training)
        places = torch.tensor(self.sets[number].places, device=batch.labels.device)
        return asked(replace(batch, labels=places[batch.labels]), generator)

    def measure_prior(self, batches: Iterable[Batch]) -> None:
        """Set every set's label prior, before training; see `SensorLanguageModel`."""
        known = list(batches)
        for asked in self.asked:
            asked.measure_prior(known)
