import numpy as np
import pytest
import torch

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.modality_encoders import MODALITY_ENCODERS
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.crossl import CroSSL
from sensor2llm.pretraining.objective_config import CroSSLConfig
from tests.pretraining.mixed import (
    PRESENT,
    SMALL,
    SPEC,
    build_encoder,
    everything,
    generator,
    make_batch,
)
from tests.pretraining.test_vicreg import restated as restated_vicreg


def build(config: EncoderConfig = SMALL, **options) -> CroSSL:
    return CroSSL(build_encoder(config), CroSSLConfig(**options))


def watch(objective: CroSSL) -> list[torch.Tensor]:
    """Keep what the aggregator is given: each view's masked, pooled embeddings."""
    seen = []
    objective.encoder.aggregator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    return seen


def masks_by_hand(mask: str, steps: list[int]) -> tuple:
    """Draw two views' masks with NumPy; temporal ones are a list of (batch, step, 1)."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.random((6, *shape)) > 0.4)

    if mask == "temporal":
        return tuple([draw(count, 1) for count in steps] for _ in range(2))
    units = 1 if mask == "spatial" else 8
    return tuple(draw(4, units) & PRESENT.unsqueeze(2) for _ in range(2))


def kept(mask: str, view, b: int, m: int, step: int, unit: int) -> bool:
    if mask == "temporal":
        return bool(view[m][b, step, 0])
    return bool(view[b, m, 0 if mask == "spatial" else unit])


@torch.no_grad()
@pytest.mark.parametrize("mask", ["spatial", "random", "temporal"])
def test_is_vicreg_between_aggregated_masked_embeddings(mask, monkeypatch):
    """Masks are given; every unit's masked mean over its steps is taken one by one."""
    weights = {"similarity": 3.0, "std": 2.0, "covariance": 5.0}
    objective = build(mask=mask, masking_ratio=0.4, mask_span=3, distinct_views=False, **weights)
    batch, asked = make_batch(), []
    steps = {k: v.double().numpy() for k, v in objective.encoder(batch).steps.items()}
    counts = [values.shape[1] for values in steps.values()]
    views = masks_by_hand(mask, counts)

    def draw(*given, **options):
        asked.append((given, options))
        return views

    drawn_by = "temporal_mask" if mask == "temporal" else "two_views"
    monkeypatch.setattr(f"sensor2llm.pretraining.crossl.{drawn_by}", draw)
    source = generator()
    found = objective(batch, source)
    joint = []
    for view in views:
        pooled = np.zeros((6, 4, 8))
        for b, m, unit in np.ndindex(6, 4, 8):
            values = steps[SPEC.names[m]][b]
            for s in range(counts[m]):
                pooled[b, m, unit] += values[s, unit] * kept(mask, view, b, m, s, unit)
            pooled[b, m, unit] /= counts[m]
        joint.append(objective.encoder.aggregator(torch.from_numpy(pooled).float()).numpy())
    expected = restated_vicreg(*joint, 3.0, 2.0, 5.0)
    assert found.total.item() == pytest.approx(6 * expected, rel=1e-4)
    assert found.weight == 6
    assert set(found.metrics) == {"invariance", "variance", "covariance"}
    (((available, *shape, given), options),) = asked
    units = {"spatial": (6, 4, 1), "random": (6, 4, 8), "temporal": (6, 4)}[mask]
    assert available.shape == units
    assert torch.equal(available.view(6, 4, -1)[..., 0], PRESENT)
    assert given is source
    assert shape == ([counts, 0.4, 3] if mask == "temporal" else [0.4])
    assert options == {"distinct": False}


def test_modalities_have_different_numbers_of_steps():
    counts = [values.shape[1] for values in build_encoder()(make_batch()).steps.values()]
    assert len(set(counts)) == len(counts)


def ones(rows: int, counts: tuple[int, ...] = (10, 7, 2, 1)) -> dict[str, torch.Tensor]:
    return {name: torch.ones(rows, c, 8) for name, c in zip(SPEC.names, counts, strict=True)}


@pytest.mark.parametrize("mask", ["spatial", "random"])
def test_masked_units_are_zero_without_rescaling(mask):
    objective = build(mask=mask, masking_ratio=0.5)
    seen = watch(objective)
    objective.views(ones(50), everything(50), generator())
    assert len(seen) == 2
    for view in seen:
        assert set(view.unique().tolist()) == {0.0, 1.0}
        assert mask == "random" or (view == view[..., :1]).all()


def test_temporal_masks_hide_spans_of_steps_before_pooling_without_rescaling():
    objective = build(mask="temporal", masking_ratio=0.5, mask_span=4)
    seen = watch(objective)
    objective.views(ones(200), everything(200), generator())
    # What is left of a mean over all steps when spans of 4 are hidden: 10 = 4 + 4 + 2 and so on.
    left = ({0, 2, 4, 6, 8, 10}, {0, 3, 4, 7}, {0, 2}, {0, 1})
    for view in seen:
        assert (view == view[..., :1]).all()
        for m, (count, sums) in enumerate(zip((10, 7, 2, 1), left, strict=True)):
            assert set((view[:, m, 0] * count).round().int().tolist()) == sums
    assert (seen[0] != seen[1]).flatten(1).any(1).all()


@pytest.mark.parametrize("mask", ["spatial", "random", "temporal"])
def test_absent_modalities_stay_zeros_and_no_view_is_empty(mask):
    objective = build(mask=mask, masking_ratio=0.8)
    seen = watch(objective)
    objective(make_batch(PRESENT.repeat(20, 1)), generator())
    for view in seen:
        assert not view[~PRESENT.repeat(20, 1)].any()
        assert view.flatten(1).any(1).all()


@pytest.mark.parametrize("mask", ["spatial", "random", "temporal"])
def test_every_part_of_the_encoder_learns(mask):
    objective = build(mask=mask)
    loss = objective(make_batch(), generator()).total
    loss.backward()
    assert torch.isfinite(loss)
    for name, parameter in objective.named_parameters():
        assert parameter.grad.any(), name


@pytest.mark.parametrize("kind", MODALITY_ENCODERS)
def test_dropout_stays_off_in_training(kind):
    config = EncoderConfig(
        kind=kind, width=8, kernels=(5, 3, 3), dropout=0.5, token_width=8, patches=5, layers=1
    )
    objective = build(config).train()
    assert objective.training
    losses = [objective(make_batch(), generator()).total.item() for _ in range(2)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"mask": "time"}, "unknown mask 'time'; choose from spatial, random, temporal"),
        ({"masking_ratio": 1.0}, "masking_ratio must be at least 0 and below 1, got 1.0"),
        ({"masking_ratio": 0.0}, "distinct_views must be false"),
        ({"mask_span": 0}, "mask_span must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(option, message):
    with pytest.raises(ConfigError, match=message):
        CroSSLConfig(**option)
