"""Score windows by words that an adapter was not trained with.

    score_words(model, words.sets[0], test_rows, train_rows).predict("training windows")

What a word scores whatever the signal says how likely its letters are. It is taken off in one of
the ways of `PRIORS`; none of them needs a label.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from research.llm_ablation.training import chunks, spread
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.features import FeatureStore

PRIOR_WINDOWS, BATCH = 96, 16
"""Training windows whose mean is taken off; windows scored at once, each by tens of words."""
Scores = Float[np.ndarray, "window word"]

PRIORS: dict[str, Callable[["Scored"], Float[np.ndarray, " word"]]] = {
    "training windows": lambda scored: scored.train.mean(0),
    "mean probability": lambda scored: (
        logsumexp(log_softmax(scored.train, axis=1), axis=0) - np.log(len(scored.train))
    ),
    "none": lambda scored: np.zeros(scored.judged.shape[1]),
}
"""What is taken off each word's log-likelihood: its mean over training windows; the logarithm of
its mean probability there [Batch calibration, arXiv:2309.17249]; nothing."""
HEADLINE = "mean probability"
"""Chosen on validation people and words."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Hold log-likelihoods of words, in nats, end of turn included.

    Args:
        judged: of the judged windows.
        train: of some training windows, whose labels are not looked at.
    """

    judged: Scores
    train: Scores

    def words(self, chosen: Sequence[int]) -> "Scored":
        """Give some of the words, in this order."""
        columns = list(chosen)
        return Scored(self.judged[:, columns], self.train[:, columns])

    def predict(self, prior: str = HEADLINE) -> Int[np.ndarray, " window"]:
        """Give each judged window's likeliest word."""
        return (self.judged - PRIORS[prior](self)).argmax(1)


def with_words(model: SensorLanguageModel, words: Sequence[str]) -> SensorLanguageModel:
    """Give the same adapter with other labels; weights are shared, the label prior is zero."""
    adapter = copy.copy(model.adapter)
    adapter.label_names = adapter.label_texts = tuple(words)
    adapter.label_prior = (0.0,) * len(words)
    return SensorLanguageModel(adapter, model.llm, check=False)


def score_words(
    model: SensorLanguageModel, words: Sequence[str], judged: FeatureStore, train: FeatureStore
) -> Scored:
    """Score windows by these words, all in one forward a batch.

    Args:
        model: a trained adapter.
        words: to choose from.
        judged: features of the judged windows.
        train: features of training windows, of which `PRIOR_WINDOWS` are taken.
    """
    spoken = with_words(model, words).eval()
    few = spread(np.arange(len(train)), PRIOR_WINDOWS)
    return Scored(
        _likelihoods(spoken, (judged.batch(i) for i in chunks(len(judged), BATCH))),
        _likelihoods(spoken, (train.batch(few[i]) for i in chunks(len(few), BATCH))),
    )


@torch.no_grad()
def _likelihoods(
    model: SensorLanguageModel, batches: Iterable[FeatureBatch]
) -> NDArray[np.float64]:
    found = [model.log_likelihoods(batch.to(model.llm.device)).double().cpu() for batch in batches]
    return torch.cat(found).numpy()
