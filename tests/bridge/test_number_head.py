"""A number read off a hidden state: its scale, its loss, and how it is written."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from sensor2llm.bridge.number_head import NumberHead, Target, fit_target, number_loss

TARGET = Target(name="heart_rate.heart_rate", unit="bpm", mean=72.0, scale=9.0, decimals=0)


@pytest.fixture
def head():
    torch.manual_seed(0)
    return NumberHead(16, TARGET)


def test_a_target_is_the_training_values_mean_and_spread():
    values = torch.tensor([60.0, 71.0, 95.0, 82.0], dtype=torch.float64)
    found = fit_target("hr", "bpm", values)
    assert (found.name, found.unit) == ("hr", "bpm")
    assert found.mean == pytest.approx(np.mean(values.tolist()))
    assert found.scale == pytest.approx(np.std(values.tolist()))
    assert Target(**found.to_dict()) == found


@pytest.mark.parametrize(
    ("spread", "decimals"),
    [(500.0, 0), (10.0, 0), (9.9, 1), (1.0, 1), (0.5, 2), (0.1, 2), (0.05, 3), (0.01, 3),
     (0.001, 4), (2e-5, 6)],
)  # fmt: skip
def test_decimals_say_a_tenth_of_the_spread(spread, decimals):
    found = fit_target("x", "", torch.tensor([-spread, spread], dtype=torch.float64))
    assert found.decimals == decimals
    assert 10.0**-decimals <= spread / 10 * (1 + 1e-9) or decimals == 0
    assert found.write(spread) != found.write(0.5 * spread)


def test_values_that_are_all_alike_have_a_spread_of_one():
    found = fit_target("x", "", torch.full((5,), 3.0))
    assert (found.mean, found.scale, found.decimals) == (3.0, 1.0, 1)


def test_a_number_is_written_with_its_unit():
    assert TARGET.write(71.6) == "72 bpm"
    assert Target(name="label", unit="", mean=0, scale=1, decimals=2).write(-1.5) == "-1.50"


def test_the_given_number_is_the_standardised_one_in_the_targets_unit(head):
    states = torch.randn(6, 16)
    found, standard = head(states), head.standard(states)
    torch.testing.assert_close(found, standard * 9.0 + 72.0)
    torch.testing.assert_close(head.standardise(found), standard)
    values = torch.tensor([54.0, 72.0, 90.0])
    assert head.standardise(values).tolist() == [-2.0, 0.0, 2.0]


def test_the_head_is_a_norm_and_a_linear_map(head):
    states = torch.randn(6, 16)
    centred = states - states.mean(1, keepdim=True)
    normal = centred / (centred.pow(2).mean(1, keepdim=True) + 1e-5).sqrt()
    expected = normal @ head.out_proj.weight[0] + head.out_proj.bias
    torch.testing.assert_close(head.standard(states), expected)
    assert head.standard(states.bfloat16()).dtype == torch.float32


def test_the_loss_is_the_summed_huber_loss_on_the_standardised_scale(head):
    states, values = torch.randn(5, 16), torch.tensor([60.0, 70.0, 72.0, 140.0, 20.0])
    found = number_loss(head, states, values)
    off = ((head(states) - values) / 9.0).abs()
    expected = torch.where(off < 1, 0.5 * off**2, off - 0.5).sum()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        found, functional.huber_loss(head.standard(states), (values - 72) / 9, reduction="sum")
    )
    found.backward()
    assert head.out_proj.weight.grad.any()


def test_autocast_takes_nothing_away_from_values_far_from_zero():
    target = Target(name="ms", unit="ms", mean=1000.0, scale=1.0, decimals=1)
    head = NumberHead(16, target)
    with torch.no_grad():
        head.out_proj.weight.zero_()
        head.out_proj.bias.fill_(0.5)
    states = torch.randn(2, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert head(states).tolist() == [1000.5, 1000.5]
        loss = number_loss(head, states, torch.tensor([1000.5, 1001.0]))
    assert loss.item() == pytest.approx(0.5 * 0.5**2)
