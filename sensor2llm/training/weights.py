"""A module's weights as a run handles them: what is trained, what is kept, where it lies."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]


def trainable(module: nn.Module) -> dict[str, Tensor]:
    """Give the parameters that take a gradient."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def kept(module: nn.Module) -> dict[str, Tensor]:
    """Give what a checkpoint keeps: trainable parameters and buffers, never frozen weights."""
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    return {name: t for name, t in module.state_dict().items() if name not in frozen}


def copy_weights(weights: Weights) -> dict[str, Tensor]:
    """Copy tensors to contiguous CPU memory of their own."""
    return {name: w.detach().cpu().clone().contiguous() for name, w in weights.items()}


def follow(average: Weights, module: nn.Module, decay: float) -> None:
    """Move a running average, in place, towards a module's trainable parameters."""
    current = trainable(module)
    for name, value in average.items():
        value.lerp_(current[name].detach().to(value), 1 - decay)


def scale_gradients(parameters: Sequence[Tensor], factor: float) -> None:
    """Multiply gradients in place."""
    torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], factor)


def move_states(optimizers: Sequence[torch.optim.Optimizer], device: torch.device) -> None:
    """Bring loaded optimiser state to where the parameters are."""
    for optimizer in optimizers:
        for state in optimizer.state.values():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.dim() > 0:
                    state[name] = value.to(device)
