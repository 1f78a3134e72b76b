"""A number read off the language model's last hidden state, beside what it writes."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Target:
    """Say what is estimated, in which unit, and how far training values spread.

    Args:
        name: a fact's key (`heart_rate.heart_rate`), or `label`: the labels are numbers.
        unit: of the number; empty for none.
        mean: of the training values.
        scale: their standard deviation.
        decimals: digits after the point when it is written.
    """

    name: str
    unit: str
    mean: float
    scale: float
    decimals: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    def write(self, value: float) -> str:
        """Write a value with its unit, as the language model is to say it."""
        return f"{value:.{self.decimals}f} {self.unit}".strip()


class NumberHead(nn.Module):
    """Map a hidden state to a number in the target's unit.

    Args:
        width: of the hidden states.
        target: gives the unit's mean and spread, on which the map works.
    """

    def __init__(self, width: int, target: Target) -> None:
        super().__init__()
        self.target = target
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, 1)

    def forward(self, states: Float[Tensor, "batch width"]) -> Float[Tensor, " batch"]:
        """Give a number a row, in the target's unit."""
        return self.standard(states) * self.target.scale + self.target.mean

    def standard(self, states: Float[Tensor, "batch width"]) -> Float[Tensor, " batch"]:
        """Give the number less the training mean, in units of the training spread."""
        return self.leave(self.norm(states.to(self.norm.weight.dtype))).squeeze(1)

    def standardise(self, values: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Bring values in the target's unit onto the same scale."""
        return (values - self.target.mean) / self.target.scale


def number_loss(
    head: NumberHead, states: Float[Tensor, "batch width"], values: Float[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Sum the Huber loss, which a few odd values do not rule, on the standardised scale."""
    found = head.standard(states)
    expected = head.standardise(values.to(found))
    return nn.functional.smooth_l1_loss(found.float(), expected.float(), reduction="sum")


def fit_target(
    name: str, unit: str, values: Float[Tensor, " window"], *, digits: int = 3
) -> Target:
    """Measure a target's mean and spread, and choose decimals that say its spread in steps.

    Args:
        name: what is estimated.
        unit: its unit.
        values: of the training windows.
        digits: about so many significant digits of the spread's range.
    """
    spread = float(values.std(correction=0)) or 1.0
    # A hundredth of the spread is far below what is learnt: no digit more is written.
    decimals = max(0, int(torch.ceil(-torch.log10(torch.tensor(spread / 10))).item()))
    return Target(
        name=name,
        unit=unit,
        mean=float(values.mean()),
        scale=spread,
        decimals=min(decimals, digits),
    )
