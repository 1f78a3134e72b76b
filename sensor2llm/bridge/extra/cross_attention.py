"""Gated cross-attention: a frozen LLM's own layers look at each window [Flamingo, sec. 2.2].

    bridge = GatedCrossAttention(mark, layers=12, width=768, media_width=256)
    for layer, change in bridge.hooks(layers, media, window_of): …    change the layer's input
    logits = llm(inputs_embeds=vectors)        with the learned mark where a window stands

Notation: a window is `medium` vectors of `media_width`; `hidden states` are what enters one of the
LLM's decoder layers, `width` wide; `length` counts their positions, `known` those of the prompt.
`window_of` says how many windows stand at or before a position: 0 is none yet, and k looks at the
media of window k only, the one that came last.

All gates start at zero: the untrained bridge adds exact zeros, so the LLM says what it said. No
parameter of the LLM is copied, and its layers are reached by their inputs alone.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sensor2llm.errors import ModelError

Change = Callable[[Tensor], Tensor]


class GatedBlock(nn.Module):
    """Attend to a window, then pass a feed-forward layer; both work at a width of their own.

    With hidden states x, their window's media m and two learned gates a and f that start at zero:

        y = x + tanh(a) |x| attention(norm(x), norm(m))
        z = y + tanh(f) |x| feed_forward(norm(y))        [Flamingo, fig. 4]

    Two things differ from Flamingo. `hidden` is small, and every map enters and leaves it. And the
    change is as large as the state it changes: |x| is the root mean square of each position,
    without gradient. It grows a hundredfold over an LLM's layers, and a gate that has to grow with
    it opens late.
    """

    def __init__(
        self, width: int, media_width: int, hidden: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        # Vectors of length one, as saved adapters hold them.
        self.gate_attention = nn.Parameter(torch.zeros(1))
        self.gate_feed_forward = nn.Parameter(torch.zeros(1))
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, hidden, bias=False)
        self.read = nn.Sequential(
            nn.LayerNorm(media_width), nn.Linear(media_width, 2 * hidden, bias=False)
        )
        self.out_proj = nn.Linear(hidden, width, bias=False)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
        )

    def forward(
        self,
        hidden_states: Float[Tensor, "batch length width"],
        read: Float[Tensor, "media_row window medium keys_and_values"],
        window: Int[Tensor, "row length"],
    ) -> Float[Tensor, "batch length width"]:
        """Change hidden states; those of positions without a window leave as they came.

        Hidden states come in any type; the change is computed in the block's own and added in it.
        `read` is `self.read` of the media, of one row or of each; `window` is which window each
        position looks at, counted from 1; 0 for none.
        """
        states = hidden_states.to(self.norm.weight.dtype)
        size = states.detach().pow(2).mean(-1, keepdim=True).sqrt()
        attended = torch.tanh(self.gate_attention) * size * self._attend(states, read, window)
        fed = torch.tanh(self.gate_feed_forward) * size * self.feed_forward(states + attended)
        changed = hidden_states + (attended + fed).to(hidden_states.dtype)
        return torch.where((window > 0)[..., None], changed, hidden_states)

    def _attend(self, states: Tensor, read: Tensor, window: Tensor) -> Tensor:
        query = self._split(self.query(self.norm(states)))
        keys, values = (
            self._split(part.flatten(1, 2)).expand(len(states), -1, -1, -1)
            for part in read.chunk(2, dim=-1)
        )
        dropout = self.dropout if self.training else 0.0
        visible = _visible(window, *read.shape[1:3])
        seen = functional.scaled_dot_product_attention(query, keys, values, visible, dropout)
        return self.out_proj(seen.transpose(1, 2).flatten(2))

    def _split(
        self, vectors: Float[Tensor, "batch length hidden"]
    ) -> Float[Tensor, "batch head length part"]:
        return vectors.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class GatedCrossAttention(nn.Module):
    """Let every few layers of a frozen LLM look at the last window before each position.

    Args:
        mark: the vector that stands at a window's one placeholder in the prompt (Flamingo's
            `<image>`); learned from this value on. Its width is that of the LLM's embeddings,
            which some LLMs (OPT) have narrower than their layers.
        layers: decoder layers of the LLM, whose hidden states have `width`.
        width: see `layers`.
        media_width: of the vectors that a window consists of.
        hidden: width of attention and feed-forward inside a block.
        heads: attention heads of a block.
        every: a block stands before each `every`-th layer, counted back from the last one.
        dropout: share of attention weights and of inner features dropped in training.

    Attributes:
        places: the layers, counted from 0, that have a block before them.
        blocks: one a place.

    Example:
        >>> bridge = GatedCrossAttention(torch.zeros(1, 64), layers=4, width=64, media_width=32)
        >>> bridge.places
        (1, 3)
        >>> layers = [nn.Identity() for _ in range(4)]
        >>> media, window_of = torch.randn(2, 1, 8, 32), torch.tensor([[0, 0, 1, 1]])
        >>> (layer, change), _ = bridge.hooks(layers, media, window_of)
        >>> states = torch.randn(2, 4, 64)
        >>> layer is layers[1] and torch.equal(change(states), states)
        True
    """

    def __init__(
        self,
        mark: Float[Tensor, "1 embedding"],
        *,
        layers: int,
        width: int,
        media_width: int,
        hidden: int = 256,
        heads: int = 4,
        every: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.layers, self.width, self.media_width = layers, width, media_width
        self.places = tuple(range((layers - 1) % every, layers, every))
        self.mark = nn.Parameter(mark.detach().float().clone())
        self.blocks = nn.ModuleList(
            GatedBlock(width, media_width, hidden, heads, dropout) for _ in self.places
        )

    def hooks(
        self,
        layers: Sequence[nn.Module],
        media: Float[Tensor, "media_row window medium media_width"],
        window_of: Int[Tensor, "row known"],
    ) -> list[tuple[nn.Module, Change]]:
        """Give the layers that have a block before them, each with the change of its input.

        The changes hold for one prompt and all that is said after it. A forward over at least
        `known` positions begins with the prompt; its surplus (an answer, a label tree) looks at
        the last window of its row. A forward over fewer comes after a prompt that is cached, so
        all its positions do. What precedes the first window may be cached without the hooks: it
        is not changed; leave its positions out of `window_of`.

        Args:
            layers: all decoder layers of the LLM, first to last.
            media: of each row's windows in their order, or one row for all. Rows with fewer
                windows are filled up with anything finite.
            window_of: of the prompt's positions that the first forward is over, one row for all
                or one a row; 0 at padding.

        Returns:
            (layer, change) pairs, first to last; none where there is no window at all.

        Raises:
            ModelError: the LLM has another number of layers, the media another width, or a
                position looks at a window that there is not.
        """
        if len(layers) != self.layers:
            raise ModelError(
                f"the cross-attention was built for {self.layers} decoder layers, the LLM has "
                f"{len(layers)}; use the LLM that it was trained with"
            )
        if media.shape[-1] != self.media_width:
            raise ModelError(
                f"a window's vectors are {media.shape[-1]} wide, but the cross-attention was built "
                f"for {self.media_width}; use the projector that it was trained with"
            )
        windows, last = media.shape[1], int(window_of.max())
        if last > windows:
            raise ModelError(
                f"the prompt has places for {last} windows, but {windows} were given; "
                "give one window a place"
            )
        if not windows:
            return []
        media = media.to(self.mark.dtype)
        return [
            (layers[place], _change(cast(GatedBlock, block), media, window_of))
            for place, block in zip(self.places, self.blocks, strict=True)
        ]


def _change(block: GatedBlock, media: Tensor, window_of: Tensor) -> Change:
    # Read once, not at each token that is generated.
    read = block.read(media)

    def change(hidden_states: Tensor) -> Tensor:
        return block(hidden_states, read, _at(window_of, hidden_states.shape[1]))

    return change


def _at(window_of: Int[Tensor, "row known"], length: int) -> Int[Tensor, "row length"]:
    """Say which window each position of a forward looks at, by the rule of `hooks`."""
    after = length - window_of.shape[1]
    last = window_of[:, -1:]
    if after < 0:
        return last.expand(-1, length)
    return torch.cat([window_of, last.expand(-1, after)], dim=1)


def _visible(
    window: Int[Tensor, "row length"], windows: int, medium: int
) -> Bool[Tensor, "row 1 length key"] | None:
    """Say which media each position sees; None where there is one window for all to see.

    Positions without a window see the first: a softmax over nothing is no number, and what they
    see is dropped.
    """
    if windows == 1:
        return None
    owner = torch.arange(1, windows + 1, device=window.device).repeat_interleave(medium)
    return (window.clamp(min=1)[..., None] == owner)[:, None]
