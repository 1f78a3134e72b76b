"""Shard gradients and moments over processes with DeepSpeed, ZeRO stages 1 and 2.

`accelerate launch` asks for it with `distributed_type: DEEPSPEED`. DeepSpeed is called here and not
through accelerate, which wants a data loader and makes a step with every backward pass. Weights
stay whole in every process. Where several processes must act together, the functions say so: a
process that leaves one out makes the others wait for ever.

[ZeRO, Rajbhandari et al. 2020, sec. 5]
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from itertools import chain
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch import distributed as dist

from sensor2llm.training.config import LoopConfig
from sensor2llm.training.devices import autocast
from sensor2llm.training.zero_config import asks_for_zero, zero_settings


def wants_zero(accelerator: Accelerator) -> bool:
    """Say whether the launcher asks for DeepSpeed and there is more than one process."""
    return asks_for_zero() and accelerator.num_processes > 1


class ZeroEngine:
    """Hold gradients and an optimiser's moments in parts, and make the optimiser's steps.

    All processes make one together, with the first one's weights. DeepSpeed lays a parameter
    group's weights one after another and gives every process an equal part of that, which becomes
    the group's only parameter: the optimiser must treat every weight alike, as Adam does.

    Args:
        module: what is trained; goes to the device, and is changed in place until `undo`.
        optimizer: over the module's trainable parameters; the state it has is taken over.
        config: precision, clipping.
        device: where the module goes.

    Raises:
        ConfigError: as `zero_settings`.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        config: LoopConfig,
        device: torch.device,
    ):
        self.optimizer, self.device = optimizer, device
        self._groups = [list(group["params"]) for group in optimizer.param_groups]
        self._attributes = {p: set(vars(p)) for p in module.parameters()}
        states = dict(optimizer.state)
        optimizer.state.clear()
        os.environ.setdefault("DS_ACCELERATOR", device.type)
        with redirect_stdout(sys.stderr):  # its log is no result of a verb
            import deepspeed

            self._engine: Any = deepspeed.initialize(
                model=_Root(module, device, config.precision),
                optimizer=optimizer,
                config=zero_settings(config),
            )[0]
        self._engine.set_gradient_accumulation_boundary(True)
        for parameters, part in zip(self._groups, self._parts(), strict=True):
            weights = [p.detach() for p in parameters]
            assert torch.equal(_own_part(weights, part), part.detach()), "laid out in another way"
            if found := [states.get(p, {}) for p in parameters if states]:
                optimizer.state[part] = _own_state(found, parameters, part)

    def root(self, *given: Any) -> Any:
        """Call the module, in the run's precision; all processes."""
        with torch.autocast(self.device.type, enabled=False):  # DeepSpeed warns of one around it
            return self._engine(*given)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Add up gradients for a while, as there are more parts of the batch to come."""
        self._engine.set_gradient_accumulation_boundary(False)
        try:
            yield
        finally:
            self._engine.set_gradient_accumulation_boundary(True)

    def together(self) -> nullcontext[None]:
        """Have whole weights for a while, as they always are."""
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Compute and exchange gradients of what `root` gave; all processes."""
        self._engine.backward(loss)

    def step(self, factor: float) -> float:
        """Multiply gradients, clip them, step, and drop them; all processes.

        Args:
            factor: by which to multiply gradients, which are means over the processes.

        Returns:
            The norm of the whole gradient before clipping.
        """
        # The loss scale is what gradients are divided by before their norm is clipped. A loss is
        # multiplied by it too, in the backward pass, where it must be 1.
        self._engine.optimizer.loss_scale = 1 / factor
        self._engine.step()
        self._engine.optimizer.loss_scale = 1.0
        return float(self._engine.get_global_grad_norm())

    def states(self) -> list[dict[str, Any]]:
        """Give the optimiser's state as it is without shards, for a checkpoint; all processes."""
        state: dict[int, dict[str, Any]] = {}
        groups = self.optimizer.state_dict()["param_groups"]
        for group, parameters, part in zip(groups, self._groups, self._parts(), strict=True):
            group["params"] = [len(state) + i for i in range(len(parameters))]
            found = {
                name: _whole(value, parameters) if value.dim() else _copies(value, parameters)
                for name, value in self.optimizer.state.get(part, {}).items()
            }
            for i, number in enumerate(group["params"]):
                state[number] = {name: values[i] for name, values in found.items()}
        return [{"state": {n: s for n, s in state.items() if s}, "param_groups": groups}]

    def undo(self) -> None:
        """Make the module as it was, with its weights of now."""
        self._engine.destroy()
        for parameter, names in self._attributes.items():
            for name in vars(parameter).keys() - names:
                delattr(parameter, name)
        for parameter in chain(*self._groups):
            parameter.data = parameter.data.clone()  # it lay within its group's

    def _parts(self) -> list[nn.Parameter]:
        return [group["params"][0] for group in self.optimizer.param_groups]


class _Root(nn.Module):
    """Call a module in a precision, as DeepSpeed keeps no autocast that is around it."""

    def __init__(self, module: nn.Module, device: torch.device, precision: str):
        super().__init__()
        self.module, self.device, self.precision = module, device, precision

    def forward(self, *given: Any) -> Any:
        with autocast(self.device, self.precision):
            return self.module(*given)


def _own_part(tensors: Sequence[Tensor], part: Tensor) -> Tensor:
    """Take this process's part of tensors that lie one after another, zeros behind them."""
    joined = torch.cat([tensor.to(part).flatten() for tensor in tensors])
    spare = dist.get_world_size() * len(part) - len(joined)
    joined = nn.functional.pad(joined, (0, spare))
    return joined.split(len(part))[dist.get_rank()].clone()


def _own_state(
    states: Sequence[Mapping[str, Tensor]], models: Sequence[Tensor], part: Tensor
) -> dict[str, Tensor]:
    """Take this process's part of parameters' states; what was never stepped has zeros."""
    own = {}
    for name, value in max(states, key=len).items():
        if value.dim():
            pairs = zip(states, models, strict=True)
            own[name] = _own_part([s.get(name, torch.zeros_like(m)) for s, m in pairs], part)
        else:
            own[name] = value.to(part.device)
    return own


def _whole(part: Tensor, models: Sequence[Tensor]) -> list[Tensor]:
    """Give tensors whole, of which every process has a part; all of them."""
    parts = [torch.empty_like(part) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, part)
    sizes = [model.numel() for model in models]
    pieces = torch.cat(parts)[: sum(sizes)].split(sizes)
    return [p.view_as(model).clone() for p, model in zip(pieces, models, strict=True)]


def _copies(count: Tensor, models: Sequence[Tensor]) -> list[Tensor]:
    """Give each its own count of steps: optimisers add to it in place."""
    return [count.clone() for _ in models]
