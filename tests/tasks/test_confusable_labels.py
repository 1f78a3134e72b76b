"""Labels that are easily taken for each other, from where their windows lie."""

import numpy as np
import pytest
import torch

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.tasks.confusable_labels import confusable_labels, pooled_features
from tests.models import small_adapter, tiny_llm

NAMES = ("up", "down", "still", "rare")
CENTRES = np.array([[0.0, 0.0], [0.0, 2.0], [9.0, 1.0]])


@pytest.fixture
def lying():
    """Give windows around three centres, two of which are near each other."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    return CENTRES[labels] + rng.normal(0, 0.5, (180, 2)), labels


def test_near_misses_are_the_labels_that_lie_nearest(lying):
    near = confusable_labels(*lying, NAMES)
    assert (near["up"], near["down"]) == (("down",), ("up",))
    assert 0 < len(near["still"]) <= 2
    assert "rare" not in near


def test_a_feature_that_spreads_in_every_label_counts_less(lying):
    features, labels = lying
    noise = np.random.default_rng(1).normal(0, 500, (len(labels), 1))
    assert confusable_labels(np.hstack([features, noise]), labels, NAMES)["up"] == ("down",)


def test_windows_without_a_label_do_not_count(lying):
    features, labels = lying
    more = np.vstack([features, [[0.0, 0.0]]]), np.append(labels, -1)
    assert confusable_labels(*more, NAMES) == confusable_labels(features, labels, NAMES)
    assert confusable_labels(features, np.zeros_like(labels), NAMES) == {}


def test_features_are_averaged_over_their_steps():
    steps = torch.arange(12.0).reshape(1, 2, 3, 2)
    labels, present = torch.zeros(1, dtype=torch.long), torch.ones(1, 2, dtype=torch.bool)
    found = pooled_features(small_adapter(tiny_llm()), FeatureBatch(labels, steps, present))
    assert found.tolist() == [[2.0, 3.0, 8.0, 9.0]]
