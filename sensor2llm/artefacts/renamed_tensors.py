"""Names of tensors that files of before have otherwise."""

from collections.abc import Collection, Mapping

from torch import Tensor

RENAMED = {"enter": "in_proj", "leave": "out_proj"}
"""By a module's name of before, today's."""


def rename_tensors(tensors: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
    """Give tensors today's names.

    Example:
        >>> list(rename_tensors({"body.leave.bias": torch.zeros(2)}, ["body.out_proj.bias"]))
        ['body.out_proj.bias']
    """
    return {name if name in names else _renamed(name): tensor for name, tensor in tensors.items()}


def _renamed(name: str) -> str:
    return ".".join(RENAMED.get(part, part) for part in name.split("."))
