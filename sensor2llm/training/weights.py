"""A module's weights as a run handles them: what is trained, what is saved, where it lies."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]


def trainable(module: nn.Module) -> dict[str, Tensor]:
    """Give the parameters that take a gradient."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def checkpointed(module: nn.Module) -> dict[str, Tensor]:
    """Give what a checkpoint keeps: trainable parameters and buffers, never frozen weights."""
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    return {name: t for name, t in module.state_dict().items() if name not in frozen}


def copy_weights(weights: Weights) -> dict[str, Tensor]:
    """Copy tensors to contiguous CPU memory of their own."""
    return {name: w.detach().cpu().clone().contiguous() for name, w in weights.items()}


def load_weights(module: nn.Module, weights: Weights) -> None:
    """Give a module these weights; what is not named stays."""
    module.load_state_dict(dict(weights), strict=False)


def follow(average: Weights, module: nn.Module, decay: float) -> None:
    """Move a running average, in place, towards a module's trainable parameters."""
    current = trainable(module)
    for name, value in average.items():
        value.lerp_(current[name].detach().to(value), 1 - decay)


def take_step(
    module: nn.Module, optimizers: Sequence[torch.optim.Optimizer], factor: float, max_norm: float
) -> float:
    """Multiply a module's gradients, clip them, step, and drop them.

    Args:
        module: whose gradients are there.
        optimizers: of its parameters.
        factor: by which to multiply gradients.
        max_norm: to which they are clipped then; 0 clips none.

    Returns:
        The norm of the whole gradient before clipping; 0 where none is clipped.
    """
    parameters = [p for p in module.parameters() if p.grad is not None]
    torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], factor)
    norm = torch.zeros(())
    if max_norm:
        norm = nn.utils.clip_grad_norm_(parameters, max_norm)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(norm)


def move_states(optimizers: Sequence[torch.optim.Optimizer], device: torch.device) -> None:
    """Bring loaded optimiser state to where the parameters are."""
    for optimizer in optimizers:
        for state in optimizer.state.values():
            for name, value in state.items():
                # Fused optimisers want their count of steps there too.
                if isinstance(value, Tensor):
                    state[name] = value.to(device)
