"""Temperature, label sets and the least confidence, restated on windows that are drawn."""

import math

import numpy as np
import pytest

from sensor2llm.adapter.calibration import Calibration, calibrate, with_temperature
from sensor2llm.errors import DataError


def drawn(windows: int, sharpness: float, seed: int = 0):
    """Draw truths by the scores, and give probabilities that are `sharpness` times as sharp."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1.5, (windows, 4))
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    true = (chances.cumsum(1) > rng.random((windows, 1))).argmax(1)
    powers = np.exp(sharpness * scores)
    return powers / powers.sum(1, keepdims=True), true


def calibrated(windows: int = 4000, sharpness: float = 3.0) -> Calibration:
    return calibrate(*drawn(windows, sharpness), np.arange(windows) % 7)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_scores_too_sharp(sharpness):
    assert calibrated(sharpness=sharpness).temperature == pytest.approx(sharpness, rel=0.1)


def test_windows_that_are_all_right_do_not_freeze():
    probabilities = np.tile([0.9, 0.1], (50, 1))
    assert 0.2 < calibrate(probabilities, np.zeros(50, int), np.zeros(50, int)).temperature < 1


def test_a_temperature_keeps_order_and_sum():
    probabilities, _ = drawn(20, 1.0)
    warm = with_temperature(probabilities, 2.0)
    np.testing.assert_allclose(warm.sum(1), 1)
    np.testing.assert_array_equal(warm.argsort(1), probabilities.argsort(1))
    np.testing.assert_allclose(with_temperature(probabilities, 1.0), probabilities)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_label_sets_hold_the_truth_as_often_as_asked(level):
    calibration = calibrated()
    probabilities, true = drawn(4000, 3.0, seed=1)
    members = calibration.label_sets(
        with_temperature(probabilities, calibration.temperature), level
    )
    held = members[np.arange(len(true)), true].mean()
    # The likeliest label is in every set, so that low levels hold more.
    assert held > level - 0.02
    assert level < 0.8 or held < level + 0.02


def test_a_set_is_never_empty_and_the_likeliest_comes_first():
    calibration = calibrated()
    flat = {"a": 0.24, "b": 0.26, "c": 0.25, "d": 0.25}
    assert calibration.label_set(flat, 0.01) == ["b"]
    assert calibration.label_set(flat, 0.99)[0] == "b"
    assert len(calibration.label_set(flat, 0.99)) == 4
    assert calibration.label_set({"a": 0.999, "b": 0.001, "c": 0.0, "d": 0.0}, 0.9) == ["a"]


def test_too_few_windows_hold_no_label_back():
    few = calibrate(*drawn(5, 1.0), np.arange(5))
    assert few.least_probability(0.99) == 0.0


def test_below_the_least_confidence_more_are_wrong_than_is_taken():
    calibration = calibrated()
    for risk in (0.1, 0.3):
        answered = calibration.confidence >= calibration.least_confidence(risk)
        assert np.mean(~calibration.right[answered]) <= risk
    order = [calibration.least_confidence(risk) for risk in (0.05, 0.1, 0.3, 1.0)]
    assert order == sorted(order, reverse=True)
    assert order[-1] == 0.0


def test_a_risk_that_cannot_be_had_answers_nothing():
    wrong = calibrate(np.tile([0.9, 0.1], (9, 1)), np.ones(9, int), np.arange(9))
    assert wrong.least_confidence(0.1) == math.inf


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.least_probability(1.0), r"in a share of windows, got 1.0"),
        (lambda c: c.least_confidence(5), r"share of wrong labels, 0 to 1, got 5"),
        (lambda _: calibrate(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0, int)),
         "no labelled window of people who did not teach"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_line(ask, message):
    with pytest.raises(DataError, match=message):
        ask(calibrated(100))


def test_it_comes_back_from_arrays():
    calibration = calibrated(200)
    again = Calibration.from_arrays(calibration.to_arrays())
    assert again.temperature == calibration.temperature
    assert again.least_probability(0.9) == pytest.approx(calibration.least_probability(0.9))
    np.testing.assert_array_equal(again.right, calibration.right)
