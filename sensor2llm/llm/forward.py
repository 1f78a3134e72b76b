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

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from sensor2llm.bridge.slots import PaddedRows, pad_left, place
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.language_model import LanguageModel
from sensor2llm.llm.tuning.layer_hooks import LayerHooks


@dataclass(frozen=True)
class Prefix:
    """Hold keys and values of what all rows begin with, for one row.

    Args:
        length: how many positions.
        states: keys and values of each layer.
        soft: whether the soft prompt is among them.
    """

    length: int
    states: tuple[tuple[Tensor, Tensor], ...]
    soft: bool = False

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
        layer_hooks: what acts inside the LLM while this prompt is run.
        ids: tokens of the positions after the prefix; one row where all are alike.
    """

    vectors: Float[Tensor, "batch rest width"]
    positions: Int[Tensor, "row length"]
    mask: Int[Tensor, "row length"] | None = None
    prefix: Prefix | None = None
    layer_hooks: LayerHooks = field(default_factory=LayerHooks)
    ids: Int[Tensor, "row rest"] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def length(self) -> int:
        """Give the number of positions, prefix included."""
        return self.positions.shape[1]

    def row(self, index: int) -> "Prompt":
        """Give one row as a prompt of its own, without its padding."""
        return self.select([index])

    def select(self, rows: Sequence[int]) -> "Prompt":
        """Give rows of one length as a prompt of their own, without their padding."""
        first = self.prefix.length if self.prefix else 0
        shared = len(self.positions) == 1
        pads = 0
        if self.mask is not None and not shared:
            pads = int((self.mask[rows[0]] == 0).sum())
        of = slice(None) if shared else list(rows)
        positions = self.positions[of]
        ids = self.ids if self.ids is None or len(self.ids) == 1 else self.ids[list(rows)]
        return replace(
            self,
            vectors=self.vectors[list(rows)][:, pads:],
            positions=torch.cat([positions[:, :first], positions[:, first + pads :]], dim=1),
            mask=self.mask if shared else None,
            layer_hooks=self.layer_hooks.select(rows, pads),
            ids=None if ids is None else ids[:, pads:],
        )

    def groups(self, llm: LanguageModel, tail: int = 0) -> list[list[int]]:
        """Give the rows that may share a forward: all of them, or those of one length.

        Args:
            llm: what runs them; padding is no text to most families, and input to some.
            tail: positions that follow the prompt.
        """
        everything = list(range(len(self)))
        if self.mask is None:
            return [everything]
        able = llm.shortcuts(self.length + tail)
        if able.padded_prefix if self.prefix else able.padding:
            return [everything]
        lengths = self.mask.sum(1).tolist()
        by_length: dict[int, list[int]] = {}
        for row, length in enumerate(lengths):
            by_length.setdefault(length, []).append(row)
        return list(by_length.values())


def prompt_rows(llm: LanguageModel, rows: Sequence[Sequence[int]]) -> PaddedRows:
    """Pad rows of token ids on the left and put them on the LLM's device."""
    return PaddedRows(*(part.to(llm.device) for part in pad_left(rows, llm.pad_id)))


def rows_after(llm: LanguageModel, rows: Sequence[Sequence[int]], prefix: Prefix) -> PaddedRows:
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


