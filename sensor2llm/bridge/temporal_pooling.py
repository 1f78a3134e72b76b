"""Which modalities a token sees, and the step vectors that it mixes of them.

Notation: `token` is one of the K signal tokens, `mixed` the features that one token sees: those of
all modalities, side by side, or of its own with `per_modality`.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.errors import ConfigError


def token_modalities(config: ProjectorConfig, modalities: int) -> Bool[Tensor, "token modality"]:
    """Say which modalities each token may see: all of them, or one with `per_modality`.

    Raises:
        ConfigError: where there are fewer tokens than modalities to share them.
    """
    if not config.per_modality:
        return torch.ones(config.tokens, modalities, dtype=torch.bool)
    if config.tokens < modalities:
        raise ConfigError(
            f"per_modality needs a token for each of {modalities} modalities, got {config.tokens}"
        )
    owner = torch.arange(config.tokens) * modalities // config.tokens
    return nn.functional.one_hot(owner, modalities).bool()


def segments(seen: Bool[Tensor, "token modality"], steps: int) -> Float[Tensor, "token step"]:
    """Give weights that average one stretch of the steps for each token, in order.

    The tokens that see the same modality share its steps; a step on the border of two stretches
    counts for both by its parts. Every row adds up to one.
    """
    owner = seen.int().argmax(dim=1)
    rank = seen.cumsum(dim=0).gather(1, owner[:, None]) - 1
    length = steps / seen.sum(dim=0)[owner][:, None]
    first = torch.arange(steps)
    end = torch.minimum(first + 1, (rank + 1) * length)
    return (end - torch.maximum(first, rank * length)).clamp(min=0) / length


class LearnedTemporalPooling(nn.Module):
    """Mix each modality's steps into one vector a token; starts as the plain average, or `start`.

    A token sees all modalities, or one.
    """

    owner: Tensor

    def __init__(
        self,
        seen: Bool[Tensor, "token modality"],
        steps: int,
        start: Float[Tensor, "token step"] | None = None,
    ) -> None:
        super().__init__()
        average = torch.full((len(seen), steps), 1 / steps)
        self.weight = nn.Parameter(average if start is None else start)
        self.register_buffer("owner", seen.int().argmax(dim=1), persistent=False)
        self.joint = bool(seen.all())

    def forward(
        self, steps: Float[Tensor, "batch modality step feature"]
    ) -> Float[Tensor, "batch token mixed"]:
        """Give (batch, token, modality x feature), or only the token's own modality's features."""
        if self.joint:
            return torch.einsum("bmsf,ks->bkmf", steps, self.weight).flatten(2)
        return torch.einsum("bksf,ks->bkf", steps[:, self.owner], self.weight)


class TokenLinear(nn.Module):
    """One linear map a token."""

    def __init__(self, tokens: int, in_width: int, out_width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(tokens, in_width, out_width) / in_width**0.5)
        self.bias = nn.Parameter(torch.zeros(tokens, out_width))

    def forward(
        self, features: Float[Tensor, "batch token mixed"]
    ) -> Float[Tensor, "batch token width"]:
        """Map each token's features with its own matrix."""
        return torch.einsum("bkf,kfw->bkw", features, self.weight) + self.bias
