"""VICReg's loss: invariance, variance and covariance of two views' embeddings."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from sensor2llm.errors import ConfigError

EPSILON = 1e-4


class VICRegLoss(NamedTuple):
    """The weighted loss and its three terms before weighting."""

    loss: Tensor
    invariance: Tensor
    variance: Tensor
    covariance: Tensor


def vicreg_loss(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "batch dim"],
    *,
    similarity: float = 10.0,
    std: float = 10.0,
    covariance: float = 100.0,
) -> VICRegLoss:
    """Compare two views of the same windows [VICReg, arXiv:2105.04906, eq. 1-6].

    The defaults are CroSSL's coefficients; the VICReg paper's are 25, 25 and 1. Variances and
    covariances divide by batch - 1. Raises ConfigError for fewer than two rows.
    """
    if len(a) < 2:
        raise ConfigError(f"VICReg needs at least 2 windows a batch, got {len(a)}")
    invariance = functional.mse_loss(a, b)
    variance = 0.5 * (_hinge(a) + _hinge(b))
    redundancy = _off_diagonal(a) + _off_diagonal(b)
    loss = similarity * invariance + std * variance + covariance * redundancy
    return VICRegLoss(loss, invariance, variance, redundancy)


def _hinge(x: Float[Tensor, "batch dim"]) -> Tensor:
    """Give by how much, on average, a dimension's standard deviation falls short of 1."""
    return functional.relu(1 - (x.var(dim=0) + EPSILON).sqrt()).mean()


def _off_diagonal(x: Float[Tensor, "batch dim"]) -> Tensor:
    """Give the squared covariances between different dimensions, summed, over the dimensions."""
    centred = x - x.mean(dim=0)
    covariance = centred.T @ centred / (len(x) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / x.shape[1]
