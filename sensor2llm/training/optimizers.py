"""Optimisers over the parameters that take gradients."""

import torch
from torch import nn

from sensor2llm.training.config import LoopConfig


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
