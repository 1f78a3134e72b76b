"""A number read off the language model's last hidden state, beside what it writes."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Target:
    """Say what is estimated, in which unit, and how far training values spread about their mean.

    The name is a fact's key (`heart_rate.heart_rate`), or `label`: the labels are numbers.
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
    """Map a hidden state to a number in the target's unit, whose mean and spread it works on."""

    def __init__(self, width: int, target: Target) -> None:
        super().__init__()
        self.target = target
        self.norm = nn.LayerNorm(width)
        self.out_proj = nn.Linear(width, 1)

    def forward(self, states: Float[Tensor, "batch width"]) -> Float[Tensor, " batch"]:
        """Give a number a row, in the target's unit."""
        return self.standard(states) * self.target.scale + self.target.mean

    def standard(self, states: Float[Tensor, "batch width"]) -> Float[Tensor, " batch"]:
        """Give the number less the training mean, in units of the training spread, in float32."""
        numbers = self.out_proj(self.norm(states.to(self.norm.weight.dtype)))
        # Autocast leaves bfloat16, in which a mean far from zero would swallow the difference.
        return numbers.squeeze(1).float()

    def standardise(self, values: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Bring values in the target's unit onto the same scale."""
        return (values - self.target.mean) / self.target.scale


def number_loss(
    head: NumberHead, states: Float[Tensor, "batch width"], values: Float[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Sum the Huber loss, which a few odd values do not rule, on the standardised scale."""
    estimates = head.standard(states)
    expected = head.standardise(values.to(estimates))
    return nn.functional.smooth_l1_loss(estimates, expected, reduction="sum")


def fit_target(name: str, unit: str, values: Float[Tensor, " window"]) -> Target:
    """Measure a target's mean and spread, and choose decimals: a step is a tenth of the spread.

    The spread of values that are all alike counts as 1.
    """
    spread = float(values.std(correction=0)) or 1.0
    # A hundredth of the spread is far below what is learnt: no digit more is written. Rounded,
    # because the logarithm of a power of ten may lie a little above a whole number.
    decimals = max(0, math.ceil(round(1 - math.log10(spread), 9)))
    return Target(name=name, unit=unit, mean=float(values.mean()), scale=spread, decimals=decimals)
