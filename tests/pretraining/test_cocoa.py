"""COCOA's two losses against the module's notation, written out window by window."""

import math

import numpy as np
import pytest
import torch

from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.cocoa import Cocoa, cocoa_loss
from sensor2llm.pretraining.objective_config import CocoaConfig
from tests.pretraining.mixed import PRESENT, build_encoder, everything, make_batch

FORMS = ("cross_entropy", "distance")
WEIGHTS = {"temperature": 0.4, "positive_weight": 0.7, "negative_weight": 0.3}


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / math.sqrt(float(a @ a) * float(b @ b)))


def apart(z: np.ndarray, has: np.ndarray, b: int, t: float) -> float:
    """N_b: over the window's modalities, the mean over the other windows that have it."""
    total = 0.0
    for m in range(z.shape[1]):
        others = [c for c in range(len(z)) if c != b and has[c, m]]
        if has[b, m] and others:
            total += sum(math.exp(cosine(z[b, m], z[c, m]) / t) for c in others) / len(others)
    return total


def restated(z: np.ndarray, has: np.ndarray, form: str) -> float:
    t, loss = WEIGHTS["temperature"], 0.0
    for b in range(len(z)):
        here = [m for m in range(z.shape[1]) if has[b, m]]
        if form == "distance":
            pairs = [math.exp((1 - cosine(z[b, m], z[b, n])) / t) for m in here for n in here]
            loss += WEIGHTS["positive_weight"] * sum(pairs) / len(pairs)
            loss += WEIGHTS["negative_weight"] * apart(z, has, b, t)
        elif len(here) > 1:
            pairs = [math.exp(cosine(z[b, m], z[b, n]) / t) for m in here for n in here if m != n]
            loss -= math.log(sum(pairs) / (sum(pairs) + apart(z, has, b, t)))
    return loss


def embeddings(rows: int = len(PRESENT), modalities: int = 4, seed: int = 0) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randn(rows, modalities, 5, generator=source)


def loss(z: torch.Tensor, present: torch.Tensor, form: str) -> float:
    return float(cocoa_loss(z, present, CocoaConfig(form=form, **WEIGHTS)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("present", [everything(6), PRESENT], ids=["whole", "gaps"])
def test_equals_the_formula_window_by_window(form, present):
    z = embeddings() * present.unsqueeze(2)
    expected = restated(z.double().numpy(), present.numpy(), form)
    assert loss(z, present, form) == pytest.approx(expected, rel=1e-5)


def test_two_windows_at_right_angles_by_hand():
    z = torch.zeros(2, 2, 4)
    z[0, :, 0] = z[1, :, 1] = 1.0
    both, t = torch.ones(2, 2, dtype=torch.bool), WEIGHTS["temperature"]
    assert loss(z, both, "cross_entropy") == pytest.approx(2 * math.log(1 + math.exp(-1 / t)))
    by_hand = 0.7 * 2 * 1 + 0.3 * 2 * (1 + 1)
    assert loss(z, both, "distance") == pytest.approx(by_hand)


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_modalities_and_the_length_of_embeddings_do_not_matter(form):
    z, order = embeddings(), [2, 0, 3, 1]
    expected = loss(z, PRESENT, form)
    assert loss(z[:, order], PRESENT[:, order], form) == pytest.approx(expected, rel=1e-5)
    lengths = torch.rand(6, 4, 1, generator=torch.Generator().manual_seed(1)) + 0.5
    assert loss(z * lengths, PRESENT, form) == pytest.approx(expected, rel=1e-5)
    assert loss(z.flip(2), PRESENT, form) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_modality_that_nobody_has_is_as_if_it_were_not_there(form):
    z, present = embeddings(), PRESENT.clone()
    present[:, 2] = False
    present[4, 0] = True
    kept = [0, 1, 3]
    assert loss(z, present, form) == pytest.approx(loss(z[:, kept], present[:, kept], form))


@pytest.mark.parametrize("form", FORMS)
def test_embeddings_of_absent_modalities_are_not_read(form):
    z = embeddings()
    other = torch.where(PRESENT.unsqueeze(2), z, embeddings(seed=9) * 100)
    assert loss(other, PRESENT, form) == loss(z, PRESENT, form)


def test_a_window_with_one_modality_has_no_positive_and_is_still_a_negative():
    z, t = embeddings(3, 2), WEIGHTS["temperature"]
    present = torch.tensor([[True, True], [True, True], [True, False]])
    values, has = z.double().numpy(), present.numpy()
    expected = 0.0
    for b in (0, 1):
        pair = 2 * math.exp(cosine(values[b, 0], values[b, 1]) / t)
        expected += math.log(1 + apart(values, has, b, t) / pair)
    assert loss(z, present, "cross_entropy") == pytest.approx(expected, rel=1e-5)
    assert loss(z[:2], present[:2], "cross_entropy") != pytest.approx(expected, rel=1e-3)
    alone = torch.tensor([[True, False], [True, False]])
    assert loss(z[:2], alone, "cross_entropy") == 0


@pytest.mark.parametrize("form", FORMS)
def test_the_objective_is_the_loss_of_the_pooled_embeddings(form):
    objective = Cocoa(build_encoder(), CocoaConfig(form=form, **WEIGHTS))
    batch = make_batch()
    found = objective(batch)
    steps = objective.encoder(batch).steps
    pooled = np.stack([steps[name].detach().double().numpy().mean(1) for name in steps], axis=1)
    assert found.total.item() == pytest.approx(restated(pooled, PRESENT.numpy(), form), rel=1e-4)
    assert found.weight == 6


@pytest.mark.parametrize("form", FORMS)
def test_every_modality_encoder_learns_and_the_aggregator_stays_as_it_is(form):
    objective = Cocoa(build_encoder(), CocoaConfig(form=form))
    objective(make_batch()).total.backward()
    for name, parameter in objective.encoder.named_parameters():
        if name.startswith("aggregator"):
            assert not parameter.requires_grad
            assert parameter.grad is None
        else:
            assert torch.isfinite(parameter.grad).all()
            assert parameter.grad.any(), name


@pytest.mark.parametrize("form", FORMS)
def test_agreeing_modalities_cost_less_than_disagreeing_ones(form):
    z = embeddings(6, 1).expand(6, 4, 5)
    assert loss(z, everything(6), form) < loss(embeddings(), everything(6), form)


@pytest.mark.parametrize("form", FORMS)
def test_the_coolest_temperature_is_finite_and_a_cooler_one_is_refused(form):
    coolest = CocoaConfig(form=form, temperature=0.05)
    assert math.isfinite(float(cocoa_loss(embeddings(), everything(6), coolest)))
    with pytest.raises(ConfigError, match=r"temperature must be at least 0\.05, got 0\.01"):
        CocoaConfig(form=form, temperature=0.01)
