"""A random forest on exactly the numbers that a prompt holds: what they say without any LLM."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier

TREES = 300


def predict_by_forest(
    train: Float[np.ndarray, "window number"],
    labels: Int[np.ndarray, " window"],
    test: Float[np.ndarray, "window number"],
    seed: int,
) -> Int[np.ndarray, " window"]:
    """Fit scikit-learn's own settings to training windows and give the others' labels.

    Nothing is chosen. A number that a window lacks is NaN, which a tree takes as a value.
    """
    forest = RandomForestClassifier(TREES, random_state=seed).fit(train, labels)
    return np.asarray(forest.predict(test))
