"""What is drawn under a seed is its own, and leaves no trace."""

import pytest
import torch

from sensor2llm.training.seeding import seeded


def draw() -> torch.Tensor:
    return torch.nn.Linear(4, 3).weight.detach()


def test_the_same_seed_draws_the_same_and_another_seed_something_else():
    with seeded(1):
        first = draw()
    with seeded(1):
        again = draw()
    with seeded(2):
        other = draw()
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_what_is_drawn_afterwards_is_what_would_have_been():
    state = torch.get_rng_state()
    expected = draw()
    torch.set_rng_state(state)
    with seeded(1):
        draw()
    with pytest.raises(KeyError), seeded(2):
        raise KeyError
    assert torch.equal(draw(), expected)
