"""From encoder steps to K signal tokens of the language model's width.

    projector = Projector(config, modalities=3, steps=16, in_width=96, out_width=llm.width,
                          target_std=llm.embedding_std)
    tokens = projector(steps, present)               (batch, K, width)

Notation: `modality` and `step` are the encoder's, `feature` its width; `token` is one of the K
signal tokens, `width` the language model's.

What the kinds share stands in `Projector`: an absent modality is replaced by a learned vector
before anything looks at it, steps are normalised, and every token leaves with the language
model's own embedding scale, times a gain that is learned from 1.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.errors import ConfigError, ModelError


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


class StepMix(nn.Module):
    """Mix each modality's steps into one vector a token; starts as the plain average."""

    owner: Tensor

    def __init__(self, seen: Bool[Tensor, "token modality"], steps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((len(seen), steps), 1 / steps))
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


def linear(
    config: ProjectorConfig, modalities: int, steps: int, in_width: int, out_width: int
) -> nn.Module:
    """Build one linear map a token over mixed steps; tokens x mixed x out_width parameters."""
    seen = token_modalities(config, modalities)
    mixed = in_width * int(seen[0].sum())
    return nn.Sequential(
        StepMix(seen, steps),
        nn.Dropout(config.dropout),
        TokenLinear(config.tokens, mixed, out_width),
    )


def mlp(
    config: ProjectorConfig, modalities: int, steps: int, in_width: int, out_width: int
) -> nn.Module:
    """Build a shared hidden layer over mixed steps, then one linear map a token."""
    seen = token_modalities(config, modalities)
    mixed = in_width * int(seen[0].sum())
    return nn.Sequential(
        StepMix(seen, steps),
        nn.Linear(mixed, config.hidden),
        nn.GELU(),
        nn.Dropout(config.dropout),
        TokenLinear(config.tokens, config.hidden, out_width),
    )


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
        self.enter = nn.Linear(in_width, width)
        self.latents = nn.Parameter(torch.randn(config.tokens, width))
        self.modality = nn.Parameter(0.1 * torch.randn(modalities, 1, width))
        self.position = nn.Parameter(0.1 * torch.randn(1, steps, width))
        self.blocks = nn.ModuleList(
            PerceiverBlock(width, config.heads, config.dropout) for _ in range(config.depth)
        )
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out_width))
        seen = token_modalities(config, modalities)
        same = seen.int() @ seen.int().T > 0
        keys = torch.cat([seen.repeat_interleave(steps, dim=1), same], dim=1)
        self.register_buffer("hidden_from", ~keys, persistent=False)

    def forward(
        self, steps: Float[Tensor, "batch modality step feature"]
    ) -> Float[Tensor, "batch token width"]:
        """Read all steps into the latents."""
        positions = (self.enter(steps) + self.modality + self.position).flatten(1, 2)
        latents = self.latents.expand(len(steps), -1, -1)
        for block in self.blocks:
            latents = block(latents, positions, self.hidden_from)
        return self.leave(latents)


PROJECTORS: dict[str, Callable[[ProjectorConfig, int, int, int, int], nn.Module]] = {
    "linear": linear,
    "mlp": mlp,
    "perceiver": Perceiver,
}


class Projector(nn.Module):
    """Turn a window's encoder steps into K signal tokens on the language model's scale.

    Args:
        config: kind and sizes.
        modalities: how many the encoder has, present or not.
        steps: encoder steps of each modality.
        in_width: the encoder's width.
        out_width: the language model's embedding width.
        target_std: the standard deviation of the language model's embeddings.

    Example:
        >>> projector = Projector(ProjectorConfig(), 2, 16, 96, 64, target_std=0.02)
        >>> projector(torch.randn(4, 2, 16, 96), torch.ones(4, 2, dtype=torch.bool)).shape
        torch.Size([4, 8, 64])
    """

    target_std: Tensor

    def __init__(
        self,
        config: ProjectorConfig,
        modalities: int,
        steps: int,
        in_width: int,
        out_width: int,
        target_std: float,
    ) -> None:
        super().__init__()
        self.shape = (modalities, steps, in_width)
        self.missing = nn.Parameter(torch.randn(modalities, in_width))
        self.norm_in = nn.LayerNorm(in_width)
        self.body = PROJECTORS[config.kind](config, modalities, steps, in_width, out_width)
        self.norm_out = nn.LayerNorm(out_width, elementwise_affine=False)
        self.gain = nn.Parameter(torch.ones(out_width))
        self.register_buffer("target_std", torch.tensor(float(target_std)))

    def forward(
        self,
        steps: Float[Tensor, "batch modality step feature"],
        present: Bool[Tensor, "batch modality"],
    ) -> Float[Tensor, "batch token width"]:
        """Project steps; what stands where `present` is false never matters.

        Raises:
            ModelError: where the steps have another shape than the projector was built for.
        """
        if tuple(steps.shape[1:]) != self.shape:
            raise ModelError(
                f"encoder steps are (modality, step, width) {tuple(steps.shape[1:])}, but the "
                f"projector was built for {self.shape}; use the encoder that it was trained with"
            )
        here = present[:, :, None, None]
        stand_in = self.missing[None, :, None, :].to(steps.dtype)
        known = torch.where(here, steps, stand_in)
        return self.norm_out(self.body(self.norm_in(known))) * self.gain * self.target_std
