"""The encoder of a modality without an axis: a row of values, such as clinical ones, as one step.

It takes the place of every kind of encoder for such modalities.
"""

from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.signals.spec import Modality


class RowMLP(nn.Module):
    """Encode a row of values as one step: Linear, GELU, residual blocks, Linear.

    With one hidden layer (`tabular_layers` 1) there is no residual block. More layers follow the
    ResNet for tables [Gorishniy et al. 2021, sec. 3.3], with LayerNorm so that a row's features
    never depend on the batch.
    """

    def __init__(self, modality: Modality, config: EncoderConfig) -> None:
        super().__init__()
        width, dropout = config.width, config.dropout
        self.layers = nn.Sequential(
            nn.Linear(len(modality.channels) * modality.steps, width),
            nn.GELU(),
            nn.Dropout(dropout),
            *(LinearResidualBlock(width, dropout) for _ in range(config.tabular_layers - 1)),
            nn.Linear(width, width),
        )

    def forward(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "batch 1 width"]:
        """Give one feature vector for the whole row."""
        return self.layers(values.flatten(1)).unsqueeze(1)


class LinearResidualBlock(nn.Module):
    """Add to a row's features what LayerNorm, Linear, GELU, dropout and Linear make of them."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def forward(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Give features of the same width."""
        return x + self.layers(x)
