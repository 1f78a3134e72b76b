"""The probe hears what the LLM hears, and is fitted once."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.evaluation.control_probe import ControlProbe, macro_f1, probe_features, why_no_probe
from sensor2llm.evaluation.probe import FeatureSet
from sensor2llm.pretraining.config import ProbeConfig
from sensor2llm.tasks.metrics import Predictions, measure


def real(seed=0, windows=60):
    rng = np.random.default_rng(seed)
    true = rng.integers(3, size=windows)
    return Predictions(
        labels=("rest", "run", "walk"),
        true=true,
        predicted=rng.integers(3, size=windows),
        subjects=np.array([f"p{i}" for i in rng.integers(4, size=windows)]),
    )


def features(labels, seed=0, noise=0.1):
    drawn = np.random.default_rng(seed).normal(0, noise, (len(labels), 3))
    return FeatureSet(features=np.eye(3)[labels] + drawn, labels=labels)


@pytest.mark.parametrize("known", [3, 2])
def test_the_probe_finds_the_labels_that_it_saw(known):
    evaluated, rng = real(), np.random.default_rng(1)
    train, validation = (features(rng.integers(known, size=n)) for n in (90, 30))
    probe = ControlProbe.fit(train, validation, evaluated, np.eye(3)[evaluated.true])
    told = evaluated.true < known
    assert np.array_equal(probe.real.predicted[told], evaluated.true[told])
    assert probe.real.probabilities.sum(1) == pytest.approx(1)
    assert not probe.real.probabilities[:, known:].any()


def test_altered_windows_are_judged_by_the_probe_of_unaltered_ones():
    evaluated, rng = real(), np.random.default_rng(1)
    train, validation = (features(rng.integers(3, size=n), noise=0.5) for n in (90, 30))
    unaltered = features(evaluated.true, seed=2, noise=0.5).features
    altered = unaltered[rng.permutation(60)]
    probe = ControlProbe.fit(train, validation, evaluated, unaltered)

    scaler = StandardScaler().fit(train.features)
    given = scaler.transform(train.features)
    fitted = [
        LogisticRegression(C=c, max_iter=300).fit(given, train.labels)
        for c in ProbeConfig().inverse_penalties
    ]
    said = [model.predict(scaler.transform(validation.features)) for model in fitted]
    scores = [f1_score(validation.labels, one, average="macro") for one in said]
    best = fitted[int(np.argmax(scores))]
    before, after = (best.predict(scaler.transform(x)) for x in (unaltered, altered))
    expected = {
        "probe_macro_f1": f1_score(evaluated.true, after, average="macro"),
        "probe_flip_rate": np.mean(before != after),
    }
    assert probe.on(altered) == pytest.approx(expected)
    assert 0 < expected["probe_flip_rate"] < 1
    assert probe.macro_f1 == pytest.approx(f1_score(evaluated.true, before, average="macro"))
    assert probe.on(unaltered)["probe_flip_rate"] == 0
    assert probe.on(None) == {}


@pytest.mark.parametrize("steps", [8, 6, 3])
def test_features_are_quarters_of_the_steps_in_order(steps):
    values = torch.randn(5, 2, steps, 3, generator=torch.Generator().manual_seed(0))
    found = probe_features(FeatureBatch(torch.zeros(5, dtype=torch.int64), values))
    parts = [p for p in np.array_split(np.arange(steps), 4) if len(p)]
    expected = np.stack([values.numpy()[:, :, part].mean(2) for part in parts], axis=2)
    np.testing.assert_allclose(found, expected.reshape(5, -1), atol=1e-6)


def test_windows_as_text_have_no_features():
    assert probe_features(FeatureBatch(torch.zeros(2, dtype=torch.int64), texts=("1", "2"))) is None


def test_macro_f1_is_that_of_the_metrics():
    found = real()
    assert macro_f1(found) == pytest.approx(measure(found).macro_f1)


def test_what_no_probe_can_be_fitted_on_is_said():
    some, none = np.array([0, 1]), np.zeros(0, np.int64)
    assert why_no_probe(some, some[:1]) is None
    for train, validation in ((none, some), (some, none)):
        assert "labelled training and validation windows" in why_no_probe(train, validation)
    assert "at least two labels" in why_no_probe(np.array([1, 1]), some)
