import torch
from torch import nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import Aggregator


def test_is_dense_64_relu_dense_32_relu_dense_32_layernorm():
    layers = Aggregator(3, EncoderConfig()).layers
    assert [type(layer).__name__ for layer in layers] \
        == ["Linear", "ReLU", "Linear", "ReLU", "Linear", "LayerNorm"]  # fmt: skip
    widths = [(x.in_features, x.out_features) for x in layers if isinstance(x, nn.Linear)]
    assert widths == [(3 * 96, 64), (64, 32), (32, 32)]


def test_output_is_normalised_over_its_dimensions():
    joint = Aggregator(2, EncoderConfig())(torch.randn(5, 2, 96))
    torch.testing.assert_close(joint.mean(1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(joint.var(1, unbiased=False), torch.ones(5), atol=1e-2, rtol=0)
