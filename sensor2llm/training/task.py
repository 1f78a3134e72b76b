"""What a training task gives the loop, and what it gets back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn


class StepLoss(NamedTuple):
    """What a module's forward gives: a sum, what it sums over, and figures to log."""

    total: Tensor
    """The loss summed over rows or tokens, a scalar with a gradient."""
    weight: float
    """How many rows or tokens `total` sums over."""
    metrics: Mapping[str, float | Tensor] = {}
    """Further figures, averaged over the process's logged steps."""


class Validation(NamedTuple):
    """What a validation found; the run with the highest score is kept."""

    score: float
    metrics: Mapping[str, float] = {}


class TrainingTask(Protocol):
    """What `fit` trains."""

    @property
    def module(self) -> nn.Module:
        """Give what is trained: forward(batch, generator) gives a StepLoss.

        Several processes wait for a gradient of every trainable parameter: switch
        `requires_grad` off for those that the forward does not use.
        """

    def batches(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Give an epoch's batches of row numbers, a function of the epoch alone."""

    def collate(self, rows: NDArray[np.int64]) -> Any:
        """Read rows into a batch that has `to(device)`."""

    def validate(self) -> Validation | None:
        """Score the module as it stands, or give None where there is nothing to validate on."""


@dataclass(frozen=True)
class FitResult:
    """How a run went."""

    steps: int
    rows: int
    seconds: float
    best_score: float | None
    best_step: int
    ended: str
    """finished, early (patience), steps or budget."""
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def rows_per_s(self) -> float:
        """Give training rows a second, validation left out."""
        return self.rows / max(self.seconds, 1e-9)
