import pytest
import torch
from torch import nn
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.resnet import ResNet


def restated_convolution(part: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    """Convolve, then normalise each window over its channels and steps together."""
    convolution, norm = part
    weight = convolution.weight
    x = functional.conv1d(x, weight, stride=convolution.stride[0], padding=weight.shape[-1] // 2)
    mean, variance = x.mean((1, 2), keepdim=True), x.var((1, 2), unbiased=False, keepdim=True)
    return (x - mean) / (variance + norm.eps).sqrt() * norm.weight[:, None] + norm.bias[:, None]


@torch.no_grad()
def test_equals_its_restatement():
    torch.manual_seed(0)
    encoder = ResNet(2, EncoderConfig(width=16, resnet_blocks=2)).eval()
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    values = torch.randn(3, 2, 50)
    stem, _, *blocks = encoder.blocks
    x = restated_convolution(stem, values).relu()
    for block in blocks:
        inside = restated_convolution(block.first, x).relu()
        inside = restated_convolution(block.second, inside)
        plain = isinstance(block.shortcut, nn.Identity)
        x = ((x if plain else restated_convolution(block.shortcut, x)) + inside).relu()
    torch.testing.assert_close(encoder(values), x.transpose(1, 2), rtol=1e-3, atol=1e-4)


def test_three_stages_double_the_width():
    encoder = ResNet(12, EncoderConfig(resnet_kernel=15, resnet_blocks=2))
    shapes = [tuple(block.first[0].weight.shape) for block in encoder.blocks[2:]]
    assert shapes == [
        (24, 24, 15), (24, 24, 15), (48, 24, 15), (48, 48, 15), (96, 48, 15), (96, 96, 15),
    ]  # fmt: skip
    assert encoder.blocks[0][0].weight.shape == (24, 12, 15)


@pytest.mark.parametrize("steps", [1, 7, 8, 9, 128, 1000])
def test_there_is_a_step_for_every_eight(steps):
    encoder = ResNet(1, EncoderConfig(width=8, resnet_blocks=1))
    assert encoder(torch.zeros(2, 1, steps)).shape == (2, -(-steps // 8), 8)


def test_a_batch_of_one_equals_its_row_in_a_batch_in_training_too():
    torch.manual_seed(0)
    encoder = ResNet(3, EncoderConfig(width=16, dropout=0.0)).train()
    values = torch.randn(5, 3, 64)
    torch.testing.assert_close(encoder(values)[2:3], encoder(values[2:3]), rtol=1e-4, atol=1e-5)
