"""InceptionTime: convolutions of several lengths beside each other, for patterns of any length."""

from jaxtyping import Float
from torch import Tensor, cat, channels_last, nn
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig

MODULES_A_BLOCK = 3


class InceptionModule(nn.Module):
    """Join three convolutions and a maximum over three steps [Ismail Fawaz et al. 2020, sec. 3.1].

    The second and the third kernel are a half and a quarter of the first. More than one channel
    goes through a convolution of kernel 1 first. GroupNorm of one group stands for the paper's
    BatchNorm, for the reason that `ConvResidualBlock` tells. Works on (batch, channel, 1, step) in
    channels-last memory, on a CPU twice as fast.
    """

    def __init__(self, inputs: int, width: int, kernel: int, stride: int, dropout: float) -> None:
        super().__init__()
        filters = width // 4
        narrow = inputs if inputs == 1 else filters
        self.bottleneck = nn.Identity() if inputs == 1 else pointwise(inputs, filters)
        self.sizes = [max(1, kernel // part) for part in (1, 2, 4)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(narrow, filters, (1, size), stride=(1, stride), bias=False)
            for size in self.sizes
        )
        self.highest = nn.MaxPool2d((1, 3), stride=(1, stride), padding=(0, 1))
        self.of_highest = pointwise(inputs, filters)
        self.norm = nn.GroupNorm(1, width)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Float[Tensor, "batch inputs 1 step"]) -> Float[Tensor, "batch w 1 out"]:
        """Give ceil(step / stride) steps."""
        narrow = self.bottleneck(x)
        parts = [
            layer(functional.pad(narrow, ((size - 1) // 2, size // 2)))
            for layer, size in zip(self.convolutions, self.sizes, strict=True)
        ]
        parts.append(self.of_highest(self.highest(x)))
        return self.dropout(self.norm(cat(parts, dim=1)).relu())


class InceptionTime(nn.Module):
    """Encode a modality by inception modules, every three with a shortcut [sec. 3.1].

    The first module strides; the kernels of those behind it are as much shorter, so that all span
    the same time: `inception_kernel` steps of the window. One network, not the paper's five.

    Example:
        >>> import torch
        >>> InceptionTime(3, EncoderConfig())(torch.zeros(1, 3, 128)).shape
        torch.Size([1, 32, 96])
    """

    def __init__(self, channels: int, config: EncoderConfig) -> None:
        super().__init__()
        width, stride, inputs = config.width, config.inception_stride, channels
        kernel, dropout = config.inception_kernel, config.dropout
        self.blocks, self.shortcuts = nn.ModuleList(), nn.ModuleList()
        for start in range(0, config.inception_modules, MODULES_A_BLOCK):
            norm = nn.GroupNorm(1, width)
            self.shortcuts.append(nn.Sequential(pointwise(inputs, width, stride), norm))
            modules = []
            for _ in range(start, min(start + MODULES_A_BLOCK, config.inception_modules)):
                modules.append(InceptionModule(inputs, width, kernel, stride, dropout))
                inputs, kernel, stride = width, kernel // stride, 1
            self.blocks.append(nn.Sequential(*modules))

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch out width"]:
        """Give one feature vector for every `inception_stride` steps."""
        x = values.unsqueeze(2).contiguous(memory_format=channels_last)
        for block, shortcut in zip(self.blocks, self.shortcuts, strict=True):
            x = functional.relu(block(x) + shortcut(x))
        return x.squeeze(2).transpose(1, 2)


def pointwise(inputs: int, width: int, stride: int = 1) -> nn.Conv2d:
    """Build a convolution of kernel 1."""
    return nn.Conv2d(inputs, width, 1, stride=(1, stride), bias=False)
