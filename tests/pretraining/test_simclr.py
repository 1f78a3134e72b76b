"""SimCLR's loss against its equation, view by view, and how the objective uses it."""

import math

import numpy as np
import pytest
import torch

from sensor2llm.pretraining.objective_config import AugmentConfig, SimCLRConfig
from sensor2llm.pretraining.simclr import SimCLR, nt_xent
from sensor2llm.signals.transforms import Normaliser
from tests.pretraining.mixed import (
    PRESENT,
    SPEC,
    build_encoder,
    everything,
    generator,
    make_batch,
)

T = 0.2
# One window alone has the last modality.
ONE = torch.tensor([[1, 1, 1, 1]] + [[1, 1, 1, 0]] * 5, dtype=torch.bool)


def restated(a: np.ndarray, b: np.ndarray, t: float) -> float:
    """Write eq. 1 down for each of the 2B views; view k's partner is the window's other view."""
    views, rows = [*a, *b], len(a)
    likeness = [
        [float(x @ y) / math.sqrt(float(x @ x) * float(y @ y)) for y in views] for x in views
    ]
    total = 0.0
    for k in range(2 * rows):
        partner = k + rows if k < rows else k - rows
        others = sum(math.exp(likeness[k][i] / t) for i in range(2 * rows) if i != k)
        total -= math.log(math.exp(likeness[k][partner] / t) / others)
    return total / (2 * rows)


def build(normaliser: Normaliser | None = None, **options) -> SimCLR:
    config = SimCLRConfig(temperature=T, projection_width=6, **options)
    return SimCLR(build_encoder(), config, normaliser)


def watch(objective: SimCLR) -> list:
    """Keep the varied batches of a forward pass."""
    seen, vary = [], objective.augmenter

    def varied(batch, source):
        seen.append(vary(batch, source))
        return seen[-1]

    objective.augmenter = varied
    return seen


@torch.no_grad()
def restated_objective(objective: SimCLR, views: list) -> float:
    losses = []
    for i, name in enumerate(SPEC.names):
        rows = [b for b in range(len(views[0])) if all(view.present[b, i] for view in views)]
        if len(rows) < 2:
            continue
        pooled = [objective.encoder(view).steps[name].mean(1)[rows] for view in views]
        a, b = (objective.projections[i](x).double().numpy() for x in pooled)
        losses.append(restated(a, b, T))
    return len(views[0]) * sum(losses) / len(losses)


@pytest.mark.parametrize("rows", [2, 5])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_the_equation_view_by_view(rows, temperature):
    a, b = torch.randn(2, rows, 4, generator=generator(), dtype=torch.float64)
    expected = restated(a.numpy(), b.numpy(), temperature)
    assert float(nt_xent(a, b, temperature)) == pytest.approx(expected, rel=1e-5)


def test_perfect_views_cost_next_to_nothing_and_collapsed_ones_the_guess():
    perfect = torch.eye(5)
    assert float(nt_xent(perfect, 3 * perfect, 0.1)) == pytest.approx(8 * math.exp(-10), rel=1e-2)
    collapsed = torch.ones(5, 4)
    assert float(nt_xent(collapsed, collapsed, 0.1)) == pytest.approx(math.log(9), rel=1e-5)


@pytest.mark.parametrize("present", [everything(6), PRESENT, ONE], ids=["whole", "gaps", "one"])
def test_the_objective_averages_over_modalities_that_two_windows_have(present):
    objective = build()
    seen = watch(objective)
    found = objective(make_batch(present), generator())
    assert len(seen) == 2
    assert found.total.item() == pytest.approx(restated_objective(objective, seen), rel=1e-4)
    assert found.weight == 6


def test_a_modality_that_either_view_lost_is_not_compared():
    objective = build(augment=AugmentConfig(modality_dropout=0.4))
    seen = watch(objective)
    found = objective(make_batch(everything(6)), generator())
    assert not (seen[0].present & seen[1].present).all()
    assert found.total.item() == pytest.approx(restated_objective(objective, seen), rel=1e-4)


def test_views_differ_in_every_modality_and_follow_from_the_generator():
    objective = build()
    seen = watch(objective)
    batch = make_batch(everything(4))
    first, again = (objective(batch, generator(3)).total.item() for _ in range(2))
    other = objective(batch, generator(4)).total.item()
    assert first == again != other
    for name in SPEC.names:
        a, b = (view.signals[name] for view in seen[:2])
        assert not (a == b).any()
        assert not (a == batch.signals[name]).all()


def test_rotations_turn_a_sensor_in_its_own_units():
    rng = np.random.default_rng(0)
    normaliser = Normaliser(
        mean={m.name: rng.normal(size=len(m.channels)) for m in SPEC.modalities},
        scale={m.name: rng.uniform(0.5, 2, size=len(m.channels)) for m in SPEC.modalities},
    )
    turning = AugmentConfig(rotation_rad=0.5, scale=0.0)
    batch = make_batch(everything(3))
    for given, rotated in ((normaliser, True), (None, False)):
        objective = build(given, augment=turning)
        seen = watch(objective)
        objective(batch, generator())
        for view in seen:
            before, after = (
                normaliser.undo("accel", x.signals["accel"].numpy()) for x in (batch, view)
            )
            lengths = [np.linalg.norm(values, axis=1) for values in (before, after)]
            assert np.allclose(*lengths, atol=1e-3) == rotated


def test_a_batch_without_two_windows_of_any_modality_costs_nothing():
    objective = build()
    found = objective(make_batch(everything(1)), generator())
    assert found.total.item() == 0
    found.total.backward()


def test_modality_encoders_and_projections_learn_and_the_aggregator_does_not():
    objective = build()
    objective(make_batch(), generator()).total.backward()
    for name, parameter in objective.named_parameters():
        if name.startswith("encoder.aggregator"):
            assert not parameter.requires_grad
        else:
            assert parameter.grad.any(), name
