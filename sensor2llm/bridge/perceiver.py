"""The perceiver resampler: learned latents that attend to every encoder step [Flamingo]."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.temporal_pooling import token_modalities


class PerceiverBlock(nn.Module):
    """Latents attend to steps and to themselves, then pass a feed-forward layer [Flamingo]."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_latents = nn.LayerNorm(width)
        self.norm_steps = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )

    def forward(
        self,
        latents: Float[Tensor, "batch token hidden"],
        steps: Float[Tensor, "batch position hidden"],
        hidden_from: Bool[Tensor, "token key"],
    ) -> Float[Tensor, "batch token hidden"]:
        """Update the latents; `hidden_from` marks the keys that a token must not see."""
        query = self.norm_latents(latents)
        keys = torch.cat([self.norm_steps(steps), query], dim=1)
        seen, _ = self.attention(query, keys, keys, attn_mask=hidden_from, need_weights=False)
        latents = latents + seen
        return latents + self.feed_forward(latents)


class Perceiver(nn.Module):
    """K learned latents that attend to every step, each with its modality and position."""

    hidden_from: Tensor

    def __init__(
        self, config: ProjectorConfig, modalities: int, steps: int, in_width: int, out_width: int
    ) -> None:
        super().__init__()
        width = config.hidden
        self.in_proj = nn.Linear(in_width, width)
        self.latents = nn.Parameter(torch.randn(config.tokens, width))
        self.modality = nn.Parameter(0.1 * torch.randn(modalities, 1, width))
        self.position = nn.Parameter(0.1 * torch.randn(1, steps, width))
        self.blocks = nn.ModuleList(
            PerceiverBlock(width, config.heads, config.dropout) for _ in range(config.depth)
        )
        self.out_proj = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out_width))
        seen = token_modalities(config, modalities)
        same = seen.int() @ seen.int().T > 0
        keys = torch.cat([seen.repeat_interleave(steps, dim=1), same], dim=1)
        self.register_buffer("hidden_from", ~keys, persistent=False)

    def forward(
        self, steps: Float[Tensor, "batch modality step feature"]
    ) -> Float[Tensor, "batch token width"]:
        """Read all steps into the latents."""
        positions = (self.in_proj(steps) + self.modality + self.position).flatten(1, 2)
        latents = self.latents.expand(len(steps), -1, -1)
        for block in self.blocks:
            latents = block(latents, positions, self.hidden_from)
        return self.out_proj(latents)
