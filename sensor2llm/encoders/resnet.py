"""A one-dimensional ResNet for shapes over time, such as ECG beats and spirograms."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig


class ConvResidualBlock(nn.Module):
    """Add two normalised convolutions to the input [He et al. 2016, basic block].

    GroupNorm of one group stands for the paper's BatchNorm: a window's features then never depend
    on the other windows of its batch, and a batch of one can be trained on. Where width or number
    of steps change, the input goes through a convolution of kernel 1.
    """

    def __init__(self, inputs: int, width: int, kernel: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.first = convolution(inputs, width, kernel, stride)
        self.second = convolution(width, width, kernel, 1)
        self.dropout = nn.Dropout1d(dropout)
        same = inputs == width and stride == 1
        self.shortcut = nn.Identity() if same else convolution(inputs, width, 1, stride)

    def forward(self, x: Float[Tensor, "batch inputs step"]) -> Float[Tensor, "batch width out"]:
        """Give ceil(step / stride) steps."""
        inside = self.second(self.dropout(self.first(x).relu()))
        return functional.relu(self.shortcut(x) + inside)


class ResNet(nn.Module):
    """Encode a modality by a strided convolution and three stages of residual blocks.

    The stages have width/4, width/2 and width filters. The first convolution and the last two
    stages each halve the steps: the output has ceil(step / 8) of them.

    Example:
        >>> import torch
        >>> ResNet(12, EncoderConfig(resnet_kernel=15))(torch.zeros(1, 12, 1000)).shape
        torch.Size([1, 125, 96])
    """

    def __init__(self, channels: int, config: EncoderConfig) -> None:
        super().__init__()
        kernel, width = config.resnet_kernel, config.width // 4
        blocks: list[nn.Module] = [convolution(channels, width, kernel, 2), nn.ReLU()]
        for stage in range(3):
            inputs, width = width, config.width // 4 * 2**stage
            for block in range(config.resnet_blocks):
                first = block == 0
                stride = 2 if first and stage > 0 else 1
                blocks.append(
                    ConvResidualBlock(
                        inputs if first else width, width, kernel, stride, config.dropout
                    )
                )
        self.blocks = nn.Sequential(*blocks)

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch out width"]:
        """Give one feature vector for every eight steps."""
        return self.blocks(values).transpose(1, 2)


def convolution(inputs: int, width: int, kernel: int, stride: int) -> nn.Sequential:
    """Build a convolution with an odd kernel and "same" padding, then GroupNorm."""
    return nn.Sequential(
        nn.Conv1d(inputs, width, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.GroupNorm(1, width),
    )
