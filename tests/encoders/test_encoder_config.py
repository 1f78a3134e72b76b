import pytest

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ConfigError


def test_lists_from_json_become_tuples():
    assert EncoderConfig(kernels=[5, 3, 3], strides=[1, 1, 1]) == EncoderConfig(
        kernels=(5, 3, 3), strides=(1, 1, 1)
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"width": 6}, "width must be a positive multiple of 4, got 6"),
        ({"kernels": (3, 3)}, "kernels must be three positive numbers"),
        ({"strides": (0, 1, 1)}, "strides must be three positive numbers"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"pooled_steps": 0}, "pooled_steps must be positive, got 0"),
    ],
)
def test_options_out_of_range_are_refused(option, message):
    with pytest.raises(ConfigError, match=message):
        EncoderConfig(**option)
