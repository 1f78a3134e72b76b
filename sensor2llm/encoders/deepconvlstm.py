"""DeepConvLSTM in two forms: the original, and the baseline of that name in CroSSL.

Published, both are one network over all channels of all sensors. Here there is one a modality, so
that modalities may be missing and have rates of their own; with all channels in one modality,
`lstm_stride` 1, width 128 and dropout 0 it is the published network up to its classifier. That one
reads the last step's hidden state, and so does `SignalEncoder.pool`.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig

LSTM_WIDTH = 128
KERNEL = 5


class ChannelwiseConvolutions(nn.Module):
    """Convolve every channel alone: four layers of 64 filters, kernel 5, ReLU [DeepConvLSTM].

    All channels share the filters. The paper has no padding, so each layer loses four steps; here
    zeros keep the number of steps, and windows of any length work.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = channels * 64
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, 64, (KERNEL, 1), padding=(KERNEL // 2, 0))
            for inputs in (1, 64, 64, 64)
        )

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch feature step"]:
        """Give all filters of all channels, filter by filter, at each step."""
        x = values.transpose(1, 2).unsqueeze(1)
        for layer in self.layers:
            x = layer(x).relu()
        return x.transpose(2, 3).flatten(1, 2)


class JointConvolutions(nn.Module):
    """Convolve all channels together: 64, 128 and 256 filters, kernel 5, ReLU [CroSSL, baseline].

    Padding keeps the number of steps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = 256
        self.layers = nn.ModuleList(
            nn.Conv1d(*widths, KERNEL, padding=KERNEL // 2)
            for widths in ((channels, 64), (64, 128), (128, 256))
        )

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch feature step"]:
        """Give 256 filters at each step."""
        x = values
        for layer in self.layers:
            x = layer(x).relu()
        return x


class DeepConvLSTM(nn.Module):
    """Run two LSTM layers of 128 over convolutions' features [Ordóñez & Roggen 2016].

    Dropout stands before each LSTM layer; the paper's share is 0.5. The LSTM takes a time in
    proportion to the steps, and on a CPU most of the network's, so `config.lstm_stride` steps are
    averaged to one before it. Long windows (64 Hz for 30 s) also make the convolutions slow:
    `config.lstm_input_steps` averages neighbouring samples of the input. The convolutions give
    (batch, feature, step), and `features`.

    Example:
        >>> import torch
        >>> encoder = DeepConvLSTM(JointConvolutions(3), EncoderConfig())
        >>> encoder(torch.zeros(2, 3, 50)).shape
        torch.Size([2, 13, 96])
    """

    pools_last = True

    def __init__(
        self, convolutions: ChannelwiseConvolutions | JointConvolutions, config: EncoderConfig
    ) -> None:
        super().__init__()
        self.stride, self.input_steps = config.lstm_stride, config.lstm_input_steps
        self.convolutions = convolutions
        # Two modules, with dropout modules between: pretraining turns those off.
        self.first = nn.LSTM(convolutions.features, LSTM_WIDTH, batch_first=True)
        self.second = nn.LSTM(LSTM_WIDTH, LSTM_WIDTH, batch_first=True)
        self.dropouts = nn.ModuleList(nn.Dropout(config.dropout) for _ in range(2))
        same = config.width == LSTM_WIDTH
        self.outputs = nn.Identity() if same else nn.Linear(LSTM_WIDTH, config.width)

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch out width"]:
        """Give the LSTM's hidden state at every (averaged) step, in `config.width` features."""
        if self.input_steps and values.shape[2] > self.input_steps:
            factor = -(-values.shape[2] // self.input_steps)
            values = functional.avg_pool1d(values, factor, ceil_mode=True)
        x = self.convolutions(values)
        if self.stride > 1:
            x = functional.avg_pool1d(x, self.stride, ceil_mode=True)
        x, _ = self.first(self.dropouts[0](x.transpose(1, 2)))
        x, _ = self.second(self.dropouts[1](x))
        return self.outputs(x)
