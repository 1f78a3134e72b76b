"""Run a frozen LLM over prompts with slots, and read logits only where they are needed.

Notation: `length` counts a prompt's positions; `place` is the prompt's last position or one of the
`tail` positions after it (an answer's tokens, or the nodes of a label tree); `rest` is what
follows the cached prefix. A prompt that all rows share is one row until it meets their vectors.

    rows = prompt_rows(llm, [ids])                      one row: the same prompt for every window
    prompt = assemble(llm, rows, soft, signal, batch)   (batch, length, width)
    logits = tail_logits(llm, prompt, tail_ids)         (batch, 1 + tail, vocabulary)

Rows without padding need no mask: attention is causal, so what is padded on an answer's right
reaches nothing before it. Rows with padding carry it on their left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from sensor2llm.bridge.slots import PaddedRows, pad_left, place
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.reach import Reach


@dataclass(frozen=True)
class Prefix:
    """Hold keys and values of the tokens that come before the first slot, for one row."""

    length: int
    states: tuple[tuple[Tensor, Tensor], ...]

    def cache(self, batch: int) -> DynamicCache:
        """Give them as a cache of `batch` rows that a forward may append to."""
        return DynamicCache(
            [(k.expand(batch, -1, -1, -1), v.expand(batch, -1, -1, -1)) for k, v in self.states]
        )


@dataclass(frozen=True)
class Prompt:
    """Hold prompts as input embeddings.

    Args:
        vectors: of the positions after the prefix.
        positions: position ids of every position, prefix included; one row where all are alike.
        mask: 1 at tokens, 0 at padding; None where no row is padded.
        prefix: what is already computed of every row; None for nothing.
        reach: what acts inside the LLM while this prompt is run.
    """

    vectors: Float[Tensor, "batch rest width"]
    positions: Int[Tensor, "row length"]
    mask: Int[Tensor, "row length"] | None = None
    prefix: Prefix | None = None
    reach: Reach = field(default_factory=Reach)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def length(self) -> int:
        """Give the number of positions, prefix included."""
        return self.positions.shape[1]

    def row(self, index: int) -> "Prompt":
        """Give one row as a prompt of its own."""
        one = slice(index, index + 1)
        shared = len(self.positions) == 1
        return replace(
            self,
            vectors=self.vectors[one],
            positions=self.positions if shared else self.positions[one],
            mask=self.mask if shared or self.mask is None else self.mask[one],
            reach=self.reach.row(index),
        )


def prompt_rows(llm: FrozenLLM, rows: Sequence[Sequence[int]]) -> PaddedRows:
    """Pad rows of token ids on the left and put them on the LLM's device."""
    return PaddedRows(*(part.to(llm.device) for part in pad_left(rows, llm.pad_id)))


def rows_after(llm: FrozenLLM, rows: Sequence[Sequence[int]], prefix: Prefix) -> PaddedRows:
    """Pad rows that begin with a prefix between it and their rest; positions go on after it."""
    length = prefix.length
    rest = prompt_rows(llm, [row[length:] for row in rows])
    shared = torch.tensor([list(rows[0][:length])], device=llm.device).expand(len(rows), -1)
    counted = torch.arange(length, device=llm.device).expand(len(rows), -1)
    return PaddedRows(
        torch.cat([shared, rest.ids], dim=1),
        torch.cat([torch.ones_like(counted), rest.attention_mask], dim=1),
        torch.cat([counted, rest.position_ids + length], dim=1),
    )


def compute_prefix(llm: FrozenLLM, ids: Sequence[int]) -> Prefix | None:
    """Compute keys and values of the tokens before the first slot; None where there are none."""
    slots = [i for i, token in enumerate(ids) if token in (llm.soft_id, llm.signal_id)]
    length = slots[0] if slots else len(ids) - 1
    if length < 1:
        return None
    with torch.no_grad():
        given = torch.tensor([list(ids[:length])], device=llm.device)
        cache = DynamicCache()
        llm.model(input_ids=given, use_cache=True, logits_to_keep=1, **{llm.cache_argument: cache})
    states = tuple((keys, values) for keys, values, *_ in cache)
    return Prefix(length, states)