def assemble(
    llm: LanguageModel,
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
        soft: the soft prompt, the same for every window; None for none. What is in `prefix` is not
            placed again.
        signal: signal tokens of each window; None for none.
        batch: how many windows.
        prefix: of `sensor2llm.llm.prefix.compute_prefix`; its positions are left out of `vectors`.
        embedded: `llm.embed` of `rows.ids`, where it is known.

    Raises:
        ModelError: a row has not as many placeholders as there are vectors.
    """
    skipped = prefix.length if prefix else 0
    ids = rows.ids[:, skipped:].expand(batch, -1)
    embeddings = llm.embed(rows.ids) if embedded is None else embedded
    vectors = embeddings[:, skipped:].expand(batch, -1, -1)
    if soft is not None and not (prefix and prefix.soft):
        vectors = place(vectors, ids, llm.soft_id, soft.expand(batch, -1, -1))
    if signal is not None:
        vectors = place(vectors, ids, llm.signal_id, signal)
    padded = len(rows.ids) > 1 and not bool(rows.attention_mask.all())
    mask = rows.attention_mask if padded else None
    return Prompt(vectors, rows.position_ids, mask, prefix, ids=rows.ids[:, skipped:])


def tail_logits(
    llm: LanguageModel,
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
    return run_tail(llm, prompt, tail_ids, tree)[0]


def last_states(llm: LanguageModel, prompt: Prompt) -> Float[Tensor, "batch hidden"]:
    """Give the last layer's hidden state at each prompt's last position."""
    nothing = torch.empty(1, 0, dtype=torch.long, device=prompt.vectors.device)
    return run_tail(llm, prompt, nothing, states=True)[1][:, 0]


def run_tail(
    llm: LanguageModel,
    prompt: Prompt,
    tail_ids: Int[Tensor, "row tail"],
    tree: LabelTree | None = None,
    *,
    states: bool = False,
    head: bool = True,
) -> tuple[Float[Tensor, "batch place output"], Float[Tensor, "batch place hidden"]]:
    """Give logits, and where wanted the last hidden states, at the prompt's end and its tail.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`.
        tail_ids: as `tail_logits` takes them.
        tree: of the tail.
        states: whether hidden states are wanted.
        head: whether the output head is run; without it, what `llm.runner.logits` takes stands in
            the place of the logits.
    """
    groups = prompt.groups(llm, tail_ids.shape[1])
    if len(groups) == 1:
        return _run_together(llm, prompt, tail_ids, tree, states, head)
    tails = tail_ids.expand(len(prompt), -1)
    parts = [
        _run_together(llm, prompt.select(rows), tails[rows], tree, states, head) for rows in groups
    ]
    order = torch.tensor([row for rows in groups for row in rows]).argsort().to(llm.device)
    logits, hidden = (torch.cat(part)[order] for part in zip(*parts, strict=True))
    return logits, hidden


def _run_together(
    llm: LanguageModel,
    prompt: Prompt,
    tail_ids: Int[Tensor, "row tail"],
    tree: LabelTree | None,
    states: bool,
    head: bool,
) -> tuple[Tensor, Tensor]:
    batch, tail = len(prompt), tail_ids.shape[1]
    vectors, ids = prompt.vectors, prompt.ids
    if tail:
        after = llm.embed(tail_ids).to(vectors.dtype).expand(batch, -1, -1)
        vectors = torch.cat([vectors, after], dim=1)
        ids = None if ids is None else join_ids(ids, tail_ids)
    rest = vectors.shape[1]
    offsets = torch.arange(tail) if tree is None else torch.tensor(tree.depths)
    after_last = prompt.positions[:, -1:] + 1 + offsets.to(prompt.positions)
    positions = torch.cat([prompt.positions, after_last], dim=1)[:, -rest:]
    with prompt.layer_hooks.attached(llm):
        output = llm.run(
            vectors,
            ids,
            mask=tail_mask(prompt, tail, tree, vectors.dtype),
            positions=positions.expand(batch, -1),
            cache=prompt.prefix.cache(batch) if prompt.prefix else None,
            places=torch.arange(rest - tail - 1, rest, device=vectors.device),
            states=states,
            head=head,
        )
    hidden = output.hidden_states[-1][:, -1 - tail :] if states else output.logits[..., :0]
    return output.logits, hidden


def join_ids(
    before: Int[Tensor, "row length"], after: Int[Tensor, "other tail"]
) -> Int[Tensor, "batch whole"]:
    """Put tokens behind others, where one row may stand for all."""
    rows = max(len(before), len(after))
    return torch.cat([before.expand(rows, -1), after.to(before).expand(rows, -1)], dim=1)


def tail_mask(
    prompt: Prompt, tail: int, tree: LabelTree | None, dtype: torch.dtype
) -> Tensor | None:
    """Give no mask, a mask of the padding, or an additive mask (row, 1, rest + tail, all).

    Args:
        prompt: of `assemble`.
        tail: positions that follow it.
        tree: whose nodes they are; None where they are plain text.
        dtype: of an additive mask, which a tree needs.
    """
    batch, device = len(prompt), prompt.vectors.device
    padding = prompt.mask
    if padding is not None:
        after = padding.new_ones(len(padding), tail)
        padding = torch.cat([padding, after], dim=1).expand(batch, -1)
    if tree is None:
        return padding
    total = prompt.length + tail
    seen = torch.ones(total, total, dtype=torch.bool, device=device).tril()
    seen[prompt.length :, prompt.length :] = tree.visible.to(device)
    seen = seen[-(prompt.vectors.shape[1] + tail) :][None, None]
    if padding is not None:
        seen = seen & padding.bool()[:, None, None, :]
    lowest = torch.finfo(dtype).min
    mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill(~seen, lowest)
    return mask.expand(batch, -1, -1, -1)
