"""Train a bridge with labels that are called by another word in every row.

train(DrawnWords(model, words.train), [BatchSource.of_labels(rows)], loop, run, {})
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from research.llm_ablation.word_scores import with_words
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.training.task import StepLoss


class DrawnWords(nn.Module):
    """Give the loss of a batch in which each row draws a word of its label as its answer.

    Args:
        model: whose adapter is trained; it keeps its own labels.
        words: of each label.
    """

    def __init__(self, model: SensorLanguageModel, words: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self.model, counts = model, [len(label) for label in words]
        # A tuple, so that the weights they share are no parameters twice.
        self.spoken = (with_words(model, [word for label in words for word in label]),)
        self.counts = torch.tensor(counts)
        self.first = self.counts.cumsum(0) - self.counts

    @property
    def llm(self) -> object:
        """Give the language model."""
        return self.model.llm

    def forward(self, batch: FeatureBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss summed over the batch, by words that the generator draws."""
        labels = batch.labels.cpu()
        places = (torch.rand(len(labels), generator=generator) * self.counts[labels]).long()
        drawn = (self.first[labels] + places).to(batch.labels.device)
        step: StepLoss = self.spoken[0].train(self.training)(replace(batch, labels=drawn))
        return step
