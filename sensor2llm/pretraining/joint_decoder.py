"""The masked autoencoder's decoder: a transformer over all modalities' features, parts of time."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sensor2llm.encoders.patch_transformer import sinusoids


class JointAttention(nn.Module):
    """Attend over the tokens of all modalities; gives the weights too, for pictures."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inner = nn.Linear(width, 3 * width)
        self.outer = nn.Linear(width, width)

    def forward(
        self, tokens: Float[Tensor, "batch token width"], allowed: Bool[Tensor, "batch token token"]
    ) -> tuple[Float[Tensor, "batch token width"], Float[Tensor, "batch head token token"]]:
        """Give the attended tokens, and who attended to whom."""
        rows, count, width = tokens.shape
        parts = self.inner(tokens).view(rows, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        # Written out: on a CPU its backward pass is faster than the fused one's.
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~allowed.unsqueeze(1), -1e4).softmax(-1)
        joined = (weights @ value).transpose(1, 2).reshape(rows, count, width)
        return self.outer(joined), weights


class JointDecoder(nn.Module):
    """Let every token of a window look at the tokens that it may, layer by layer.

    Pre-norm transformer layers with a feed-forward part twice as wide. Tokens carry which modality
    and which part of the window's time they are; a hidden modality's are a learned vector.
    """

    def __init__(
        self, width: int, modalities: int, patches: int, layers: int, heads: int, cross_modal: bool
    ) -> None:
        super().__init__()
        self.patches, self.cross_modal = patches, cross_modal
        self.modality = nn.Parameter(torch.randn(modalities, width) * 0.02)
        self.unseen = nn.Parameter(torch.randn(width) * 0.02)
        self.register_buffer("place", sinusoids(patches, width), persistent=False)
        self.attentions = nn.ModuleList(JointAttention(width, heads) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.feeds = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(),
                nn.Linear(2 * width, width),
            )
            for _ in range(layers)
        )  # fmt: skip
        self.last = nn.LayerNorm(width)

    place: Tensor

    def forward(
        self,
        features: Float[Tensor, "batch modality patch width"],
        seen: Bool[Tensor, "batch modality"],
    ) -> tuple[
        Float[Tensor, "batch modality patch width"],
        Float[Tensor, "batch layer head token token"],
    ]:
        """Give each token's decoded features, and the attention of each layer and head.

        Tokens of modalities that are not `seen` are the learned vector, and nobody looks at them.
        """
        rows, modalities, patches, width = features.shape
        tokens = torch.where(seen[:, :, None, None], features, self.unseen)
        tokens = tokens + self.modality[:, None] + self.place
        x = tokens.reshape(rows, modalities * patches, width)
        allowed, weights = self._allowed(seen), []
        for norm, attention, feed in zip(self.norms, self.attentions, self.feeds, strict=True):
            attended, weight = attention(norm(x), allowed)
            x = x + attended
            x = x + feed(x)
            weights.append(weight)
        decoded = self.last(x).view(rows, modalities, patches, width)
        return decoded, torch.stack(weights, dim=1)

    def _allowed(self, seen: Bool[Tensor, "batch modality"]) -> Bool[Tensor, "batch token token"]:
        """Say which token may look at which: at what was seen; maybe at its own modality only."""
        keys = seen.repeat_interleave(self.patches, dim=1)
        owner = torch.arange(keys.shape[1], device=seen.device) // self.patches
        own = owner[:, None] == owner[None, :]
        pairs = keys[:, None, :] if self.cross_modal else keys[:, None, :] & own
        return pairs.expand(-1, keys.shape[1], -1)
