"""Masks are tested by what they do on average: 20,000 windows put shares within 0.015."""

import itertools

import pytest
import torch

from sensor2llm.pretraining.masking import temporal_mask, two_views

ROWS = 20_000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def everything(modalities: int, rows: int = ROWS) -> torch.Tensor:
    return torch.ones(rows, modalities, dtype=torch.bool)


def codes(mask: torch.Tensor) -> torch.Tensor:
    bits = mask.flatten(1).long()
    return (bits << torch.arange(bits.shape[1])).sum(1)


def share(condition: torch.Tensor) -> float:
    return float(condition.float().mean())


def test_random_masks_keep_units_independently_in_both_views():
    a, b = two_views(everything(3, 2000)[..., None].expand(-1, -1, 96), 0.1, generator())
    assert a.shape == (2000, 3, 96)
    assert share(a) == pytest.approx(0.9, abs=0.003)
    assert share(b) == pytest.approx(0.9, abs=0.003)
    assert share(a & b) == pytest.approx(0.81, abs=0.003)
    assert share(a[:, 0] & a[:, 1]) == pytest.approx(0.81, abs=0.003)


def test_spatial_masks_keep_whole_modalities_independently():
    a, b = two_views(everything(6)[..., None], 0.2, generator())
    assert a.shape == (ROWS, 6, 1)
    for view in (a, b):
        assert share(view[:, 2]) == pytest.approx(0.8, abs=0.015)
        assert share(view[:, 2] & view[:, 3]) == pytest.approx(0.64, abs=0.015)
    assert share(a & b) == pytest.approx(0.64, abs=0.015)


@pytest.mark.parametrize("modalities", [1, 2, 3])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_neither_view_is_ever_empty(modalities, ratio):
    a, b = two_views(everything(modalities)[..., None], ratio, generator())
    assert a.any(1).all()
    assert b.any(1).all()


@pytest.mark.parametrize(("distinct", "seed"), [(False, 0), (True, 1)])
def test_the_guard_samples_from_the_conditional_distribution(distinct, seed):
    keep = 0.5
    a, b = two_views(everything(3)[..., None], 1 - keep, generator(seed), distinct=distinct)
    pairs = [(i, j) for i, j in itertools.product(range(1, 8), repeat=2) if i != j or not distinct]
    found = torch.bincount(codes(a) * 8 + codes(b), minlength=64) / ROWS
    for i, j in pairs:
        assert float(found[i * 8 + j]) == pytest.approx(1 / len(pairs), abs=0.006)
    assert float(found.sum()) == pytest.approx(sum(float(found[i * 8 + j]) for i, j in pairs))


def test_without_the_guard_most_pairs_of_three_are_alike_and_with_it_none_is():
    a, b = two_views(everything(3)[..., None], 0.1, generator())
    assert share(codes(a) == codes(b)) == pytest.approx(0.82**3, abs=0.015)
    a, b = two_views(everything(3)[..., None], 0.1, generator(), distinct=True)
    assert not (codes(a) == codes(b)).any()


@pytest.mark.parametrize("distinct", [False, True])
def test_absent_modalities_are_never_kept_and_count_for_nothing(distinct):
    present = torch.rand(ROWS, 4, generator=generator(3)) < 0.5
    a, b = two_views(present[..., None], 0.3, generator(), distinct=distinct)
    some = present.any(1)
    for view in (a, b):
        assert not (view.squeeze(-1) & ~present).any()
        assert view[some].any(1).all()
    several = present.sum(1) > 1
    if distinct:
        assert not (codes(a) == codes(b))[several].any()
    alone = present.sum(1) == 1
    assert (a[alone].squeeze(-1) == present[alone]).all()


@pytest.mark.parametrize("ratio", [1e-9, 1 - 1e-9])
def test_ratios_that_no_draw_satisfies_still_end_well(ratio):
    a, b = two_views(everything(2, 50)[..., None], ratio, generator(), distinct=True)
    assert a.any(1).all()
    assert b.any(1).all()
    assert not (codes(a) == codes(b)).any()


def test_the_same_generator_gives_the_same_masks():
    first, second = (two_views(everything(3, 9)[..., None], 0.3, generator(5)) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(first, second, strict=True))


STEPS = (10, 7, 1)
"""Latent steps of three modalities; with a span of 3 they have 4, 3 and 1 spans."""


def temporal(rows: int = 4000, ratio: float = 0.3, *, present=None, distinct=False, seed=0):
    """Give both views with the steps of all modalities in one row."""
    present = everything(3, rows) if present is None else present
    views = temporal_mask(present, STEPS, ratio, 3, generator(seed), distinct=distinct)
    for view in views:
        assert [tuple(mask.shape) for mask in view] == [(len(present), s, 1) for s in STEPS]
    return [torch.cat([mask.squeeze(2) for mask in view], dim=1) for view in views]


def spans() -> list[list[int]]:
    """Give which of all modalities' steps belong to each span, the last of a modality shorter."""
    found, first = [], 0
    for steps in STEPS:
        places = range(first, first + steps)
        found += [list(places[i : i + 3]) for i in range(0, steps, 3)]
        first += steps
    return found


def test_temporal_masks_hide_whole_spans_independently():
    a, b = temporal(ROWS)
    assert [len(places) for places in spans()] == [3, 3, 3, 1, 3, 3, 1, 1]
    for view in (a, b):
        units = torch.stack([view[:, places[0]] for places in spans()], dim=1)
        for unit, places in enumerate(spans()):
            assert (view[:, places] == units[:, unit, None]).all()
            assert share(units[:, unit]) == pytest.approx(0.7, abs=0.015)
        # Neighbours in one modality, and in two.
        assert share(units[:, 1] & units[:, 2]) == pytest.approx(0.49, abs=0.015)
        assert share(units[:, 3] & units[:, 4]) == pytest.approx(0.49, abs=0.015)
    assert share(a[:, 0] & b[:, 0]) == pytest.approx(0.49, abs=0.015)


@pytest.mark.parametrize("distinct", [False, True])
def test_temporal_masks_leave_something_of_what_is_present_and_nothing_of_what_is_not(distinct):
    present = torch.rand(4000, 3, generator=generator(3)) < 0.5
    views = temporal(present=present, ratio=0.8, distinct=distinct)
    there = present.repeat_interleave(torch.tensor(STEPS), dim=1)
    for view in views:
        assert not (view & ~there).any()
        assert view[present.any(1)].any(1).all()
    alike = (views[0] == views[1]).all(1)
    one_span = present.sum(1) + present[:, :2].any(1) <= 1
    assert alike[one_span].all()
    assert alike[~one_span].any() != distinct


def test_a_span_longer_than_the_window_hides_whole_modalities():
    view, _ = temporal_mask(everything(3), STEPS, 0.3, 50, generator())
    for mask in view:
        assert (mask == mask[:, :1]).all()
        assert share(mask[:, 0]) == pytest.approx(0.7 / (1 - 0.3**3), abs=0.015)


def test_the_same_generator_gives_the_same_temporal_masks():
    first, second, other = (temporal(9, seed=seed) for seed in (5, 5, 6))
    assert all(torch.equal(x, y) for x, y in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])
