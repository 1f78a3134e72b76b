import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.evaluation.probe import (
    FeatureSet,
    encoder_features,
    f1_crossl_released,
    linear_probe,
    mlp_probe,
    probe,
)
from sensor2llm.pretraining.config import ProbeConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import split_by_subject
from sensor2llm.signals.transforms import fit_normaliser
from sensor2llm.training.config import LoopConfig
from tests.toy_store import SPEC, make_store

LOOP = LoopConfig(epochs=6, batch_size=8, learning_rate=3e-3, precision="float32")
CONFIG = ProbeConfig(kinds=("linear", "mlp", "finetuned"), loop=LOOP, finetune_loop=LOOP)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    store = make_store(tmp_path_factory.mktemp("toy"))
    split = split_by_subject(store, seed=0)
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=16, kernels=(8, 4, 4)))
    before = encoder.fingerprint()
    found = probe(encoder, store, split, fit_normaliser(store, split.train), CONFIG)
    assert encoder.fingerprint() == before
    return store, split, found


def test_every_probe_is_judged_on_the_test_windows(results):
    store, split, found = results
    assert list(found) == ["linear", "mlp", "finetuned"]
    for result in found.values():
        assert np.array_equal(result.rows, split.test)
        assert np.array_equal(result.labels, store.labels[split.test])
        np.testing.assert_allclose(result.probabilities.sum(1), 1, rtol=1e-5)
        guessed = result.probabilities.argmax(1)
        macro_f1 = f1_score(result.labels, guessed, average="macro")
        assert result.metrics["macro_f1"] == pytest.approx(macro_f1)
        assert macro_f1 > 0.8
        assert set(result.metrics) == {
            "macro_f1", "accuracy", "balanced_accuracy", "f1_crossl_released",
        }  # fmt: skip
        assert "validation_macro_f1" in result.chosen


def test_features_are_the_concatenated_pooled_embeddings(results):
    store, split, _ = results
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=16))
    data = WindowDataset(store, split.test, fit_normaliser(store, split.train))
    found = encoder_features(encoder, data)
    with torch.no_grad():
        expected = encoder(data.batch(range(len(data)))).pooled.flatten(1)
    np.testing.assert_allclose(found.features, expected, rtol=1e-4, atol=1e-6)
    assert np.array_equal(found.labels, data.labels)


def features(seed: int, shift: float = 0.0) -> FeatureSet:
    rng = np.random.default_rng(seed)
    labels = np.arange(60) % 2
    values = rng.normal(size=(60, 4)) + 2 * labels[:, None] + shift
    return FeatureSet(features=values.astype(np.float32), labels=labels)


@pytest.mark.parametrize("kind", [linear_probe, mlp_probe])
def test_a_label_that_nobody_taught_gets_a_column(kind):
    classify, _ = kind(features(0), features(1), 3, CONFIG)
    probabilities = classify(features(2).features)
    assert probabilities.shape == (60, 3)
    assert (probabilities.argmax(1) == features(2).labels).mean() > 0.9


def test_the_validation_people_choose_the_penalty():
    rng = np.random.default_rng(0)
    train = FeatureSet(
        features=rng.normal(size=(40, 200)).astype(np.float32), labels=np.arange(40) % 2
    )
    scores = {}
    for c in CONFIG.inverse_penalties:
        single = ProbeConfig(inverse_penalties=(c,))
        scores[c] = linear_probe(train, features_like(train, 1), 2, single)[1]
    chosen = linear_probe(train, features_like(train, 1), 2, CONFIG)[1]
    best = max(s["validation_macro_f1"] for s in scores.values())
    assert chosen["validation_macro_f1"] == best
    assert scores[chosen["C"]]["validation_macro_f1"] == best


def features_like(train: FeatureSet, seed: int) -> FeatureSet:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=train.features.shape).astype(np.float32)
    return FeatureSet(features=train.features + 2 * noise, labels=train.labels)


def test_the_released_metric_is_thresholded_and_micro_within_batches_of_eight():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, size=19)
    probabilities = rng.dirichlet(np.full(4, 0.4), size=19)
    scores = [
        f1_score(
            np.eye(4)[labels[i : i + 8]],
            (probabilities[i : i + 8] > 0.5).astype(int),
            average="micro",
        )
        for i in (0, 8, 16)
    ]
    assert f1_crossl_released(labels, probabilities) == pytest.approx(np.mean(scores))


def test_the_released_metric_is_not_macro_f1_on_skewed_data():
    labels = np.array([0] * 90 + [1] * 10)
    probabilities = np.tile([0.9, 0.1], (100, 1))
    assert f1_crossl_released(labels, probabilities) > 0.85
    assert f1_score(labels, probabilities.argmax(1), average="macro", zero_division=0) < 0.5


def test_unknown_probes_and_penalties_are_refused():
    with pytest.raises(ConfigError, match="unknown probe 'svm'; choose from linear, mlp"):
        ProbeConfig(kinds=("svm",))
    with pytest.raises(ConfigError, match="inverse_penalties must be positive numbers"):
        ProbeConfig(inverse_penalties=(0.0,))
