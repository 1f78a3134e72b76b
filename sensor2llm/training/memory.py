"""Batches that are computed in halves once the device has run out of memory."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from accelerate.utils import release_memory
from numpy.typing import NDArray

from sensor2llm.errors import ConfigError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
# CUDA and MPS say the first, the CPU's allocator the second, cuBLAS the third.
SIGNS = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
SMALLER = "a smaller model, or of an adapter's llm its llm_checkpointing or llm_quantization 4bit"


class MicrobatchSplitOnOOM:
    """Choose in how many parts a batch's gradients are computed: twice as many after a failure.

    Gradients are summed over the parts, so the step stays the same; a batch that failed is begun
    anew. Memory that runs out a second time ends the run.

    Args:
        count: parts to begin with.
        optimizers: whose gradients are dropped when a batch is begun anew.
        processes: how many train together. Several are not halved: the others would wait for
            gradients of a pass that they have been through.
    """

    def __init__(
        self, count: int, optimizers: Sequence[torch.optim.Optimizer], processes: int = 1
    ) -> None:
        self.count, self.optimizers, self.processes = count, optimizers, processes
        self.halved = False

    def __call__(self, gradients: Callable[[int], Result], rows: int) -> Result:
        """Compute a batch's gradients.

        Raises:
            ConfigError: memory ran out a second time, on a single row, or in one of several
                processes.
        """
        try:
            return gradients(self.count)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            size = -(-rows // self.count)
            if self.halved or self.processes > 1 or size < 2:
                raise ConfigError(self._advice(size)) from error
        # The error held the failed attempt's tensors; it is gone with the clause above.
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        release_memory()
        self.count, self.halved = 2 * self.count, True
        logger.warning(
            "the device ran out of memory with %d rows at a time; going on with %d at a time, "
            "%d parts a batch, which gives the same steps",
            size,
            -(-rows // self.count),
            self.count,
        )
        return self(gradients, rows)

    def _advice(self, size: int) -> str:
        if size < 2:
            return f"the device ran out of memory on a single row; take {SMALLER}"
        where = ", though the batch was halved before" if self.halved else ""
        if self.processes > 1:
            where = f" in one of {self.processes} processes"
        return (
            f"the device ran out of memory with {size} rows at a time{where}; raise the loop's "
            f"gradient_accumulation above {self.count}, which gives the same steps, or take "
            f"{SMALLER}"
        )


def split_rows(
    rows: NDArray[np.int64], count: int, rank: int, world: int
) -> list[NDArray[np.int64]]:
    """Cut this process's share of a batch into parts, as many as every other process has.

    Parts are as many everywhere, so that a step means the same in each process.
    A process without a row of its own takes the first.

    Args:
        rows: of the whole batch.
        count: parts to cut into; fewer where the smallest share has fewer rows.
        rank: of this process.
        world: how many processes there are.
    """
    share = rows[rank::world] if len(rows) > rank else rows[:1]
    return np.array_split(share, min(count, max(len(rows) // world, 1)))


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that a device, or the machine, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)
