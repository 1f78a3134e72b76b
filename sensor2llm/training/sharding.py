"""Shard what is trained over processes: each holds its part of weights, gradients and moments.

`accelerate launch` asks for it with `distributed_type: FSDP`. torch's `fully_shard` is called here
and not through accelerate, which (1.15) shards on accelerators only and silently copies the module
to every process on CPUs, and which wants to wrap the optimisers. Where several processes must act
together, the functions say so: a process that leaves one out makes the others wait for ever.

[PyTorch FSDP, Zhao et al. 2023, sec. 3]
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import parse_flag_from_env
from torch import Tensor, nn
from torch import distributed as dist

from sensor2llm.errors import ConfigError
from sensor2llm.training.config import LoopConfig


def wants_shards(accelerator: Accelerator, config: LoopConfig) -> bool:
    """Say whether the launcher asks for shards and there is more than one process.

    Raises:
        ConfigError: the optimiser cannot step on parts of matrices.
    """
    asked = parse_flag_from_env("ACCELERATE_USE_FSDP") and accelerator.num_processes > 1
    if asked and config.optimizer == "muon":
        raise ConfigError(
            "the optimizer muon needs whole matrices, which FSDP cuts up; take adamw or adam, or "
            "launch with --multi_gpu"
        )
    return asked


class Shards:
    """Hold a module's trainable parameters in parts; frozen ones stay whole in every process.

    All processes make one together, with the first one's weights. Buffers are not exchanged.

    Args:
        module: is changed in place, until `undo`.
        device: where it goes.

    Attributes:
        root: what to call instead of the module.
    """

    def __init__(self, module: nn.Module, device: torch.device):
        # Here, as it takes a third of the time that this package takes to import.
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule, fully_shard

        self.module = module.to(device)
        self._hooks = {m: _hook_numbers(m) for m in module.modules()}
        # What others refer to: `undo` gives these very parameters their values.
        self._whole = {n: p for n, p in module.named_parameters() if p.requires_grad}
        for parameter in self._whole.values():
            dist.broadcast(parameter.data, src=0)
        frozen = {p for p in module.parameters() if not p.requires_grad}
        mesh = init_device_mesh(device.type, (dist.get_world_size(),))
        self.root: FSDPModule = fully_shard(_Root(module), mesh=mesh, ignored_params=frozen)
        for parameter in self._whole.values():
            parameter.data = parameter.data.new_empty(0)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Have whole weights for a while, as for a forward that is not `root`'s; all processes."""
        self.root.unshard()
        try:
            yield
        finally:
            self.root.reshard()

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Add up gradients for a while without exchanging them."""
        self.root.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self.root.set_requires_gradient_sync(True)

    def undo(self) -> None:
        """Make the module as it was, with its weights of now; all processes."""
        parts = {n: p for n, p in self.module.named_parameters() if n in self._whole}
        for name, part in parts.items():
            self._whole[name].data = whole(part.detach())
        places = {id(p): self._whole[n] for n, p in parts.items()}
        for module, (saving, loading) in self._hooks.items():
            for name, parameter in list(module._parameters.items()):
                if id(parameter) in places:
                    module._parameters[name] = places[id(parameter)]
            for kept, hooks in (
                (saving, module._state_dict_pre_hooks),
                (loading, module._load_state_dict_pre_hooks),
            ):
                for number in hooks.keys() - kept:
                    del hooks[number]


class _Root(nn.Module):
    """Stand above a module, so that what sharding does to a root is not done to it."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, *given: Any) -> Any:
        return self.module(*given)


def whole(tensor: Tensor) -> Tensor:
    """Give a tensor whole, whose parts lie in all processes; all of them; others as they are."""
    return tensor.full_tensor() if _is_part(tensor) else tensor  # type: ignore[attr-defined]


def sharded_like(tensor: Tensor, model: Tensor) -> Tensor:
    """Take this process's part of a tensor that is whole in each, as `model` is in parts."""
    if not _is_part(model) or _is_part(tensor):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(model, DTensor)
    tensor = tensor.to(model.device)
    # None: nothing is sent, every process has the same tensor.
    return distribute_tensor(tensor, model.device_mesh, model.placements, src_data_rank=None)


def _is_part(tensor: Tensor) -> bool:
    return hasattr(tensor, "full_tensor")


def whole_states(optimizers: Iterable[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    """Give optimisers' states with whole tensors, for a checkpoint; all processes."""
    return [_whole_all(optimizer.state_dict()) for optimizer in optimizers]


def _whole_all(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _whole_all(inner) for key, inner in value.items()}
    return whole(value) if isinstance(value, Tensor) else value


def _hook_numbers(module: nn.Module) -> tuple[set[int], set[int]]:
    return set(module._state_dict_pre_hooks), set(module._load_state_dict_pre_hooks)
