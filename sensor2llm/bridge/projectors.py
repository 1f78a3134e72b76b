"""From encoder steps to K signal tokens of the language model's width.

    projector = Projector(config, modalities=3, steps=16, in_width=96, out_width=llm.width,
                          target_std=llm.embedding_std)
    tokens = projector(steps, present)               (batch, K, projector.out_width)

Notation: `modality` and `step` are the encoder's, `feature` its width; `token` is one of the K
signal tokens, `width` the language model's.

What the kinds share stands in `Projector`: an absent modality is replaced by a learned vector
before anything looks at it, steps are normalised, and every token leaves with the language
model's own embedding scale, times a gain that is learned from 1. Only `cross_attention` gives no
tokens for a prompt: its K vectors are as wide as the projector inside, on the scale of a norm, for
the layers that look at them.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.extra.qformer import QFormer
from sensor2llm.bridge.extra.reprogramming import Reprogramming
from sensor2llm.bridge.perceiver import Perceiver
from sensor2llm.bridge.temporal_pooling import LearnedTemporalPooling, TokenLinear, token_modalities
from sensor2llm.bridge.window_statistics import WindowStatisticsToken
from sensor2llm.errors import ModelError


def linear(
    config: ProjectorConfig, modalities: int, steps: int, in_width: int, out_width: int
) -> nn.Module:
    """Build one linear map a token over mixed steps; tokens x mixed x out_width parameters."""
    seen = token_modalities(config, modalities)
    mixed = in_width * int(seen[0].sum())
    return nn.Sequential(
        LearnedTemporalPooling(seen, steps),
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
        LearnedTemporalPooling(seen, steps),
        nn.Linear(mixed, config.hidden),
        nn.GELU(),
        nn.Dropout(config.dropout),
        TokenLinear(config.tokens, config.hidden, out_width),
    )


PROJECTORS: dict[str, Callable[[ProjectorConfig, int, int, int, int], nn.Module]] = {
    "linear": linear,
    "mlp": mlp,
    "perceiver": Perceiver,
    "qformer": QFormer,
    "reprogramming": Reprogramming,
    "cross_attention": Perceiver,
}


class Projector(nn.Module):
    """Turn a window's encoder steps into K signal tokens on the language model's scale.

    Args:
        config: kind and sizes.
        modalities: how many the encoder has, present or not, with `steps` of `in_width` each.
        steps: encoder steps of each modality.
        in_width: the encoder's width.
        out_width: the language model's embedding width; cross_attention leaves it aside.
        target_std: the standard deviation of the language model's embeddings; likewise.
        vocabulary: the language model's word vectors, as for `use_vocabulary`.
        statistics: numbers that tell the scale of a modality; read where `config.scale` is set.

    Raises:
        ConfigError: for fewer tokens than modalities that split them, or a scale without
            statistics.

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
        *,
        vocabulary: Float[Tensor, "word width"] | None = None,
        statistics: int = 0,
    ) -> None:
        super().__init__()
        if config.kind == "cross_attention":
            out_width, target_std = config.hidden, 1.0
        self.shape = (modalities, steps, in_width)
        self.out_width = out_width
        self.statistics = statistics if config.scale else 0
        self.missing = nn.Parameter(torch.randn(modalities, in_width))
        self.norm_in = nn.LayerNorm(in_width)
        seen_steps = steps + config.scale
        self.body = PROJECTORS[config.kind](config, modalities, seen_steps, in_width, out_width)
        self.norm_out = nn.LayerNorm(out_width, elementwise_affine=False)
        self.gain = nn.Parameter(torch.ones(out_width))
        self.register_buffer("target_std", torch.tensor(float(target_std)))
        self.scale = (
            WindowStatisticsToken(modalities, statistics, in_width) if config.scale else None
        )
        if vocabulary is not None:
            self.use_vocabulary(vocabulary)

    @property
    def needs_vocabulary(self) -> bool:
        """Say whether the language model's word vectors are wanted and not there."""
        return isinstance(self.body, Reprogramming) and self.body.vocabulary is None

    def use_vocabulary(self, embeddings: Float[Tensor, "word width"]) -> None:
        """Give reprogramming the language model's word vectors; other kinds want none.

        They are not part of the projector's state, as they are the language model's: a projector
        that was loaded is given them anew. All rows will do, or those of
        `reprogramming.sample_words(vocabulary)`, to which all are thinned.

        Raises:
            ModelError: for vectors of another width than the language model's.
        """
        if isinstance(self.body, Reprogramming):
            self.body.use_vocabulary(embeddings)

    def forward(
        self,
        steps: Float[Tensor, "batch modality step feature"],
        present: Bool[Tensor, "batch modality"],
        scale: Float[Tensor, "batch modality statistic"] | None = None,
    ) -> Float[Tensor, "batch token width"]:
        """Project steps; what stands where `present` is false never matters.

        Raises:
            ModelError: where the steps or the scale have another shape than the projector was
                built for, or the word vectors of the language model are wanted and not there.
        """
        if tuple(steps.shape[1:]) != self.shape:
            raise ModelError(
                f"encoder steps are (modality, step, width) {tuple(steps.shape[1:])}, but the "
                f"projector was built for {self.shape}; use the encoder that it was trained with"
            )
        if self.scale is not None:
            steps = torch.cat([steps, self.scale(scale, present).to(steps.dtype)], dim=2)
        elif scale is not None:
            raise ModelError(
                "the projector was built without scale, got statistics of the windows; leave "
                "them out, or train with scale: true"
            )
        here = present[:, :, None, None]
        stand_in = self.missing[None, :, None, :].to(steps.dtype)
        filled = torch.where(here, steps, stand_in)
        return self.norm_out(self.body(self.norm_in(filled))) * self.gain * self.target_std
