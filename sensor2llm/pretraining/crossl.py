"""CroSSL: two latent-masked views of a window's modality embeddings, joined and compared."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.config import CroSSLConfig
from sensor2llm.pretraining.masking import random_mask, spatial_mask
from sensor2llm.pretraining.vicreg import vicreg_loss
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.training.loop import StepLoss


class CroSSL(nn.Module):
    """Pretrain an encoder without labels [CroSSL, sec. 3].

    Each modality's steps are pooled; two masks hide parts of the pooled embeddings; the aggregator
    joins what is left of each view; VICReg draws the two joint embeddings together. Dropout stays
    off, in training as in validation.

    Args:
        encoder: what is pretrained.
        config: masks and coefficients.
    """

    def __init__(self, encoder: SignalEncoder, config: CroSSLConfig | None = None) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config or CroSSLConfig()
        self.train()

    def train(self, mode: bool = True) -> "CroSSL":
        """Switch modes, but keep the encoder's dropout off."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.Dropout | nn.Dropout2d):
                module.eval()
        return self

    def forward(self, batch: SignalBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss of a normalised batch, summed over its windows.

        Raises:
            ConfigError: the batch has fewer than two windows.
        """
        pooled = self.encoder.pool(self.encoder.encode_steps(batch))
        a, b = self.views(pooled, batch.present, generator)
        terms = vicreg_loss(
            a, b,
            similarity=self.config.similarity, std=self.config.std,
            covariance=self.config.covariance,
        )  # fmt: skip
        metrics = {name: value.detach() for name, value in terms._asdict().items()}
        del metrics["loss"]
        return StepLoss(terms.loss * len(batch), float(len(batch)), metrics)

    def views(
        self,
        pooled: Float[Tensor, "batch modality width"],
        present: Bool[Tensor, "batch modality"],
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch aggregate"], Float[Tensor, "batch aggregate"]]:
        """Give the joint embeddings of two masked views."""
        ratio, distinct = self.config.masking_ratio, self.config.distinct_views
        if self.config.mask == "spatial":
            masks = spatial_mask(present, ratio, generator, distinct=distinct)
        else:
            masks = random_mask(present, pooled.shape[-1], ratio, generator, distinct=distinct)
        a, b = (self.encoder.aggregator(pooled * mask) for mask in masks)
        return a, b


OBJECTIVES = {"crossl": CroSSL}


def build_objective(kind: str, encoder: SignalEncoder, config: CroSSLConfig) -> nn.Module:
    """Build a pretraining objective by name.

    Raises:
        ConfigError: there is none of that name.
    """
    if kind not in OBJECTIVES:
        raise ConfigError(f"unknown objective {kind!r}; choose from {', '.join(OBJECTIVES)}")
    return OBJECTIVES[kind](encoder, config)
