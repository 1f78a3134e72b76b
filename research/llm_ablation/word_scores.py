"""Score windows by words that an adapter was not trained with.

    before = score_training(model, words.sets[0], train_rows).mean(0)
    …                                                          train the model
    score_words(model, words.sets[0], test_rows, train_rows, before).predict("training windows")

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

from research.llm_ablation.training import chunks, spread
from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.model.loss import Objective
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.features import FeatureStore

PRIOR_WINDOWS = 128
Scores = Float[np.ndarray, "window word"]

PRIORS: dict[str, Callable[["Scored"], Float[np.ndarray, " word"]]] = {
    "training windows": lambda scored: scored.train.mean(0),
    "mean probability": lambda scored: (
        logsumexp(log_softmax(scored.train, axis=1), axis=0) - np.log(len(scored.train))
    ),
    "before training": lambda scored: scored.before,
    "silence": lambda scored: scored.silent,
    "none": lambda scored: np.zeros(scored.test.shape[1]),
}
"""What is taken off each word's log-likelihood: its mean over training windows; the logarithm of
its mean probability there [Batch calibration, arXiv:2309.17249]; its mean there before the bridge
was trained, which is the label prior of `train_adapter`; what it scores where the features are
zero [Contextual calibration, arXiv:2102.09690]; nothing."""
HEADLINE, OWN = "training windows", "before training"
"""For unseen words and for an adapter's own; chosen before any of these figures was seen."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Hold log-likelihoods of words, in nats, end of turn included.

    Args:
        test: of the judged windows.
        train: of some training windows, whose labels are not looked at.
        before: each word's mean over the same windows before training.
        silent: of features that are zero.
    """

    test: Scores
    train: Scores
    before: Float[np.ndarray, " word"]
    silent: Float[np.ndarray, " word"]

    def words(self, chosen: Sequence[int]) -> "Scored":
        """Give some of the words, in this order."""
        columns = list(chosen)
        return Scored(
            self.test[:, columns],
            self.train[:, columns],
            self.before[columns],
            self.silent[columns],
        )

    def predict(self, prior: str = HEADLINE) -> Int[np.ndarray, " window"]:
        """Give each judged window's likeliest word."""
        return (self.test - PRIORS[prior](self)).argmax(1)


def with_words(
    model: SensorLanguageModel, words: Sequence[str], objective: Objective = "answer"
) -> SensorLanguageModel:
    """Give the same adapter with other labels; weights are shared, the label prior is zero."""
    adapter = copy.copy(model.adapter)
    adapter.label_names = adapter.label_texts = tuple(words)
    adapter.label_prior = (0.0,) * len(words)
    values = model.prompting.template_values
    return SensorLanguageModel(
        adapter, model.llm, objective=objective, check=False, template_values=values
    )


def score_training(model: SensorLanguageModel, words: Sequence[str], train: FeatureStore) -> Scores:
    """Score some training windows, spread over people and classes, by these words."""
    known = spread(np.arange(len(train)), PRIOR_WINDOWS)
    parts = [known[i] for i in chunks(len(known))]
    return _likelihoods(with_words(model, words), (train.batch(i) for i in parts))


def score_words(
    model: SensorLanguageModel,
    words: Sequence[str],
    test: FeatureStore,
    train: FeatureStore,
    before: Float[np.ndarray, " word"],
) -> Scored:
    """Score windows by these words, all in one forward a batch.

    Args:
        model: a trained adapter.
        words: to choose from; where the prompt lists labels, it lists these.
        test: features of the judged windows.
        train: features of training windows, of which `PRIOR_WINDOWS` are taken.
        before: the mean of `score_training` before the model was trained.
    """
    asked, one = with_words(model, words), test.batch(np.arange(1))
    assert one.steps is not None
    silent = replace(one, steps=torch.zeros_like(one.steps))
    return Scored(
        _likelihoods(asked, (test.batch(i) for i in chunks(len(test)))),
        score_training(model, words, train),
        before,
        _likelihoods(asked, [silent])[0],
    )


@torch.no_grad()
def _likelihoods(
    model: SensorLanguageModel, batches: Iterable[FeatureBatch]
) -> NDArray[np.float64]:
    model.eval()
    found = [model.log_likelihoods(batch.to(model.llm.device)).double().cpu() for batch in batches]
    return torch.cat(found).numpy()
