"""One Gaussian a class over windows' statistics, for any subset of the sensors.

    gaussians = fit_gaussians(statistics, classes)
    gaussians.scores(statistics, columns)      how unlike each window is, by its likeliest class

A covariance is shrunk towards that of all classes, and both towards independence. A subset of the
sensors has a part of the means and of the covariances.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

# Least share of the covariance of all classes; a trial's: 0.2 and 0.5 did alike.
POOLED = 0.2
INDEPENDENT = 0.05
OWN_SPREAD = 0.3
Matrix = Float[np.ndarray, "window statistic"]


@dataclass(frozen=True, eq=False)
class ClassGaussians:
    """Hold classes' means and covariances, in units of the statistics' own spread."""

    center: Float[np.ndarray, " statistic"]
    scale: Float[np.ndarray, " statistic"]
    means: Float[np.ndarray, "label statistic"]
    covariances: Float[np.ndarray, "label statistic statistic"]

    @cached_property
    def _factors(self) -> dict[bytes, tuple[np.ndarray, np.ndarray]]:
        return {}

    def distances(
        self, statistics: Matrix, columns: Int[np.ndarray, " column"]
    ) -> Float[np.ndarray, "window label"]:
        """Give each window's negative log-density of each class, twice, a statistic.

        Args:
            statistics: of windows, these columns alone.
            columns: which of all statistics.
        """
        inverse, logdet = self._factor(columns)
        deviations = (statistics - self.center[columns]) / self.scale[columns]
        squares = [
            (((deviations - mean[columns]) @ own.T) ** 2).sum(1)
            for mean, own in zip(self.means, inverse, strict=True)
        ]
        return (np.stack(squares, 1) + logdet) / len(columns)

    def part(self, columns: Int[np.ndarray, " column"]) -> "StatisticsPart":
        """Give center, scale, means and standard deviations of some statistics."""
        own = np.sqrt(self.covariances[:, columns, columns])
        return StatisticsPart(
            self.center[columns], self.scale[columns], self.means[:, columns], own
        )

    def _factor(self, columns: Int[np.ndarray, " column"]) -> tuple[np.ndarray, np.ndarray]:
        """Give the inverse Cholesky factors and log-determinants of a part of the covariances."""
        key = np.asarray(columns, "<i8").tobytes()
        if key not in self._factors:
            lower = np.linalg.cholesky(self.covariances[:, columns][:, :, columns])
            logdet = 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(1)
            self._factors[key] = (np.linalg.inv(lower), logdet)
        return self._factors[key]


class StatisticsPart(NamedTuple):
    """Hold what is usual of some statistics; means and deviations are in units of `scale`."""

    center: Float[np.ndarray, " column"]
    scale: Float[np.ndarray, " column"]
    means: Float[np.ndarray, "label column"]
    deviations: Float[np.ndarray, "label column"]


def fit_gaussians(statistics: Matrix, classes: Int[np.ndarray, " window"]) -> ClassGaussians:
    """Fit a Gaussian to each class; windows of no class (-1) are a class of their own."""
    center, scale = statistics.mean(0), statistics.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    normal, width = (statistics - center) / scale, statistics.shape[1]
    members = [normal[classes == number] for number in np.unique(classes)]
    # Two windows have no spread to speak of.
    members = [own for own in members if len(own) > 2] or [normal]
    pooled = sum(_scatter(own) * len(own) for own in members) / sum(map(len, members))
    covariances = []
    for own in members:
        share = max(POOLED, width / (width + len(own)))
        mixed = (1 - share) * _scatter(own) + share * pooled
        covariances.append((1 - INDEPENDENT) * mixed + INDEPENDENT * OWN_SPREAD * np.eye(width))
    return ClassGaussians(
        center, scale, np.stack([own.mean(0) for own in members]), np.stack(covariances)
    )


def _scatter(members: Matrix) -> Float[np.ndarray, "statistic statistic"]:
    moved = members - members.mean(0)
    return moved.T @ moved / len(members)
