"""InceptionTime: its branches restated, and the time that its kernels span."""

import pytest
import torch
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.inception import InceptionModule, InceptionTime
from sensor2llm.errors import ConfigError

CONFIG = EncoderConfig(kind="inception", width=16, inception_modules=4, inception_kernel=8)


def test_a_module_joins_three_kernels_and_the_maximum_of_three_steps():
    torch.manual_seed(0)
    module = InceptionModule(3, 16, kernel=9, stride=1, dropout=0.0).eval()
    x = torch.randn(2, 3, 20)
    narrow = functional.conv1d(x, module.bottleneck.weight[:, :, 0])
    branches = [
        functional.conv1d(functional.pad(narrow, padding), layer.weight[:, :, 0])
        for layer, padding in zip(module.convolutions, [(4, 4), (1, 2), (0, 1)], strict=True)
    ]
    highest = functional.max_pool1d(x, 3, stride=1, padding=1)
    branches.append(functional.conv1d(highest, module.of_highest.weight[:, :, 0]))
    expected = functional.group_norm(torch.cat(branches, dim=1), 1).relu()
    torch.testing.assert_close(module(x.unsqueeze(2)).squeeze(2), expected, rtol=1e-4, atol=1e-5)
    assert [layer.kernel_size[1] for layer in module.convolutions] == [9, 4, 2]


@pytest.mark.parametrize(("stride", "later"), [(1, [8, 4, 2]), (2, [4, 2, 1]), (4, [2, 1, 1])])
def test_all_kernels_span_the_same_time_whatever_the_stride(stride, later):
    encoder = InceptionTime(3, EncoderConfig(**vars(CONFIG) | {"inception_stride": stride}))
    kernels = [
        [layer.kernel_size[1] for layer in module.convolutions]
        for block in encoder.blocks
        for module in block
    ]
    assert kernels == [[8, 4, 2], later, later, later]
    assert encoder(torch.zeros(1, 3, 31)).shape == (1, -(-31 // stride), 16)


def test_every_three_modules_have_a_shortcut():
    encoder = InceptionTime(3, CONFIG).eval()
    assert [len(block) for block in encoder.blocks] == [3, 1]
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, InceptionModule):
                module.norm.weight.zero_()
    x = torch.randn(2, 3, 40)
    alone = encoder.shortcuts[1](encoder.shortcuts[0](x.unsqueeze(2)).relu()).relu()
    torch.testing.assert_close(encoder(x), alone.squeeze(2).transpose(1, 2))


def test_a_pattern_longer_than_the_shorter_kernels_is_heard_by_the_longest_alone():
    module = InceptionModule(1, 16, kernel=16, stride=1, dropout=0.0).eval()
    x = torch.zeros(1, 1, 1, 40)
    x[..., 20] = 1.0
    heard = [
        int((layer(functional.pad(x, (40, 40))) != 0).any(1).sum()) for layer in module.convolutions
    ]
    assert heard == [16, 8, 4]


@pytest.mark.parametrize("name", ["inception_modules", "inception_kernel", "inception_stride"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(ConfigError, match=f"{name} must be positive, got 0"):
        EncoderConfig(kind="inception", **{name: 0})
