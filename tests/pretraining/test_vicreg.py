import numpy as np
import pytest
import torch

from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.vicreg import vicreg_loss


def restated(a: np.ndarray, b: np.ndarray, similarity: float, std: float, cov: float) -> float:
    """Write the formula down value by value, in float64."""
    rows, dims = a.shape
    invariance = sum((a[i, j] - b[i, j]) ** 2 for i in range(rows) for j in range(dims))
    invariance /= rows * dims
    hinges, redundancy = [], 0.0
    for view in (a, b):
        deviation = np.sqrt(np.var(view, axis=0, ddof=1) + 1e-4)
        hinges.append(np.mean(np.maximum(0.0, 1.0 - deviation)))
        matrix = np.cov(view, rowvar=False)
        redundancy += (
            sum(matrix[i, j] ** 2 for i in range(dims) for j in range(dims) if i != j) / dims
        )
    return similarity * invariance + std * 0.5 * sum(hinges) + cov * redundancy


@pytest.mark.parametrize("weights", [(10.0, 10.0, 100.0), (25.0, 25.0, 1.0)])
@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_equals_the_formula_restated(weights, spread):
    rng = np.random.default_rng(0)
    a, b = spread * rng.normal(size=(2, 7, 5))
    found = vicreg_loss(
        torch.from_numpy(a), torch.from_numpy(b),
        similarity=weights[0], std=weights[1], covariance=weights[2],
    )  # fmt: skip
    assert float(found.loss) == pytest.approx(restated(a, b, *weights), rel=1e-10)


def test_defaults_are_crossls_coefficients():
    torch.manual_seed(0)
    a, b = torch.randn(2, 6, 4)
    found = vicreg_loss(a, b)
    expected = 10 * found.invariance + 10 * found.variance + 100 * found.covariance
    torch.testing.assert_close(found.loss, expected)


def test_collapsed_views_pay_the_variance_term_and_differ_in_nothing():
    same = torch.ones(4, 3)
    found = vicreg_loss(same, same)
    assert float(found.invariance) == 0
    assert float(found.covariance) == 0
    assert float(found.variance) == pytest.approx(1 - 0.01)


def test_the_gradient_is_finite_where_nothing_varies():
    a = torch.ones(4, 3, requires_grad=True)
    vicreg_loss(a, torch.zeros(4, 3)).loss.backward()
    assert torch.isfinite(a.grad).all()


def test_a_batch_of_one_is_refused():
    with pytest.raises(ConfigError, match="at least 2 windows a batch, got 1"):
        vicreg_loss(torch.zeros(1, 3), torch.zeros(1, 3))
