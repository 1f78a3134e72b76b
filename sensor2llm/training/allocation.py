"""A budget for the weights that are made while a saved network is built.

with AllocationBudget(stored_numbers(path)):
    network = build(settings)       # settings that claim more than the file holds are refused
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch.utils._python_dispatch import TorchDispatchMode

TIMES = 8
"""How often the stored numbers may be made: drawing weights takes copies."""
ALWAYS = 1 << 20
"""Numbers that may be made besides: tables of positions, masks, indices."""


class AllocationBudget(TorchDispatchMode):
    """Refuse to make tensors that are, one by one or together, far larger than what is stored.

    Raises:
        ValueError: where a tensor is asked for that goes beyond the budget, before it is made.
    """

    def __init__(self, stored: int) -> None:
        super().__init__()
        self._stored, self._left = stored, TIMES * stored + ALWAYS

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count what a factory is asked for."""
        sizes = args[0] if args else (kwargs or {}).get("size", ())
        if isinstance(sizes, list | tuple) and all(isinstance(n, int) for n in sizes):
            self._left -= math.prod(sizes)
        elif func is torch.ops.aten.arange.default and isinstance(sizes, int):
            self._left -= sizes
        if self._left < 0:
            raise ValueError(
                f"the settings ask for far more than {self._stored} numbers, as stored"
            )
        return func(*args, **(kwargs or {}))


def stored_numbers(path: Path) -> int:
    """Count the numbers of a safetensors file by its header.

    Raises:
        OSError, SafetensorError: It is missing or broken.
    """
    with safe_open(path, "pt") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
