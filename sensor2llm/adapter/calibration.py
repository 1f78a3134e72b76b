"""How sure of an adapter's labels one may be: temperature, label sets, and when to say nothing.

    calibration = calibrate(probabilities, true, people)
    calibration.label_set(probabilities, 0.9)      labels of which one is right 9 times in 10
    calibration.least_confidence(0.05)             below it, more than 5 % of labels would be wrong

Made on people who did not teach it. The sets are those of split conformal prediction with the least
ambiguous rule: every label that is likelier than a threshold [Sadinle, Lei and Wasserman 2019],
and always the likeliest one. The rule is a quantile, which is why no library is used for it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sensor2llm.errors import DataError

Probabilities = Float[np.ndarray, "window label"]
COLDEST, HOTTEST = 0.2, 20.0


@dataclass(frozen=True, eq=False)
class Calibration:
    """Hold what is needed to say how sure an answer is.

    Args:
        temperature: scores are divided by it.
        true: probability of each window's true label, at this temperature.
        confidence: probability of its likeliest label.
        right: whether that one is the true one.
        people: a number a person.
    """

    temperature: float
    true: Float[np.ndarray, " window"]
    confidence: Float[np.ndarray, " window"]
    right: Bool[np.ndarray, " window"]
    people: Int[np.ndarray, " window"]

    def least_probability(self, level: float) -> float:
        """Give the probability from which on a label is in the set that holds the truth so often.

        Raises:
            DataError: the level is no share.
        """
        if not 0 < level < 1:
            raise DataError(f"a label set is to hold the truth in a share of windows, got {level}")
        place = math.ceil((len(self.true) + 1) * level)
        if place > len(self.true):
            return 0.0
        return float(np.sort(self.true)[::-1][place - 1])

    def label_sets(self, probabilities: Probabilities, level: float) -> Bool[np.ndarray, "n label"]:
        """Say which labels are in each window's set; the likeliest always is."""
        members = probabilities >= self.least_probability(level)
        members[np.arange(len(members)), probabilities.argmax(1)] = True
        return members

    def label_set(self, probabilities: Mapping[str, float], level: float = 0.9) -> list[str]:
        """Give a window's labels in the set, the likeliest first."""
        (members,) = self.label_sets(np.array([list(probabilities.values())]), level)
        names = [name for name, there in zip(probabilities, members, strict=True) if there]
        return sorted(names, key=lambda name: -probabilities[name])

    def least_confidence(self, risk: float) -> float:
        """Give the confidence from which on no larger share of labels than `risk` is wrong.

        It is 0 where all may be answered, infinite where no confidence is high enough.

        Raises:
            DataError: the risk is no share.
        """
        if not 0 <= risk <= 1:
            raise DataError(f"a risk is a share of wrong labels, 0 to 1, got {risk:g}")
        confidence, wrong = self._from_the_surest()
        if wrong[-1] <= risk:
            return 0.0
        low_enough = np.flatnonzero(wrong <= risk)
        return float(confidence[low_enough[-1]]) if low_enough.size else math.inf

    def _from_the_surest(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(-self.confidence, kind="stable")
        wrong = np.cumsum(~self.right[order]) / np.arange(1, len(order) + 1)
        # Windows of one confidence are answered together or not at all.
        last = np.flatnonzero(np.diff(self.confidence[order], append=-1.0) != 0)
        return self.confidence[order][last], wrong[last]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Give the arrays that a file holds."""
        return {
            "temperature": np.array([self.temperature], np.float64),
            "true": self.true.astype(np.float32),
            "confidence": self.confidence.astype(np.float32),
            "right": self.right.astype(np.uint8),
            "people": self.people.astype(np.int32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Calibration":
        """Make it again of what `to_arrays` gave."""
        (temperature,) = arrays["temperature"].tolist()
        right = arrays["right"].astype(bool)
        return cls(temperature, arrays["true"], arrays["confidence"], right, arrays["people"])


def calibrate(
    probabilities: Probabilities,
    true: Int[np.ndarray, " window"],
    people: Int[np.ndarray, " window"],
) -> Calibration:
    """Choose the temperature, and keep what the sets and the risk are computed from.

    Args:
        probabilities: as the adapter gives them without a temperature.
        true: label numbers.
        people: a number a person, none of whom taught the adapter.

    Raises:
        DataError: there is no window.
    """
    if not len(true):
        raise DataError("no labelled window of people who did not teach; nothing to calibrate on")
    temperature = _best_temperature(np.log(np.maximum(probabilities, 1e-30)), true)
    scaled = with_temperature(probabilities, temperature)
    rows = np.arange(len(true))
    return Calibration(
        temperature, scaled[rows, true], scaled.max(1), scaled.argmax(1) == true, people
    )


def with_temperature(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Give probabilities as they are where scores are divided by a temperature."""
    scores = np.log(np.maximum(probabilities, 1e-30)) / temperature
    powers: Probabilities = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _best_temperature(scores: Probabilities, true: Int[np.ndarray, " window"]) -> float:
    """Minimise the cross-entropy; a little of each truth is every label's, as Platt does.

    Without it, windows that are all right would have no warmth at all.
    """
    windows, labels = scores.shape
    targets = np.full((windows, labels), 1 / (windows + 2) / labels)
    targets[np.arange(windows), true] += 1 - 1 / (windows + 2)

    def loss(log_temperature: float) -> float:
        scaled = scores / math.exp(log_temperature)
        whole = np.logaddexp.reduce(scaled, axis=1, keepdims=True)
        return float(-(targets * (scaled - whole)).sum() / windows)

    from scipy.optimize import minimize_scalar  # half a second, that use need not wait for

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    return math.exp(float(minimize_scalar(loss, bounds=bounds, method="bounded").x))
