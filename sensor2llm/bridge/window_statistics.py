"""Tell the bridge a window's own level and spread, as one more step of each modality."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sensor2llm.bridge.temporal_pooling import TokenLinear
from sensor2llm.errors import ConfigError, ModelError


class WindowStatisticsToken(nn.Module):
    """Turn statistics of a modality, in its units, into a vector of the encoder's width.

    Units differ by orders of magnitude (m/s², ms, beats/min). So sign(x) log(1 + |x|) stands for
    every x, fixed rather than fitted, and each modality has a first layer of its own.

    Raises ConfigError without a statistic.
    """

    def __init__(self, modalities: int, statistics: int, width: int) -> None:
        super().__init__()
        if statistics < 1:
            raise ConfigError(
                f"scale needs statistics of each modality, got statistics={statistics}; "
                "say how many there are"
            )
        self.shape = (modalities, statistics)
        self.in_proj = TokenLinear(modalities, statistics, width)
        # A norm follows, which takes away a vector's length. Without biases the level would be
        # little else than that length.
        nn.init.normal_(self.in_proj.bias)
        self.out_proj = nn.Linear(width, width)

    def forward(
        self,
        scale: Float[Tensor, "batch modality statistic"] | None,
        present: Bool[Tensor, "batch modality"],
    ) -> Float[Tensor, "batch modality one feature"]:
        """Give a step a modality; what stands where `present` is false may be anything.

        Raises:
            ModelError: without statistics, or for another shape than this was built for.
        """
        if scale is None or tuple(scale.shape[1:]) != self.shape:
            shape = "none" if scale is None else str(tuple(scale.shape[1:]))
            raise ModelError(
                f"the projector reads each window's scale, (modality, statistic) {self.shape}, "
                f"got {shape}; give the statistics that it was trained with"
            )
        # Not after the layers: the gradient of what is not a number is none either.
        statistics = torch.where(present[:, :, None], scale, 0.0)
        squashed = statistics.sign() * statistics.abs().log1p()
        hidden = nn.functional.gelu(self.in_proj(squashed.to(self.out_proj.weight.dtype)))
        return self.out_proj(hidden).unsqueeze(2)
