"""A module's weights as a run handles them: what is trained, what is saved, where it lies."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sensor2llm.training.config import LoopConfig

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


def build_optimizers(module: nn.Module, config: LoopConfig) -> list[torch.optim.Optimizer]:
    """Build what the config names; each parameter group carries its peak learning rate.

    `muon` orthogonalises the momentum of hidden matrices [Muon, kellerjordan.github.io/posts/muon]
    and leaves embeddings, output heads, gains and biases to AdamW.
    """
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    hidden = {
        name
        for name, p in named
        if config.optimizer == "muon" and p.dim() == 2 and not _is_table(name)
    }
    matrices = [p for name, p in named if name not in hidden and p.dim() >= 2]
    vectors = [p for name, p in named if name not in hidden and p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay, "peak": config.learning_rate},
        {"params": vectors, "weight_decay": 0.0, "peak": config.learning_rate},
    ]
    groups = [group for group in groups if group["params"]]
    optimizers: list[torch.optim.Optimizer] = []
    if groups:
        kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
        betas = (0.9, config.beta2)
        optimizers.append(kind(groups, lr=config.learning_rate, betas=betas, fused=True))
    if hidden:
        group = {"params": [p for name, p in named if name in hidden]}
        optimizers.append(
            torch.optim.Muon(
                [group | {"peak": config.muon_learning_rate}],
                lr=config.muon_learning_rate,
                weight_decay=config.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    return optimizers


def _is_table(name: str) -> bool:
    return "embed" in name or "lm_head" in name
