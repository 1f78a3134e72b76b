"""Multimodal NCE against its equation, pair by pair; what is dropped; what is found."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from sensor2llm.pretraining.multimodal_nce import MultimodalNCE, nce, recall_at
from sensor2llm.pretraining.objective_config import MultimodalNCEConfig
from sensor2llm.signals.dataset import SignalBatch
from tests.pretraining.mixed import (
    PATCHES,
    PRESENT,
    SMALL,
    SPEC,
    build_encoder,
    everything,
    generator,
    make_batch,
)

T = 0.2


def cosines(a: np.ndarray, b: np.ndarray) -> list[list[float]]:
    return [[float(x @ y) / math.sqrt(float(x @ x) * float(y @ y)) for y in b] for x in a]


def restated(a: np.ndarray, b: np.ndarray, t: float) -> float:
    """Write the cross-entropy of finding b by a, and a by b, down window by window."""
    s, rows, total = cosines(a, b), range(len(a)), 0.0
    for i in rows:
        own = math.exp(s[i][i] / t)
        total -= math.log(own / sum(math.exp(s[i][j] / t) for j in rows))
        total -= math.log(own / sum(math.exp(s[j][i] / t) for j in rows))
    return total / (2 * len(a))


def restated_recall(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Sort everything by distance; among equals the right one comes last."""
    s, found = cosines(a, b), 0
    for i in range(len(a)):
        for row in (s[i], [s[j][i] for j in range(len(a))]):
            order = sorted(range(len(a)), key=lambda j, row=row, i=i: (-row[j], j == i))
            found += i in order[:k]
    return found / (2 * len(a))


def build(config=SMALL, **options) -> MultimodalNCE:
    chosen = MultimodalNCEConfig(temperature=T, projection_width=6, **options)
    return MultimodalNCE(build_encoder(config), chosen)


@torch.no_grad()
def projected(objective: MultimodalNCE, batch) -> list[tuple[np.ndarray, np.ndarray]]:
    """Give each pair's vectors of the windows that have both, by its own two heads."""
    steps = objective.encoder(batch).steps
    out = []
    for number, (i, j) in enumerate(combinations(range(4), 2)):
        rows = [b for b in range(len(batch)) if batch.present[b, i] and batch.present[b, j]]
        heads = (objective.left[number], objective.right[number])
        out.append(
            tuple(
                head(steps[SPEC.names[m]].mean(1)[rows]).double().numpy()
                for head, m in zip(heads, (i, j), strict=True)
            )
        )
    return out


@pytest.mark.parametrize("rows", [2, 5])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_equals_the_equation_window_by_window(rows, temperature):
    a, b = torch.randn(2, rows, 4, generator=generator(), dtype=torch.float64)
    expected = restated(a.numpy(), b.numpy(), temperature)
    assert float(nce(a, b, temperature)) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert float(nce(b, a, temperature)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("present", [everything(6), PRESENT], ids=["whole", "gaps"])
def test_the_objective_averages_over_pairs_that_two_windows_have(present):
    objective, batch = build().eval(), make_batch(present)
    found = objective(batch)
    pairs = [pair for pair in projected(objective, batch) if len(pair[0]) > 1]
    expected = len(batch) * sum(restated(a, b, T) for a, b in pairs) / len(pairs)
    assert found.total.item() == pytest.approx(expected, rel=1e-4)
    assert found.weight == len(batch)
    recall = sum(restated_recall(a, b, 1) for a, b in pairs) / len(pairs)
    assert found.metrics["recall_at_1"] == pytest.approx(recall)


def test_a_pair_that_one_window_alone_has_does_not_count():
    present = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]], dtype=torch.bool)
    objective, batch = build().eval(), make_batch(present)
    a, b = projected(objective, batch)[0]
    assert objective(batch).total.item() == pytest.approx(3 * restated(a, b, T), rel=1e-4)


def test_a_batch_without_any_pair_costs_nothing_and_finds_nothing():
    present = torch.eye(4, dtype=torch.bool)
    objective = build()
    found = objective(make_batch(present), generator())
    assert found.total.item() == 0
    assert not found.metrics
    found.total.backward()


@pytest.mark.parametrize("config", [SMALL, PATCHES], ids=["steps", "patches"])
def test_tokens_are_dropped_in_training_alone(config):
    objective, batch = build(config, token_drop=0.5), make_batch()
    seen, pool = [], objective.encoder.pool

    def watched(steps):
        seen.append([steps[name].shape[1] for name in SPEC.names])
        return pool(steps)

    objective.encoder.pool = watched
    a, b = (objective(batch, generator(seed)).total.item() for seed in (0, 1))
    again = objective(batch, generator(0)).total.item()
    objective.eval()
    c, d = (objective(batch, generator(seed)).total.item() for seed in (0, 1))
    assert a == again != b
    assert c == d
    whole = seen[-1]
    assert seen[0] == [max(1, round(0.5 * count)) for count in whole]
    assert seen[0] != whole


