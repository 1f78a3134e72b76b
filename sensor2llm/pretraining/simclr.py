"""SimCLR: two varied views of a modality find each other among all windows' views."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretraining.augment import Augmenter
from sensor2llm.pretraining.objective_config import SimCLRConfig
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.transforms import Normaliser
from sensor2llm.training.loop import StepLoss


class SimCLR(nn.Module):
    """Pretrain each modality's encoder without labels, alone [SimCLR, sec. 2].

    Every modality is contrasted by itself and the losses are averaged over a batch's modalities.
    Variations are those of fine-tuning, drawn twice. The aggregator takes no part.

    Variations are those of fine-tuning, drawn twice. The aggregator takes no part.
    """

    def __init__(
        self,
        encoder: SignalEncoder,
        config: SimCLRConfig | None = None,
        normaliser: Normaliser | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config or SimCLRConfig()
        self.augmenter = Augmenter(encoder.spec, normaliser, self.config.augment)
        self.projections = nn.ModuleList(
            projection(encoder.width, self.config.projection_width) for _ in encoder.spec.names
        )
        encoder.aggregator.requires_grad_(False)

    def forward(self, batch: SignalBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss of a normalised batch, summed over its windows."""
        varied = [self.augmenter(batch, generator) for _ in range(2)]
        views = [self._pooled(view) for view in varied]
        # The variations may take a modality away from either view.
        present = varied[0].present & varied[1].present
        losses = []
        for i, project in enumerate(self.projections):
            rows = present[:, i]
            if int(rows.sum()) > 1:
                a, b = (project(view[rows, i]) for view in views)
                losses.append(nt_xent(a, b, self.config.temperature))
        mean = torch.stack(losses).mean() if losses else views[0].sum() * 0.0
        return StepLoss(mean * len(batch), float(len(batch)))

    def _pooled(self, batch: SignalBatch) -> Float[Tensor, "batch modality width"]:
        return self.encoder.pool(self.encoder.encode_steps(batch))


def projection(width: int, out: int) -> nn.Sequential:
    """Build a projection head: Linear, ReLU, Linear [SimCLR, sec. 4.2]."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


def nt_xent(
    a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], temperature: float
) -> Tensor:
    """Give the normalised temperature-scaled cross-entropy, averaged over 2B views [SimCLR, eq. 1].

    A view's positive is the other view of its window; all 2B - 2 remaining views are negatives.
    """
    z = functional.normalize(torch.cat([a, b]).float(), dim=1)
    rows = len(a)
    logits = z @ z.T / temperature
    logits = logits.masked_fill(torch.eye(2 * rows, dtype=torch.bool, device=z.device), -torch.inf)
    partner = torch.arange(2 * rows, device=z.device).roll(rows)
    return functional.cross_entropy(logits, partner)
