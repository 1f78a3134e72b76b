"""What all prompts begin with: keys and values, computed once for as long as they are right.

cache = PrefixCache(llm)
cache.prefix_of(rows)                   up to the first slot: in training
cache.prefix_of(rows, soft_vectors)     the soft prompt too: in use, where it stays as it is
"""

from collections.abc import Sequence
from itertools import takewhile

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from sensor2llm.errors import ModelError
from sensor2llm.llm.forward import Prefix, assemble, prompt_rows
from sensor2llm.llm.language_model import LanguageModel


def compute_prefix(
    llm: LanguageModel,
    ids: Sequence[int],
    soft: Float[Tensor, "soft width"] | None = None,
) -> Prefix | None:
    """Compute keys and values of what stands before the first slot; None where nothing does.

    Args:
        llm: the frozen LLM.
        ids: of a whole prompt; at least one of its tokens is left to be run.
        soft: the soft prompt, where it does not change: then it is no slot, and its keys and values
            are computed too.

    Raises:
        ModelError: the LLM's layers hold other states than keys and values, or the soft prompt's
            placeholders are not as many as its vectors.
    """
    slots = {llm.signal_id} if soft is not None else {llm.signal_id, llm.soft_id}
    length = next((i for i, token in enumerate(ids) if token in slots), len(ids) - 1)
    if length < 1:
        return None
    row = prompt_rows(llm, [ids[:length]])
    count = list(ids[:length]).count(llm.soft_id)
    if soft is not None and 0 < count < len(soft):
        return compute_prefix(llm, ids)  # its last vector is the last position, which is run
    holds_soft = count > 0
    cache = llm.runner.new_cache()
    with torch.no_grad():
        vectors = assemble(llm, row, soft if holds_soft else None, None, batch=1).vectors
        last = torch.tensor([length - 1], device=llm.device)
        llm.run(vectors, row.ids, cache=cache, places=last)
    if any(type(layer) is not DynamicLayer for layer in cache.layers):
        raise ModelError(f"{llm.name} has layers with states other than keys and values")
    return Prefix(length, tuple((keys, values) for keys, values, *_ in cache), holds_soft)


_Latest = tuple[tuple[int, ...], Tensor | None, Prefix | None]


class PrefixCache:
    """Compute the latest prompts' common beginning once.

    Args:
        llm: the frozen LLM.
    """

    def __init__(self, llm: LanguageModel) -> None:
        self.llm = llm
        # Of the latest prompts, and replaced at once: several threads may ask.
        self._latest: _Latest = (), None, None

    def prefix_of(
        self, rows: Sequence[Sequence[int]], soft: Float[Tensor, "soft width"] | None = None
    ) -> Prefix | None:
        """Compute what all rows begin with, or take the last one's where it is still right.

        It ends before the first slot and leaves a token of every row.

        Args:
            rows: token ids of prompts.
            soft: the soft prompt where it takes no gradient: then it is no slot. What was computed
                of other vectors is computed anew.
        """
        latest = self._latest
        if not _is_right(latest, rows, soft):
            slots = {self.llm.signal_id} if soft is not None else {*self._slots}
            places = zip(*(row[:-1] for row in rows), strict=False)
            alike = takewhile(lambda ids: len(set(ids)) == 1 and ids[0] not in slots, places)
            shared = tuple(ids[0] for ids in alike)
            prefix = compute_prefix(self.llm, [*shared, self.llm.pad_id], soft)
            # A copy: whoever changes the vectors, however they do it, is noticed.
            self._latest = latest = shared, None if soft is None else soft.detach().clone(), prefix
        return latest[2]

    @property
    def _slots(self) -> tuple[int, int]:
        return self.llm.soft_id, self.llm.signal_id


def _is_right(latest: _Latest, rows: Sequence[Sequence[int]], soft: Tensor | None) -> bool:
    ids, before, _ = latest
    if not ids or any(tuple(row[: len(ids)]) != ids or len(row) == len(ids) for row in rows):
        return False
    return soft is before if soft is None or before is None else torch.equal(soft, before)
