"""CroSSL's cross-modal aggregator: all modalities' embeddings to one vector."""

from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.encoders.config import EncoderConfig


class Aggregator(nn.Module):
    """Join modality embeddings: concatenate, two ReLU layers, a linear one, LayerNorm.

    A missing modality's embedding is zeros, in pretraining (latent masking) as in use
    [CroSSL, sec. 3.2].

    Example:
        >>> import torch
        >>> Aggregator(3, EncoderConfig())(torch.zeros(2, 3, 96)).shape
        torch.Size([2, 32])
    """

    def __init__(self, modalities: int, config: EncoderConfig) -> None:
        super().__init__()
        hidden, width = config.aggregator_hidden, config.aggregator_width
        self.layers = nn.Sequential(
            nn.Linear(modalities * config.width, hidden),
            nn.ReLU(),
            nn.Linear(hidden, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.LayerNorm(width),
        )

    def forward(
        self, embeddings: Float[Tensor, "batch modality width"]
    ) -> Float[Tensor, "batch aggregate"]:
        """Give the joint embedding; absent modalities' rows must already be zeros."""
        return self.layers(embeddings.flatten(1))
