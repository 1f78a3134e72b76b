"""Multimodal NCE: pairs of modalities of one window find each other in a common space."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretraining.objective_config import MultimodalNCEConfig
from sensor2llm.pretraining.simclr import projection
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.training.loop import StepLoss


class MultimodalNCE(nn.Module):
    """Pretrain modality encoders by contrasting every pair of modalities [VATT, sec. 3.3].

    Each pair has a common space of its own: two projection heads. DropToken leaves out a share of
    every modality's tokens, in training only. A backbone shared by all modalities is the encoder's
    matter (`patch_transformer` with `shared`). The aggregator takes no part.
    """

    def __init__(self, encoder: SignalEncoder, config: MultimodalNCEConfig | None = None) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config or MultimodalNCEConfig()
        self.pairs = list(combinations(range(len(encoder.spec.names)), 2))
        width = self.config.projection_width
        self.left = nn.ModuleList(projection(encoder.width, width) for _ in self.pairs)
        self.right = nn.ModuleList(projection(encoder.width, width) for _ in self.pairs)
        encoder.aggregator.requires_grad_(False)

    def forward(self, batch: SignalBatch, generator: torch.Generator | None = None) -> StepLoss:
        """Give the loss of a normalised batch, summed over its windows."""
        drop = self.config.token_drop if self.training else 0.0
        steps = self.encoder.encode_steps(batch, token_drop=drop, generator=generator)
        pooled = self.encoder.pool(steps)
        losses, recall = [], []
        for (i, j), left, right in zip(self.pairs, self.left, self.right, strict=True):
            rows = batch.present[:, i] & batch.present[:, j]
            if int(rows.sum()) > 1:
                a, b = left(pooled[rows, i]), right(pooled[rows, j])
                losses.append(nce(a, b, self.config.temperature))
                recall.append(recall_at(a.detach(), b.detach(), 1))
        mean = torch.stack(losses).mean() if losses else pooled.sum() * 0.0
        metrics = {"recall_at_1": sum(recall) / len(recall)} if recall else {}
        return StepLoss(mean * len(batch), float(len(batch)), metrics)

    @torch.no_grad()
    def recall(
        self, batches: Iterable[SignalBatch], ks: Sequence[int] = (1, 5, 10)
    ) -> dict[str, dict[str, float]]:
        """Give recall@k of each pair over all windows together, with the share that chance finds.

        Returns:
            "accel, gyro" to {"windows": …, "at_1": …, "chance_at_1": …, …}.
        """
        parts: dict[tuple[str, str], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for batch in batches:
            for pair, embeddings in self.common(batch).items():
                parts[pair].append(embeddings)
        recalls: dict[str, dict[str, float]] = {}
        for pair, batched in parts.items():
            a, b = (torch.cat(side) for side in zip(*batched, strict=True))
            numbers = {"windows": float(len(a))}
            for k in ks:
                numbers[f"at_{k}"] = recall_at(a, b, k) if len(a) else 0.0
                numbers[f"chance_at_{k}"] = min(k / max(len(a), 1), 1.0)
            recalls[", ".join(pair)] = numbers
        return recalls

    @torch.no_grad()
    def common(self, batch: SignalBatch) -> dict[tuple[str, str], tuple[Tensor, Tensor]]:
        """Give both modalities' vectors in each pair's space, windows that have both only."""
        pooled = self.encoder.pool(self.encoder.encode_steps(batch))
        names, pairs = self.encoder.spec.names, {}
        for (i, j), left, right in zip(self.pairs, self.left, self.right, strict=True):
            rows = batch.present[:, i] & batch.present[:, j]
            pairs[names[i], names[j]] = (left(pooled[rows, i]), right(pooled[rows, j]))
        return pairs


def nce(a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], temperature: float) -> Tensor:
    """Give the cross-entropy of finding b among all b's by a, and a by b, averaged.

    Vectors are L2-normalised; a window's other modality is the positive, the batch's other windows
    are the negatives [VATT, eq. 3].
    """
    logits = _similarity(a, b) / temperature
    right = torch.arange(len(a), device=a.device)
    there, back = (functional.cross_entropy(x, right) for x in (logits, logits.T))
    return (there + back) / 2


def recall_at(a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], k: int) -> float:
    """Give the share of windows whose other modality is among the k nearest, both ways averaged.

    What is as near as the right one counts as nearer: embeddings that are all alike find nothing.
    """
    similarity = _similarity(a, b)
    own = similarity.diagonal()[:, None]
    nearer = [(x >= own).sum(1) - 1 for x in (similarity, similarity.T)]
    return float(torch.cat(nearer).lt(k).float().mean())


def _similarity(
    a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"]
) -> Float[Tensor, "batch batch"]:
    return functional.normalize(a.float(), dim=1) @ functional.normalize(b.float(), dim=1).T
