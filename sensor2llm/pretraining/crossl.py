"""CroSSL: two latent-masked views of a window's modality embeddings, joined and compared."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretraining.masking import temporal_mask, two_views
from sensor2llm.pretraining.objective_config import CroSSLConfig
from sensor2llm.pretraining.vicreg import vicreg_loss
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.training.loop import StepLoss


class CroSSL(nn.Module):
    """Pretrain an encoder without labels [CroSSL, sec. 3].

    Each modality's steps are pooled; two masks hide parts of the pooled embeddings; the aggregator
    joins what is left of each view; VICReg draws the two joint embeddings together. Dropout stays
    off, in training as in validation.
    """

    def __init__(self, encoder: SignalEncoder, config: CroSSLConfig | None = None) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config or CroSSLConfig()
        encoder.aggregator.requires_grad_(True)  # other objectives and fine-tuning switch it off
        self.train()

    def train(self, mode: bool = True) -> "CroSSL":
        """Switch modes, but keep the encoder's dropout off."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.Dropout | nn.Dropout1d | nn.Dropout2d):
                module.eval()
        return self

    def forward(self, batch: SignalBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss of a normalised batch, summed over its windows.

        Raises:
            ConfigError: the batch has fewer than two windows.
        """
        steps = self.encoder.encode_steps(batch)
        a, b = self.views(steps, batch.present, generator)
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
        steps: Mapping[str, Float[Tensor, "batch _step width"]],
        present: Bool[Tensor, "batch modality"],
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch aggregate"], Float[Tensor, "batch aggregate"]]:
        """Give the joint embeddings of two masked views."""
        if self.config.mask == "temporal":
            return self._temporal_views(steps, present, generator)
        pooled, available = self.encoder.pool(steps), present.unsqueeze(-1)
        if self.config.mask == "random":
            available = available.expand_as(pooled)
        ratio, distinct = self.config.masking_ratio, self.config.distinct_views
        masks = two_views(available, ratio, generator, distinct=distinct)
        a, b = (self.encoder.aggregator(pooled * mask) for mask in masks)
        return a, b

    def _temporal_views(
        self,
        steps: Mapping[str, Float[Tensor, "batch _step width"]],
        present: Bool[Tensor, "batch modality"],
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "batch aggregate"], Float[Tensor, "batch aggregate"]]:
        """Mask before pooling: what is hidden of a modality is a part of its time."""
        config, names = self.config, self.encoder.spec.names
        views = temporal_mask(
            present, [steps[name].shape[1] for name in names], config.masking_ratio,
            config.mask_span, generator, distinct=config.distinct_views,
        )  # fmt: skip
        a, b = (
            self.encoder.aggregator(
                self.encoder.pool(
                    {name: steps[name] * mask for name, mask in zip(names, masks, strict=True)}
                )
            )
            for masks in views
        )
        return a, b
