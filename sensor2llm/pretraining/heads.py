"""A plain classification head over an encoder: the baseline without a language model."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretraining.augment import Augmenter
from sensor2llm.pretraining.config import FinetuneConfig, HeadConfig
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.training.loop import StepLoss


def build_head(inputs: int, classes: int, config: HeadConfig) -> nn.Sequential:
    """Build Dense-ReLU-dropout-Dense, or one linear layer where width is 0 [CroSSL, sec. 4.4]."""
    if not config.width:
        return nn.Sequential(nn.Linear(inputs, classes))
    return nn.Sequential(
        nn.Linear(inputs, config.width),
        nn.ReLU(),
        nn.Dropout(config.dropout),
        nn.Linear(config.width, classes),
    )


class SignalClassifier(nn.Module):
    """Classify windows by a head over the concatenated modality embeddings.

    Without an augmenter, training windows are taken as they are.
    """

    def __init__(
        self,
        encoder: SignalEncoder,
        classes: int,
        config: FinetuneConfig,
        augmenter: Augmenter | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.config, self.augmenter = encoder, config, augmenter
        self.head = build_head(len(encoder.spec.names) * encoder.width, classes, config.head)
        if config.freeze_encoder:
            encoder.requires_grad_(False)
        else:
            # The head bypasses the aggregator [CroSSL, released code].
            encoder.aggregator.requires_grad_(False)

    def train(self, mode: bool = True) -> "SignalClassifier":
        """Switch modes; a fixed encoder stays in eval mode."""
        super().train(mode)
        if self.config.freeze_encoder:
            self.encoder.eval()
        return self

    def forward(self, batch: SignalBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the cross-entropy of a labelled batch, summed over its windows."""
        if self.training and self.augmenter is not None:
            batch = self.augmenter(batch, generator)
        loss = functional.cross_entropy(
            self.logits(batch),
            batch.labels,
            reduction="sum",
            label_smoothing=self.config.label_smoothing if self.training else 0.0,
        )
        return StepLoss(loss, float(len(batch)))

    def logits(self, batch: SignalBatch) -> Float[Tensor, "batch label"]:
        """Give each label's logit for a normalised batch."""
        pooled = self.encoder.pool(self.encoder.encode_steps(batch))
        return self.head(pooled.flatten(1))
