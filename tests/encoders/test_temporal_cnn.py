import pytest
import torch
from torch import nn
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.temporal_cnn import TemporalCNN


def restated(cnn: TemporalCNN, values: torch.Tensor) -> torch.Tensor:
    """Compute the encoder with plain Conv1d layouts, batch by channel by step."""
    x = values
    for block in cnn.blocks:
        weight = block.convolution.weight.squeeze(2)
        kernel = weight.shape[-1]
        padded = functional.pad(x, ((kernel - 1) // 2, kernel - 1 - (kernel - 1) // 2))
        x = functional.conv1d(
            padded, weight, block.convolution.bias, stride=block.convolution.stride[1]
        )
        mean = x.mean(1, keepdim=True)
        deviation = (x.var(1, unbiased=False, keepdim=True) + block.norm.eps).sqrt()
        x = (x - mean) / deviation * block.norm.weight[:, None] + block.norm.bias[:, None]
        slope = block.activation.weight[:, None]
        x = torch.where(x > 0, x, slope * x)
    return x.transpose(1, 2)


@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 2, 1)])
def test_equals_its_restatement_in_conv1d(strides):
    torch.manual_seed(0)
    cnn = TemporalCNN(3, EncoderConfig(strides=strides)).eval()
    for parameter in cnn.parameters():
        nn.init.normal_(parameter, std=0.2)
    values = torch.randn(2, 3, 50)
    torch.testing.assert_close(cnn(values), restated(cnn, values), rtol=1e-4, atol=1e-4)


def test_as_in_the_paper_has_24_48_96_filters_and_keeps_the_steps():
    cnn = TemporalCNN(9, EncoderConfig(strides=(1, 1, 1)))
    shapes = [tuple(block.convolution.weight.shape) for block in cnn.blocks]
    assert shapes == [(24, 9, 1, 24), (48, 24, 1, 16), (96, 48, 1, 8)]
    assert [block.activation.weight.numel() for block in cnn.blocks] == [24, 48, 96]
    assert cnn(torch.zeros(1, 9, 31)).shape == (1, 31, 96)


@pytest.mark.parametrize("steps", [1, 5, 31, 128])
def test_strides_give_the_steps_rounded_up(steps):
    cnn = TemporalCNN(1, EncoderConfig(width=8, strides=(2, 2, 1)))
    halved = -(-steps // 2)
    assert cnn(torch.zeros(2, 1, steps)).shape == (2, -(-halved // 2), 8)


def test_a_batch_of_one_equals_its_row_in_a_batch():
    torch.manual_seed(0)
    cnn = TemporalCNN(3, EncoderConfig(width=16)).eval()
    values = torch.randn(5, 3, 64)
    torch.testing.assert_close(cnn(values)[2:3], cnn(values[2:3]), rtol=1e-5, atol=1e-5)
