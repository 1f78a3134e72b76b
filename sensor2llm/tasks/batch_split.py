"""Batches that are halved once where a device runs out of memory.

halving = BatchSplitOnOOM()
for batch in batches:
    results += halving(model.score, batch)      # one result, or one a piece
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from sensor2llm.errors import ConfigError
from sensor2llm.training.memory import is_out_of_memory

logger = logging.getLogger(__name__)
Batch = TypeVar("Batch")
Result = TypeVar("Result")


class BatchSplitOnOOM:
    """Do work on batches, in pieces of half the size once the device has run out of memory.

    One object belongs to one run: batches that come later are cut before they are tried. A piece
    that failed is done again from its first window and what was done before it is kept, so each
    window is answered for once. All that counts of the work is what it returns.

    Example:
        halving = BatchSplitOnOOM()
        parts = [part for batch in batches for part in halving(model.score, batch)]
    """

    def __init__(self) -> None:
        self.most: int | None = None
        """How many windows a piece may hold; None while memory has sufficed."""

    def __call__(self, work: Callable[[Batch], Result], batch: Batch) -> list[Result]:
        """Do the work on a batch and give what it returned, a result a piece in the batch's order.

        Args:
            work: called with the batch, or with pieces of it.
            batch: a sequence, or a dataclass whose fields hold an entry a window.

        Raises:
            ConfigError: memory ran out a second time, or on a single window.
        """
        size, start = _length(batch), 0
        results: list[Result] = []
        while start < size:
            piece = cut(batch, start, start + (self.most or size))
            done = self._attempt(work, piece)
            results += done
            start += _length(piece) if done else 0
        return results

    def _attempt(self, work: Callable[[Batch], Result], piece: Batch) -> list[Result]:
        """Give the work's result; nothing where pieces became smaller."""
        size = _length(piece)
        try:
            return [work(piece)]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if self.most is not None or size == 1:
                raise ConfigError(_advice(size, halved=self.most is not None)) from error
        # The error held the failed attempt's tensors; it is gone with the clause above.
        torch.cuda.empty_cache()
        self.most = -(-size // 2)
        logger.warning(
            "the device ran out of memory with %d windows at a time; going on with %d",
            size,
            self.most,
        )
        return []


def cut(batch: Batch, start: int, stop: int) -> Batch:
    """Give the windows from `start` to before `stop`; the batch itself where that is all.

    Args:
        batch: a sequence or an array, or a dataclass of such with an entry a window: tensors,
            tuples, mappings of them and further dataclasses; anything else is kept as it is.
        start: the first window's place.
        stop: the place after the last window's.
    """
    if start == 0 and stop >= _length(batch):
        return batch
    return _cut(batch, slice(start, stop))


def _cut(value: Any, rows: slice) -> Any:
    if isinstance(value, torch.Tensor | np.ndarray | Sequence) and not isinstance(value, str):
        return value[rows]
    if isinstance(value, Mapping):
        return {name: _cut(entry, rows) for name, entry in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _cut(getattr(value, f.name), rows) for f in fields(value)})
    return value


def _length(batch: Any) -> int:
    return len(batch)


def _advice(size: int, *, halved: bool) -> str:
    if size == 1:
        return (
            "the device ran out of memory on a single window; take a smaller LLM, load it "
            "quantized or in bfloat16, or use a device with more memory"
        )
    note = ", though the batch was halved before" if halved else ""
    return (
        f"the device ran out of memory with {size} windows at a time{note}; "
        f"choose a batch_size below {size}, or a smaller LLM"
    )
