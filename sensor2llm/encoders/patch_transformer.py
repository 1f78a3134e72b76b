"""A transformer over patches of one modality, for speed, masking and pictures of attention.

A window is cut into equal parts in time, one token each, so that modalities at different rates have
tokens of the same times. Inside, tokens come first (token, batch, width): attention then needs no
copies of queries, keys and values, which on a CPU costs as much as the matrix products.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.signals.spec import Modality

Absent = Bool[Tensor, "token batch"] | None


class TransformerLayer(nn.Module):
    """Attend, then feed forward, each after a LayerNorm and added to its input.

    Attention is written out: for a few dozen tokens the backward pass of
    `scaled_dot_product_attention` takes two to three times as long on a CPU.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.token_width
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(width)
        # Each head's query, key and value lie beside each other: (head, query | key | value).
        self.inputs = nn.Linear(width, 3 * width)
        self.outputs = nn.Linear(width, width)
        self.feedforward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, config.feedforward * width),
            nn.GELU(),
            nn.Linear(config.feedforward * width, width),
            nn.Dropout(config.dropout),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "token batch width"], absent: Absent = None
    ) -> tuple[Float[Tensor, "token batch width"], Float[Tensor, "row key query"]]:
        """Give the layer's output and its attention, a row for each (window, head)."""
        tokens, batch, width = x.shape
        size = width // self.heads
        rows = self.inputs(self.attention_norm(x)).view(tokens, batch * self.heads, 3 * size)
        query, key, value = rows.transpose(0, 1).split(size, dim=-1)
        scores = torch.baddbmm(
            query.new_empty(1, 1, 1), key, query.transpose(1, 2), beta=0, alpha=size**-0.5
        )
        if absent is not None:
            hidden = absent.T.repeat_interleave(self.heads, dim=0).unsqueeze(2)
            scores = scores.masked_fill(hidden, -1e4)
        # Keys stand in the middle, and sums are float32: softmax over a last dimension of few
        # tokens is four times as slow on a CPU, and in bfloat16 again four times.
        weights = scores.softmax(1, dtype=torch.float32)
        mixed = torch.bmm(weights.to(value.dtype).transpose(1, 2), value)
        mixed = mixed.transpose(0, 1).reshape(tokens, batch, width)
        x = x + self.dropout(self.outputs(mixed))
        return x + self.feedforward(x), weights