@pytest.mark.parametrize("shared", [False, True])
def test_the_transformer_never_sees_a_dropped_token(shared):
    objective = build(replace(PATCHES, shared=shared), token_drop=0.6)
    encoder, tokens = objective.encoder, []
    backbones = {id(part.backbone): part.backbone for part in list(encoder.modalities)[:3]}
    for backbone in backbones.values():
        first = backbone.layers[0]
        first.register_forward_pre_hook(lambda _, inputs: tokens.append(len(inputs[0])))
    assert len(backbones) == (1 if shared else 3)
    objective.train()(make_batch(everything(4)), generator())
    assert tokens == [2, 2, 1]  # of 5, 5 and 3 patches, 0.4 each
    tokens.clear()
    objective.eval()(make_batch(everything(4)), generator())
    assert tokens == [5, 5, 3]


def test_without_dropped_tokens_training_and_validation_are_alike():
    objective, batch = build(token_drop=0.0), make_batch()
    trained = objective(batch, generator()).total.item()
    assert trained == objective.eval()(batch).total.item()


def test_recall_by_hand():
    a = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    # Window 0's other modality lies at window 1's place and the other way round; 2's is right.
    b = torch.tensor([[0.1, 1.0], [1.0, 0.1], [-1.0, 0.0]])
    assert recall_at(a, a, 1) == 1
    assert recall_at(a, b, 1) == pytest.approx(1 / 3)
    assert recall_at(a, b, 2) == 1
    assert recall_at(-a, a, 1) == 0


def test_recall_takes_both_ways():
    a = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    b = torch.tensor([[0.9, 0.3], [0.85, 0.3]])
    # By a: 0's nearest is 0 and 1's is 1; by b: both are nearer to window 1.
    both = [restated_recall(x.double().numpy(), y.double().numpy(), 1) for x, y in ((a, b), (b, a))]
    assert both == [0.5 + 0.25, 0.5 + 0.25]
    assert recall_at(a, b, 1) == recall_at(b, a, 1) == 0.75


def test_what_is_as_near_as_the_right_one_counts_as_nearer():
    a = torch.eye(3)
    b = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]])
    # By a: 0 ties with 1, 1 is at right angles to all, 2 is right; by b: 0 is right, 1 is nearer
    # to 0, 2 is right.
    assert recall_at(a, b, 1) == pytest.approx((0 + 0 + 1 + 1 + 0 + 1) / 6)
    assert recall_at(a, b, 2) == pytest.approx((1 + 0 + 1 + 1 + 0 + 1) / 6)


@pytest.mark.parametrize("rows", [2, 3, 17, 61])
@pytest.mark.parametrize("width", [3, 64])
def test_collapsed_embeddings_find_nothing(rows, width):
    a, b = (torch.randn(width, generator=generator(s)).expand(rows, width) for s in (0, 1))
    assert recall_at(a, b, 1) == 0
    assert recall_at(a, b, rows - 1) == 0
    assert recall_at(a, b, rows) == 1


@pytest.mark.parametrize("k", [1, 2, 5])
def test_recall_equals_sorting(k):
    a, b = torch.randn(2, 12, 3, generator=generator(), dtype=torch.float64)
    assert recall_at(a, a + 0.5 * b, k) == pytest.approx(
        restated_recall(a.numpy(), (a + 0.5 * b).numpy(), k)
    )


def test_common_gives_each_pairs_space_for_windows_that_have_both():
    objective, batch = build().eval(), make_batch()
    found = objective.common(batch)
    assert list(found) == list(combinations(SPEC.names, 2))
    for (a, b), (x, y) in zip(found.values(), projected(objective, batch), strict=True):
        assert not a.requires_grad
        np.testing.assert_allclose(a.numpy(), x, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(b.numpy(), y, rtol=1e-4, atol=1e-5)
    rows = {names: len(pair[0]) for names, pair in found.items()}
    assert rows["accel", "ecg"] == 3
    assert rows["beats", "values"] == 4


def test_recall_is_over_all_windows_together_beside_what_chance_finds():
    objective, batch = build().eval(), make_batch(everything(12))
    parts = [
        SignalBatch(
            signals={name: values[rows] for name, values in batch.signals.items()},
            present=batch.present[rows], labels=batch.labels[rows], index=batch.index[rows],
        )
        for rows in (slice(0, 7), slice(7, 12))
    ]  # fmt: skip
    found = objective.recall(parts, ks=(1, 5, 20))
    assert list(found) == [", ".join(pair) for pair in combinations(SPEC.names, 2)]
    for numbers, (a, b) in zip(found.values(), projected(objective, batch), strict=True):
        assert numbers["windows"] == 12
        assert numbers["at_1"] == pytest.approx(restated_recall(a, b, 1))
        assert numbers["at_5"] == pytest.approx(restated_recall(a, b, 5))
        assert numbers["at_20"] == numbers["chance_at_20"] == 1
        assert numbers["chance_at_1"] == pytest.approx(1 / 12)
        assert numbers["chance_at_5"] == pytest.approx(5 / 12)


def test_recall_of_a_pair_that_no_window_has_is_nothing():
    found = build().eval().recall([make_batch(torch.eye(4, dtype=torch.bool))])
    assert found["accel, ecg"]["windows"] == found["accel, ecg"]["at_10"] == 0


def test_modality_encoders_and_projections_learn_and_the_aggregator_does_not():
    objective = build()
    objective(make_batch(), generator()).total.backward()
    for name, parameter in objective.named_parameters():
        if name.startswith("encoder.aggregator"):
            assert not parameter.requires_grad
        else:
            assert parameter.grad.any(), name
