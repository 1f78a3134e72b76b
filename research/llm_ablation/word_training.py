"""Train a bridge so that every word for a label is likeliest where that label is heard.

    train(model, sources, loop, run, {}, NamedSignals(model))           tokens stand for names
    train(model, sources, loop, run, {}, MatchedWords(model, words))    words find their windows

The first asks nothing of the language model but its word vectors. In the second, a word's
likelihood is compared over windows and not over words: how likely its letters are plays no part.
Random weights can be fitted to both.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from research.llm_ablation.word_scores import with_words
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.training.task import StepLoss

WORDS = 8
"""Drawn of each label at a step."""


class NamedSignals(nn.Module):
    """Give the squared distance of signal tokens from their label's name, in the LLM's own scale.

    Args:
        model: whose bridge is trained. A shorter name than there are signal tokens is repeated, a
            longer one is cut.
    """

    names: Float[Tensor, "label signal width"]

    def __init__(self, model: SensorLanguageModel) -> None:
        super().__init__()
        self.model, llm = model, model.llm
        count = model.adapter.signal_tokens
        ids = [(llm.encode(f" {name}") * count)[:count] for name in model.adapter.label_names]
        names = llm.embed(torch.tensor(ids, device=llm.device)).float().detach()
        self.register_buffer("names", names, persistent=False)

    def forward(self, batch: FeatureBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the distance summed over the batch."""
        vectors = self.model.adapter.signal_vectors(batch)
        assert vectors is not None
        away = (vectors.float() - self.names[batch.labels]) / self.model.llm.embedding_std
        return StepLoss(away.square().mean((1, 2)).sum(), float(len(batch)))


class MatchedWords(nn.Module):
    """Give the loss of drawn words that each have to find a window of their label in the batch.

    Args:
        model: whose adapter is trained; it keeps its own labels.
        words: of each label.
    """

    def __init__(self, model: SensorLanguageModel, words: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self.model, self.words = model, words

    def forward(self, batch: FeatureBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss, weighted as the batch's windows, by words that the generator draws."""
        drawn = [(word, label) for label in batch.labels.unique().tolist()
                 for word in self._draw(label, generator)]  # fmt: skip
        scores = with_words(self.model, [word for word, _ in drawn]).log_likelihoods(batch)
        labels = torch.tensor([label for _, label in drawn], device=scores.device)
        right = batch.labels[:, None] == labels
        matched = scores.float().log_softmax(0).masked_fill(~right, -torch.inf).logsumexp(0)
        return StepLoss(-matched.mean() * len(batch), float(len(batch)))

    def _draw(self, label: int, generator: torch.Generator | None) -> list[str]:
        words = self.words[label]
        order = torch.randperm(len(words), generator=generator)[:WORDS]
        return [words[place] for place in order.tolist()]
