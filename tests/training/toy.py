"""A regression that the training loop can do in a moment."""

import numpy as np
import torch
from torch import nn

from sensor2llm.training.loop import StepLoss, Validation


class Rows(tuple):
    """A batch: (inputs, targets)."""

    def to(self, device) -> "Rows":
        return Rows(part.to(device) for part in self)


class Line(nn.Module):
    """A linear layer under squared error, with dropout so that randomness matters."""

    def __init__(self, dropout: float = 0.0):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.dropout = nn.Linear(4, 1), nn.Dropout(dropout)

    def forward(self, batch, generator=None) -> StepLoss:
        inputs, targets = batch
        loss = (self.layer(self.dropout(inputs)) - targets).square().sum()
        return StepLoss(loss, float(len(inputs)))


class ToyTask:
    """Fit y = sum(x); `stop_at` raises KeyboardInterrupt at that step, as Ctrl-C does."""

    def __init__(self, dropout: float = 0.0, stop_at: int | None = None, rows: int = 96):
        generator = torch.Generator().manual_seed(1)
        self.module = Line(dropout)
        self.inputs = torch.randn(rows, 4, generator=generator)
        self.targets = self.inputs.sum(1, keepdim=True)
        self.stop_at, self.read = stop_at, 0

    def batches(self, epoch: int):
        order = np.random.default_rng(epoch).permutation(len(self.inputs))
        return np.array_split(order, len(order) // 12)

    def collate(self, rows):
        self.read += 1
        if self.stop_at is not None and self.read > self.stop_at:
            raise KeyboardInterrupt
        return Rows((self.inputs[rows], self.targets[rows]))

    def validate(self) -> Validation:
        with torch.no_grad():
            error = (self.module.layer(self.inputs) - self.targets).square().mean()
        return Validation(-float(error), {"error": float(error)})


class Deep(ToyTask):
    """The toy's regression with a hidden matrix and a frozen layer."""

    def __init__(self, **options):
        super().__init__(**options)
        hidden, fixed = nn.Linear(4, 4), nn.Linear(4, 4).requires_grad_(False)
        self.module.layer = nn.Sequential(fixed, hidden, nn.Linear(4, 1))
