"""The Q-Former: learned queries that talk to each other, then look at the steps, in every block.

It differs from the perceiver in three ways. The queries attend to themselves and to the steps one
after the other, each with weights of its own; in the perceiver both are keys of one attention.
The norms stand after each sum, as in BERT; in the perceiver before. BLIP-2 looks at the picture
in every second block; here every one of the few blocks looks at the steps. [BLIP-2, sec. 3.1]
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.temporal_pooling import token_modalities


class QFormerBlock(nn.Module):
    """Let queries attend to each other, then to the steps, then pass a feed-forward layer."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.among = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norm_among = nn.LayerNorm(width)
        self.across = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norm_across = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.norm_forward = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(
        self,
        queries: Float[Tensor, "batch token hidden"],
        steps: Float[Tensor, "batch position hidden"],
        strangers: Bool[Tensor, "token token"],
        hidden_steps: Bool[Tensor, "token position"],
    ) -> Float[Tensor, "batch token hidden"]:
        """Update the queries; the masks mark tokens and steps that a token must not see."""
        attended, _ = self.among(queries, queries, queries, attn_mask=strangers, need_weights=False)
        queries = self.norm_among(queries + self.drop(attended))
        seen, _ = self.across(queries, steps, steps, attn_mask=hidden_steps, need_weights=False)
        queries = self.norm_across(queries + self.drop(seen))
        return self.norm_forward(queries + self.drop(self.feed_forward(queries)))


class QFormer(nn.Module):
    """K learned queries that read the steps, each with its modality and position."""

    strangers: Tensor
    hidden_steps: Tensor

    def __init__(
        self, config: ProjectorConfig, modalities: int, steps: int, in_width: int, out_width: int
    ) -> None:
        super().__init__()
        width = config.hidden
        self.in_proj = nn.Linear(in_width, width)
        self.modality = nn.Parameter(0.1 * torch.randn(modalities, 1, width))
        self.position = nn.Parameter(0.1 * torch.randn(1, steps, width))
        self.norm_steps = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(config.tokens, width))
        self.norm_queries = nn.LayerNorm(width)
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            QFormerBlock(width, config.heads, config.dropout) for _ in range(config.depth)
        )
        self.out_proj = nn.Linear(width, out_width)
        seen = token_modalities(config, modalities)
        same = seen.int() @ seen.int().T > 0
        self.register_buffer("strangers", ~same, persistent=False)
        hidden_steps = ~seen.repeat_interleave(steps, dim=1)
        self.register_buffer("hidden_steps", hidden_steps, persistent=False)

    def forward(
        self, steps: Float[Tensor, "batch modality step feature"]
    ) -> Float[Tensor, "batch token width"]:
        """Read all steps into the queries."""
        placed = self.in_proj(steps) + self.modality + self.position
        positions = self.norm_steps(placed.flatten(1, 2))
        queries = self.drop(self.norm_queries(self.queries)).expand(len(steps), -1, -1)
        for block in self.blocks:
            queries = block(queries, positions, self.strangers, self.hidden_steps)
        return self.out_proj(queries)
