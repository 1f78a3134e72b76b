import pytest
import torch

from sensor2llm.encoders.tokens import sample_kept_tokens
from sensor2llm.errors import ConfigError


@pytest.mark.parametrize(("drop", "kept"), [(0.0, 10), (0.25, 8), (0.5, 5), (0.99, 1)])
def test_every_row_keeps_as_many_in_order_and_none_twice(drop, kept):
    keep = sample_kept_tokens(50, 10, drop, torch.Generator().manual_seed(0))
    assert keep.shape == (50, kept)
    assert (keep.diff(dim=1) > 0).all()
    assert set(keep.unique().tolist()) == set(range(10))


def test_rows_differ_and_follow_the_generator():
    one, two = (sample_kept_tokens(20, 10, 0.5, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, two)
    assert len(one.unique(dim=0)) > 1


@pytest.mark.parametrize("drop", [-0.1, 1.0])
def test_a_share_out_of_range_is_refused(drop):
    with pytest.raises(ConfigError, match=f"token_drop must be at least 0 and below 1, got {drop}"):
        sample_kept_tokens(1, 10, drop)
