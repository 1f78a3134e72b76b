"""Wrong shapes of the bridge, encoders, metrics and batches are caught at every call here."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.projectors import Projector
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.temporal_cnn import TemporalCNN
from sensor2llm.tasks.metrics import score_confusion


def project(windows: int):
    projector = Projector(ProjectorConfig(), 2, 4, 8, 16, target_std=0.02)
    return projector(torch.zeros(3, 2, 4, 8), torch.ones(windows, 2, dtype=torch.bool))


def encode(*shape: int):
    return TemporalCNN(3, EncoderConfig(width=8))(torch.zeros(shape))


def score(*shape: int):
    return score_confusion(np.ones(shape), "accuracy")


def batch(windows: int):
    return FeatureBatch(torch.arange(3), torch.zeros(windows, 2, 4, 8))


CASES = {
    "bridge": (project, (3,), (2,), "'present'"),
    "encoders": (encode, (3, 3, 40), (3, 40), "'values'"),
    "metrics": (score, (3, 4), (4,), "'confusion'"),
    "batches": (batch, (3,), (2,), "'steps'"),
}


@pytest.mark.parametrize("part", CASES)
def test_a_wrong_shape_is_caught_and_the_right_one_passes(part):
    call, right, wrong, argument = CASES[part]
    call(*right)
    with pytest.raises(TypeCheckError, match=argument):
        call(*wrong)


def test_a_user_process_checks_nothing(unchecked):
    assert len(batch(2)) == 3