def assemble(
    llm: FrozenLLM,
    rows: PaddedRows,
    soft: Float[Tensor, "soft width"] | None,
    signal: Float[Tensor, "batch signal width"] | None,
    *,
    batch: int,
    prefix: Prefix | None = None,
    embedded: Float[Tensor, "row length width"] | None = None,
) -> Prompt:
    """Put soft-prompt and signal vectors at their placeholders.

    Args:
        llm: whose embeddings the other tokens get.
        rows: one row for all windows, or one a window.
        soft: the soft prompt, the same for every window; None for none.
        signal: signal tokens of each window; None for none.
        batch: how many windows.
        prefix: of `compute_prefix`; its positions are left out of `vectors`.
        embedded: `llm.embed` of `rows.ids`, where it is known.

    Raises:
        ModelError: a row has not as many placeholders as there are vectors.
    """
    skipped = prefix.length if prefix else 0
    ids = rows.ids[:, skipped:].expand(batch, -1)
    known = llm.embed(rows.ids) if embedded is None else embedded
    vectors = known[:, skipped:].expand(batch, -1, -1)
    if soft is not None:
        vectors = place(vectors, ids, llm.soft_id, soft.expand(batch, -1, -1))
    if signal is not None:
        vectors = place(vectors, ids, llm.signal_id, signal)
    padded = len(rows.ids) > 1 and not bool(rows.attention_mask.all())
    return Prompt(vectors, rows.position_ids, rows.attention_mask if padded else None, prefix)


def tail_logits(
    llm: FrozenLLM,
    prompt: Prompt,
    tail_ids: Int[Tensor, "row tail"],
    tree: LabelTree | None = None,
) -> Float[Tensor, "batch place vocabulary"]:
    """Give the logits at the prompt's last position and at each position of the tail.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`.
        tail_ids: tokens after the prompt, one row for all or one a window; may be empty.
        tree: the tail are this tree's nodes, each seeing only the prompt and its ancestors;
            None for a plain, causal tail.
    """
    return _run(llm, prompt, tail_ids, tree).logits


def tail_logits_and_states(
    llm: FrozenLLM, prompt: Prompt, tail_ids: Int[Tensor, "row tail"]
) -> tuple[Float[Tensor, "batch place vocabulary"], Float[Tensor, "batch hidden"]]:
    """Give what `tail_logits` and `last_states` give, of one run."""
    found = _run(llm, prompt, tail_ids, states=True)
    return found.logits, found.hidden_states[-1][:, -1 - tail_ids.shape[1]]


def last_states(llm: FrozenLLM, prompt: Prompt) -> Float[Tensor, "batch hidden"]:
    """Give the last layer's hidden state at each prompt's last position."""
    nothing = torch.empty(1, 0, dtype=torch.long, device=prompt.vectors.device)
    return _run(llm, prompt, nothing, states=True).hidden_states[-1][:, -1]


def _run(
    llm: FrozenLLM,
    prompt: Prompt,
    tail_ids: Int[Tensor, "row tail"],
    tree: LabelTree | None = None,
    *,
    states: bool = False,
) -> Any:
    batch, tail = len(prompt), tail_ids.shape[1]
    vectors = prompt.vectors
    if tail:
        after = llm.embed(tail_ids).to(vectors.dtype).expand(batch, -1, -1)
        vectors = torch.cat([vectors, after], dim=1)
    rest = vectors.shape[1]
    offsets = torch.arange(tail) if tree is None else torch.tensor(tree.depths)
    after_last = prompt.positions[:, -1:] + 1 + offsets.to(prompt.positions)
    positions = torch.cat([prompt.positions, after_last], dim=1)[:, -rest:]
    with prompt.reach.into(llm):
        return llm.model(
            inputs_embeds=vectors,
            attention_mask=_mask(prompt, tail, tree, vectors.dtype),
            position_ids=positions.expand(batch, -1),
            use_cache=False,
            output_hidden_states=states,
            # An index tensor, not a count: the count gives a slice that is not contiguous, and
            # the output head is many times slower on it.
            logits_to_keep=torch.arange(rest - tail - 1, rest, device=vectors.device),
            **{llm.cache_argument: prompt.prefix.cache(batch) if prompt.prefix else None},
        )


def _mask(prompt: Prompt, tail: int, tree: LabelTree | None, dtype: torch.dtype) -> Tensor | None:
    """Give no mask, a mask of the padding, or an additive mask (row, 1, rest + tail, all)."""
    batch, device = len(prompt), prompt.vectors.device
    known = prompt.mask
    if known is not None:
        known = torch.cat([known, known.new_ones(len(known), tail)], dim=1).expand(batch, -1)
    if tree is None:
        return known
    total = prompt.length + tail
    seen = torch.ones(total, total, dtype=torch.bool, device=device).tril()
    seen[prompt.length :, prompt.length :] = tree.visible.to(device)
    seen = seen[-(prompt.vectors.shape[1] + tail) :][None, None]
    if known is not None:
        seen = seen & known.bool()[:, None, None, :]
    lowest = torch.finfo(dtype).min
    return torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill(~seen, lowest)