class Backbone(nn.Module):
    """Run the transformer layers, a LayerNorm, and a linear layer to the encoder's width."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.token_width)
        self.outputs = nn.Linear(config.token_width, config.width)

    def forward(
        self, x: Float[Tensor, "token batch inside"], absent: Absent = None
    ) -> tuple[Float[Tensor, "batch token width"], list[Float[Tensor, "row key query"]]]:
        """Give every token's features and each layer's attention; nobody looks at `absent` ones."""
        attention = []
        for layer in self.layers:
            x, weights = layer(x, absent)
            attention.append(weights)
        return self.outputs(self.norm(x)).transpose(0, 1), attention


class PatchTransformer(nn.Module):
    """Encode a modality by a transformer over its patches.

    A token is embedded from its patch's values and, with `config.spectrum`, the logarithm of each
    channel's magnitude spectrum: a linear embedding of values alone cannot see a rhythm whatever
    its phase, which a convolution's nonlinearity can.

    A patch has ceil(steps / patches) steps; the last is filled up with zeros, and a window with
    fewer steps than `config.patches` has one patch a step. Positions are sinusoids, so a window of
    another length only has another number of patches.

    With a shared backbone, which whoever made it registers, the encoder has an embedding of its
    modality, added to every token [VATT, sec. 3.2]. A window with the modality's number of steps
    has `patches` tokens of `patch_steps` steps.

    Example:
        >>> from sensor2llm.signals.spec import Channel
        >>> modality = Modality(
        ...     name="ecg", channels=(Channel(name="I", unit="mV"),), steps=200, rate_hz=100.0
        ... )
        >>> PatchTransformer(modality, EncoderConfig(patches=10))(torch.zeros(3, 1, 200)).shape
        torch.Size([3, 10, 96])
    """

    def __init__(
        self, modality: Modality, config: EncoderConfig, backbone: Backbone | None = None
    ) -> None:
        super().__init__()
        self.patch_steps = math.ceil(modality.steps / config.patches)
        self.patches = math.ceil(modality.steps / self.patch_steps)
        width, channels = config.token_width, len(modality.channels)
        self.channels = channels
        self.bins = self.patch_steps // 2 + 1 if config.spectrum else 0
        self.embedding = nn.Linear(channels * (self.patch_steps + self.bins), width)
        # Not saved: they follow from the sizes.
        self.register_buffer("places", sinusoids(self.patches, width), persistent=False)
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02)
        self.own_backbone = Backbone(config) if backbone is None else None
        if backbone is not None:
            self.modality_embedding = nn.Parameter(torch.randn(width) * 0.02)
        # In a tuple, a module is no part of this one: the shared weights are saved once, by the
        # one who holds them.
        self._shared = (backbone,)

    places: Float[Tensor, "patch inside"]

    @property
    def backbone(self) -> Backbone:
        """Give the transformer, this encoder's own or the shared one."""
        backbone = self.own_backbone or self._shared[0]
        assert backbone is not None
        return backbone

    def forward(
        self,
        values: Float[Tensor, "batch channel step"],
        visible: Bool[Tensor, "batch patch"] | None = None,
    ) -> Float[Tensor, "batch patch width"]:
        """Give one feature vector a patch; a learned mask token stands where not `visible`."""
        return self.backbone(self.embed(values, visible))[0]

    def encode_kept(
        self, values: Float[Tensor, "batch channel step"], keep: Int[Tensor, "batch kept"]
    ) -> Float[Tensor, "batch kept width"]:
        """Encode only the patches with these numbers; the others cost nothing [VATT, DropToken]."""
        return self.backbone(take_tokens(self.embed(values), keep))[0]

    def attention(
        self, values: Float[Tensor, "batch channel step"]
    ) -> list[Float[Tensor, "batch head query key"]]:
        """Give each layer's attention weights; they sum to 1 over the last dimension."""
        _, layers = self.backbone(self.embed(values))
        return [rows.unflatten(0, (len(values), -1)).transpose(2, 3) for rows in layers]

    def cut(
        self, values: Float[Tensor, "batch channel step"]
    ) -> Float[Tensor, "patch batch value"]:
        """Give the patches, each channel's steps after another's."""
        missing = -values.shape[-1] % self.patch_steps
        parts = functional.pad(values, (0, missing)).unflatten(2, (-1, self.patch_steps))
        return parts.permute(2, 0, 1, 3).flatten(2)

    def _described(
        self, patches: Float[Tensor, "patch batch value"]
    ) -> Float[Tensor, "patch batch described"]:
        """Add each channel's magnitudes at each frequency, so that a shifted step looks alike."""
        if not self.bins:
            return patches
        # In float32: there is no FFT of bfloat16.
        parts = patches.float().unflatten(2, (self.channels, self.patch_steps))
        magnitudes = torch.fft.rfft(parts).abs().log1p()
        return torch.cat((patches, magnitudes.flatten(2).to(patches.dtype)), dim=2)

    def embed(
        self,
        values: Float[Tensor, "batch channel step"],
        visible: Bool[Tensor, "batch patch"] | None = None,
    ) -> Float[Tensor, "patch batch inside"]:
        """Give the tokens that the transformer gets, one a patch."""
        tokens = self.embedding(self._described(self.cut(values)))
        if visible is not None:
            shown = visible.T.unsqueeze(-1)
            tokens = torch.where(shown, tokens, self.mask_token.to(tokens.dtype))
        places = self.places
        if len(tokens) != len(places):
            places = sinusoids(len(tokens), places.shape[1]).to(places)
        if self.own_backbone is None:
            places = places + self.modality_embedding
        # Data-parallel training wants every parameter in every pass, hidden patches or not.
        return tokens + (places + 0.0 * self.mask_token).unsqueeze(1)


def take_tokens(
    tokens: Float[Tensor, "token batch inside"], keep: Int[Tensor, "batch kept"]
) -> Float[Tensor, "kept batch inside"]:
    """Give each window's tokens of these numbers."""
    return tokens.gather(0, keep.T.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def sinusoids(count: int, width: int) -> Float[Tensor, "position width"]:
    """Give sines, then cosines, of positions at geometric frequencies [Vaswani et al. 2017]."""
    half = torch.arange(width // 2) / (width // 2)
    angles = torch.arange(count).unsqueeze(1) * 10000.0**-half
    return torch.cat((angles.sin(), angles.cos()), dim=1)
