import pytest
import torch
from torch import nn
from toy_store import SPEC, make_batch, without

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.config import CroSSLConfig
from sensor2llm.pretraining.crossl import CroSSL, build_objective
from sensor2llm.pretraining.masking import random_mask, spatial_mask
from sensor2llm.pretraining.vicreg import vicreg_loss


def build(**options) -> CroSSL:
    torch.manual_seed(0)
    return CroSSL(SignalEncoder(SPEC, EncoderConfig(width=8)), CroSSLConfig(**options))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("mask", ["spatial", "random"])
def test_is_vicreg_between_aggregated_masked_embeddings(mask):
    objective, batch = build(mask=mask, masking_ratio=0.4), make_batch(6)
    found = objective(batch, generator())
    pooled = objective.encoder(batch).pooled
    masks = (
        spatial_mask(batch.present, 0.4, generator(), distinct=True)
        if mask == "spatial"
        else random_mask(batch.present, 8, 0.4, generator(), distinct=True)
    )
    a, b = (objective.encoder.aggregator(pooled * m) for m in masks)
    expected = vicreg_loss(a, b, similarity=25, std=25, covariance=1)
    torch.testing.assert_close(found.total, 6 * expected.loss)
    assert found.weight == 6


def test_dropout_stays_off_in_training():
    objective = build()
    objective.train()
    assert objective.training
    dropouts = [m for m in objective.modules() if isinstance(m, nn.Dropout | nn.Dropout2d)]
    assert dropouts
    assert not any(m.training for m in dropouts)


def test_masked_units_are_zero_without_rescaling():
    objective = build(mask="random", masking_ratio=0.5)
    seen = []
    objective.encoder.aggregator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    pooled = torch.ones(50, 4, 8)
    objective.views(pooled, torch.ones(50, 4, dtype=torch.bool), generator())
    for view in seen:
        assert set(view.unique().tolist()) == {0.0, 1.0}


def test_every_part_of_the_encoder_learns():
    objective = build()
    objective(make_batch(8), generator()).total.backward()
    assert all(p.grad is not None for p in objective.parameters())


def test_works_with_missing_modalities():
    objective, batch = build(), without(make_batch(8), "beats")
    loss = objective(batch, generator()).total
    loss.backward()
    assert torch.isfinite(loss)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"mask": "temporal"}, "unknown mask 'temporal'; choose from spatial, random"),
        ({"masking_ratio": 1.0}, "masking_ratio must be at least 0 and below 1, got 1.0"),
        ({"masking_ratio": 0.0}, "distinct_views must be false"),
    ],
)
def test_options_out_of_range_are_refused(option, message):
    with pytest.raises(ConfigError, match=message):
        CroSSLConfig(**option)


def test_an_unknown_objective_is_refused():
    with pytest.raises(ConfigError, match="unknown objective 'clip'; choose from crossl"):
        build_objective("clip", SignalEncoder(SPEC), CroSSLConfig())
