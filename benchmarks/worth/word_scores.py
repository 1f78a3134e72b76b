"""Score windows by words that an adapter was not trained with.

    scored = score_words(model, words.sets[0], test_rows, train_rows)
    scored.predict("training windows")

What a word scores without any signal says how likely its letters are. It is taken off in one of
the ways of `PRIORS`; none of them needs a label.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from benchmarks.worth.training import chunks, spread
from sensor2llm.batches import FeatureBatch
from sensor2llm.model import SensorLanguageModel
from sensor2llm.recipes.features import FeatureStore

PRIOR_WINDOWS = 256
Scores = Float[np.ndarray, "window word"]

PRIORS: dict[str, Callable[["Scored"], Float[np.ndarray, " word"]]] = {
    "training windows": lambda scored: scored.train.mean(0),
    "mean probability": lambda scored: (
        logsumexp(log_softmax(scored.train, axis=1), axis=0) - np.log(len(scored.train))
    ),
    "silence": lambda scored: scored.silent,
    "none": lambda scored: np.zeros(scored.test.shape[1]),
}
"""What is taken off each word's log-likelihood: its mean over training windows; the logarithm of
its mean probability there [Batch calibration, arXiv:2309.17249]; what it scores where the encoder's
features are zero [Contextual calibration, arXiv:2102.09690]; nothing."""
HEADLINE = "training windows"
"""Named before anything was measured; it is what `train_adapter` does for the objective labels."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Hold log-likelihoods of words, in nats, end of turn included.

    Args:
        test: of the judged windows.
        train: of some training windows, whose labels are not looked at.
        silent: of features that are zero.
    """

    test: Scores
    train: Scores
    silent: Float[np.ndarray, " word"]

    def words(self, chosen: Sequence[int]) -> "Scored":
        """Give some of the words, in this order."""
        columns = list(chosen)
        return Scored(self.test[:, columns], self.train[:, columns], self.silent[columns])

    def predict(self, prior: str = HEADLINE) -> Int[np.ndarray, " window"]:
        """Give each judged window's likeliest word."""
        return (self.test - PRIORS[prior](self)).argmax(1)


def with_words(model: SensorLanguageModel, words: Sequence[str]) -> SensorLanguageModel:
    """Give the same adapter with other labels; weights are shared, the label prior is zero."""
    adapter = copy.copy(model.adapter)
    adapter.label_names = adapter.label_texts = tuple(words)
    adapter.label_prior = (0.0,) * len(words)
    return SensorLanguageModel(adapter, model.llm, check=False, given=model.prompting.given).eval()


def score_words(
    model: SensorLanguageModel, words: Sequence[str], test: FeatureStore, train: FeatureStore
) -> Scored:
    """Score windows by these words, all in one forward a batch.

    Args:
        model: a trained adapter.
        words: to choose from; where the prompt lists labels, it lists these.
        test: features of the judged windows.
        train: features of training windows, of which `PRIOR_WINDOWS` are taken.
    """
    asked = with_words(model, words)
    known = spread(np.arange(len(train)), PRIOR_WINDOWS)
    parts = [known[i] for i in chunks(len(known))]
    one = test.batch(np.arange(1))
    assert one.steps is not None
    silent = replace(one, steps=torch.zeros_like(one.steps))
    return Scored(
        _likelihoods(asked, (test.batch(i) for i in chunks(len(test)))),
        _likelihoods(asked, (train.batch(i) for i in parts)),
        _likelihoods(asked, [silent])[0],
    )


@torch.no_grad()
def _likelihoods(model: SensorLanguageModel, batches: Iterable[FeatureBatch]) -> NDArray:
    found = [model.log_likelihoods(batch.to(model.llm.device)).double().cpu() for batch in batches]
    return torch.cat(found).numpy()
