"""COCOA: modalities of one window drawn together, windows of one modality pushed apart.

Both released losses are here. Notation: z is an L2-normalised modality embedding, t the
temperature, B windows, M modalities; sums leave out modalities that a window does not have.

    cross_entropy   sum_b -log(P_b / (P_b + N_b)),   P_b = sum_{m != n} exp(<z_bm, z_bn> / t)
    distance        w_p sum_b mean_{m, n} exp((1 - <z_bm, z_bn>) / t) + w_n sum_b N_b

    both            N_b = sum_m mean_{c != b} exp(<z_bm, z_cm> / t)
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretraining.objective_config import CocoaConfig
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.training.loop import StepLoss

TINY = 1e-12


class Cocoa(nn.Module):
    """Pretrain modality encoders without labels [COCOA, Deldari et al. 2022, sec. 3].

    The aggregator takes no part and is left as it is.
    """

    def __init__(self, encoder: SignalEncoder, config: CocoaConfig | None = None) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config or CocoaConfig()
        encoder.aggregator.requires_grad_(False)

    def forward(self, batch: SignalBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss of a normalised batch, summed over its windows."""
        pooled = self.encoder.pool(self.encoder.encode_steps(batch))
        return StepLoss(cocoa_loss(pooled, batch.present, self.config), float(len(batch)))


def cocoa_loss(
    embeddings: Float[Tensor, "batch modality width"],
    present: Bool[Tensor, "batch modality"],
    config: CocoaConfig,
) -> Tensor:
    """Give the sum over windows of the configured form; absent modalities do not count."""
    z, temperature = functional.normalize(embeddings.float(), dim=-1), config.temperature
    cross, both = z @ z.transpose(1, 2), present.unsqueeze(2) & present.unsqueeze(1)
    apart = _likeness_of_others(z, present, temperature)
    if config.form == "distance":
        distance = ((1 - cross) / temperature).exp() * both
        positive = (distance.sum((1, 2)) / both.sum((1, 2)).clamp(min=1)).sum()
        return config.positive_weight * positive + config.negative_weight * apart.sum()
    others = both & ~torch.eye(present.shape[1], dtype=torch.bool, device=present.device)
    together = ((cross / temperature).exp() * others).sum((1, 2))
    # A window with one modality has no pair, so nothing to be drawn together.
    several = others.flatten(1).any(1)
    share = together / (together + apart).clamp(min=TINY)
    return -(share[several].clamp(min=TINY).log()).sum()


def _likeness_of_others(
    z: Float[Tensor, "batch modality width"],
    present: Bool[Tensor, "batch modality"],
    temperature: float,
) -> Float[Tensor, " batch"]:
    """Give N_b."""
    within = torch.einsum("bmw,cmw->mbc", z, z)
    pairs = present.T.unsqueeze(2) & present.T.unsqueeze(1)
    pairs = pairs & ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    likeness = ((within / temperature).exp() * pairs).sum(2) / pairs.sum(2).clamp(min=1)
    return likeness.sum(0)
