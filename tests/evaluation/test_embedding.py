"""Probes of embeddings, on stores and encoders whose answers are known."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import DataError
from sensor2llm.evaluation.attention_shares import (
    attention_shares,
    cross_modal_share,
    time_aligned_share,
)
from sensor2llm.evaluation.controls import hide_modality
from sensor2llm.evaluation.embedding import (
    modality_changes,
    modality_shares,
    raw_statistics,
    selectivity,
    spread,
    subject_blocks,
    subject_probe,
)
from sensor2llm.evaluation.probe import FeatureSet, knn_probe
from sensor2llm.pretraining.config import ProbeConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.normalise import Normaliser, fit_normaliser
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window

NAMES = ("left", "right")
SPEC = SignalSpec(
    modalities=tuple(
        Modality(name=name, channels=(Channel(name="x", unit="g"),), steps=8, rate_hz=4.0)
        for name in NAMES
    ),
    window_s=2.0,
)
BEATS = Modality(name="rr", channels=(Channel(name="i", unit="ms"),), steps=4, axis="event")
EVENTS = SignalSpec(modalities=(BEATS,))


class Levels(nn.Module):
    """Give each channel as a feature of the step."""

    def forward(self, values):
        return values.transpose(1, 2)


class Weighted(nn.Module):
    """Weigh the modalities' levels: a joint unit a row of the weights."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, pooled):
        return pooled.flatten(1) @ self.weights.T


def hand_made(weights=((1.0, 0.0), (0.0, 1.0))):
    """Give an encoder whose features are the modalities' means, and whose joint is `weights`."""
    encoder = SignalEncoder(SPEC, EncoderConfig())
    encoder.modalities = nn.ModuleList(Levels() for _ in NAMES)
    encoder.aggregator = Weighted(weights)
    return encoder


def identity():
    return Normaliser(
        mean={name: np.zeros(1) for name in NAMES}, scale={name: np.ones(1) for name in NAMES}
    )


def write(path, people=3, runs=(("rest", 9), ("walk", 12), ("rest", 6)), hop_s=1.0, level=None):
    """Write recordings of runs of labels; `level(person, rng)` is what its windows are about."""
    rng = np.random.default_rng(0)
    level = level or (lambda person, rng: rng.normal(size=2))
    windows = []
    for person in range(people):
        labels = [label for label, count in runs for _ in range(count)]
        for i, label in enumerate(labels):
            signals = {
                name: np.full((1, 8), value) + rng.normal(0, 0.1, (1, 8))
                for name, value in zip(NAMES, level(person, rng), strict=True)
            }
            windows.append(Window(signals, subject=f"s{person}", label=label, start_s=i * hop_s))
    return WindowStore.write(path / "store", SPEC, windows)


def all_rows(store):
    return np.arange(len(store))


def blobs(seed, count=60, classes=3):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    features = rng.normal(size=(count, 4)) * (1, 10, 1, 1) + labels[:, None] * (1.5, 0, 1.5, 0)
    return FeatureSet(features=features.astype(np.float32), labels=labels)


def test_the_nearest_windows_vote_in_standardised_features():
    train, validation, test = blobs(0), blobs(1), blobs(2)
    mean, scale = train.features.mean(0), train.features.std(0)

    def vote(k, given):
        a, b = ((s.features - mean) / scale for s in (given, train))
        nearest = ((a[:, None] - b[None]) ** 2).sum(2).argsort(1)[:, :k]
        return np.eye(3)[train.labels[nearest]].mean(1)

    scores = {
        k: f1_score(validation.labels, vote(k, validation).argmax(1), average="macro")
        for k in (1, 5, 15, 45)
    }
    classify, chosen = knn_probe(train, validation, 3, ProbeConfig())
    assert chosen["validation_macro_f1"] == pytest.approx(max(scores.values()))
    assert scores[chosen["k"]] == max(scores.values())
    np.testing.assert_allclose(classify(test.features), vote(chosen["k"], test), atol=1e-9)


def test_a_label_without_training_windows_gets_no_vote():
    classify, _ = knn_probe(blobs(0), blobs(1), 5, ProbeConfig())
    assert not classify(blobs(2).features)[:, 3:].any()


def test_more_neighbours_than_windows_are_not_asked():
    _, chosen = knn_probe(blobs(0, count=2), blobs(1), 3, ProbeConfig())
    assert chosen["k"] == 1


@pytest.mark.parametrize(("hop_s", "kept"), [(0.5, 5), (1.0, 11), (2.0, 14)])
def test_no_early_window_overlaps_a_late_one(tmp_path, hop_s, kept):
    store = write(tmp_path, hop_s=hop_s)
    early, late = subject_blocks(store, all_rows(store))
    assert not set(early) & set(late)
    for i in early:
        others = late[store.subject_ids[late] == store.subject_ids[i]]
        assert np.abs(store.starts[others] - store.starts[i]).min() >= SPEC.window_s
        same = others[store.labels[others] == store.labels[i]]
        assert (store.starts[same] > store.starts[i]).all()
    # Of each person's 15 rests and 12 walks the later half is judged.
    assert len(late) == 3 * (7 + 6)
    assert len(early) == 3 * kept


def restarting(path, starts):
    windows = [
        Window({"left": np.ones((1, 8)) * i}, subject="s", label="rest", start_s=start)
        for i, start in enumerate(starts)
    ]
    return WindowStore.write(path / "store", SPEC, windows)


def test_times_that_start_again_are_another_recording(tmp_path):
    store = restarting(tmp_path, [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0])
    early, late = subject_blocks(store, all_rows(store))
    assert early.tolist() == [0, 1, 2, 3]
    assert late.tolist() == [4, 5, 6, 7]


def test_windows_in_any_order_are_put_in_time(tmp_path):
    store = restarting(tmp_path, [7.0, 0.0, 6.0, 1.0, 5.0, 2.0, 4.0, 3.0])
    early, late = subject_blocks(store, all_rows(store))
    assert store.starts[early].tolist() == [0.0, 1.0, 2.0]
    assert sorted(store.starts[late]) == [4.0, 5.0, 6.0, 7.0]


@pytest.mark.parametrize("spec", [SPEC, EVENTS])
def test_unknown_times_leave_five_neighbours_out(tmp_path, spec):
    # Beats have no length in seconds; where every start is 0, none was given.
    signals = {m.name: np.ones(m.shape) for m in spec.modalities}
    hop_s = 1.0 if spec is EVENTS else 0.0
    windows = [Window(signals, "s", "rest", i * hop_s) for i in range(20)]
    store = WindowStore.write(tmp_path / "store", spec, windows)
    early, late = subject_blocks(store, all_rows(store))
    assert early.tolist() == [0, 1, 2, 3, 4]
    assert late.tolist() == list(range(10, 20))


def test_the_person_is_read_where_the_signal_tells(tmp_path):
    store = write(tmp_path, people=4, hop_s=2.0, level=lambda person, rng: (person, -person))
    found = subject_probe(hand_made(), store, all_rows(store), identity())
    assert found["people"] == 4
    assert found["chance"] == 0.25
    assert found["windows"] == 4 * 13
    assert found["accuracy"] == found["balanced_accuracy"] == 1.0
    assert found["raw_statistics"]["accuracy"] == 1.0


def test_the_person_is_not_read_where_the_embedding_hides_it(tmp_path):
    store = write(tmp_path, people=4, hop_s=2.0, level=lambda person, rng: (person, -person))
    deaf = hand_made()
    deaf.pool = lambda steps: torch.randn(
        len(steps["left"]), 2, 1, generator=torch.Generator().manual_seed(0)
    )
    found = subject_probe(deaf, store, all_rows(store), identity())
    assert found["accuracy"] < 0.45
    assert found["raw_statistics"]["accuracy"] == 1.0


def test_a_collapsed_encoder_tells_nobody(tmp_path):
    store = write(tmp_path, people=4, hop_s=2.0)
    collapsed = hand_made(((0.0, 0.0),))
    collapsed.pool = lambda steps: torch.ones(len(steps["left"]), 2, 1)
    found = subject_probe(collapsed, store, all_rows(store), identity())
    assert found["balanced_accuracy"] == 0.25
    dataset = WindowDataset(store, all_rows(store), identity())
    assert not modality_shares(*modality_changes(collapsed, dataset)).any()


def test_few_windows_and_many_features_are_read_too(tmp_path):
    store = write(tmp_path, people=2, hop_s=2.0, level=lambda person, rng: (person, -person))
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=32, kernels=(4, 3, 3)))
    found = subject_probe(encoder, store, all_rows(store), identity(), most=24)
    assert found["windows"] == 12
    assert found["accuracy"] > 0.8


def test_one_person_cannot_be_told_from_nobody(tmp_path):
    store = write(tmp_path)
    rows = np.flatnonzero(store.subject_ids == 1)
    assert subject_probe(hand_made(), store, rows, identity()) is None


def test_raw_statistics_are_means_and_deviations(tmp_path):
    store = write(tmp_path)
    rows = np.array([5, 2])
    expected = [
        [f(store.modality(name)[row, 0].astype(float)) for name in NAMES for f in (np.mean, np.std)]
        for row in rows
    ]
    np.testing.assert_allclose(raw_statistics(store, rows), expected, rtol=1e-6)


def test_a_spread_keeps_order_and_ends_within():
    assert spread(np.arange(3), 3).tolist() == [0, 1, 2]
    assert spread(np.arange(10, 20), 4).tolist() == [10, 12, 15, 17]
    assert len(spread(np.arange(10), 0)) == 0


def test_shares_are_the_variances_that_modalities_bring(tmp_path):
    store = write(tmp_path, level=lambda person, rng: rng.normal(size=2) * (1, 3) + (5, -2))
    weights = ((1.0, 0.0), (0.0, 2.0), (3.0, 1.0), (0.0, 0.0))
    dataset = WindowDataset(store, all_rows(store), identity())
    changes, present = modality_changes(hand_made(weights), dataset)
    shares = modality_shares(changes, present)
    variance = [store.modality(name)[:, 0].mean(1).astype(float).var() for name in NAMES]
    third = 9 * variance[0] / (9 * variance[0] + variance[1])
    expected = [[1, 0], [0, 1], [third, 1 - third], [0, 0]]
    np.testing.assert_allclose(shares, expected, atol=1e-5)
    found = selectivity(shares, NAMES)
    assert found["mean_index"] == pytest.approx((1 + 1 + max(third, 1 - third) + 0) / 4, abs=1e-5)
    assert found["even"] == 0.5
    assert sum(found["units"].values()) == 3
    assert found["share"]["left"] == pytest.approx((1 + third) / 4, abs=1e-5)


def test_a_windows_missing_modality_is_not_counted(tmp_path):
    left, right = (np.ones((1, 8)) * np.arange(8)[:, None, None] * scale for scale in (1, 3))
    windows = [
        Window({"left": left[i]} | ({"right": right[i]} if i % 2 else {}), "s", "rest", float(i))
        for i in range(8)
    ]
    store = WindowStore.write(tmp_path / "store", SPEC, windows)
    dataset = WindowDataset(store, all_rows(store), identity())
    shares = modality_shares(*modality_changes(hand_made(((1.0, 1.0),)), dataset))
    brought = np.array([np.arange(8).var(), (3 * np.arange(1, 8, 2)).var()])
    np.testing.assert_allclose(shares, brought[None] / brought.sum(), rtol=1e-6)


def test_a_modality_that_is_never_there_has_no_share(tmp_path):
    store = restarting(tmp_path, np.arange(6.0))
    dataset = WindowDataset(store, all_rows(store), identity())
    shares = modality_shares(*modality_changes(hand_made(((1.0, 1.0),)), dataset))
    assert shares.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize(
    "config",
    [
        EncoderConfig(width=8, kernels=(4, 3, 3)),
        EncoderConfig(
            kind="patch_transformer", width=8, token_width=8, patches=4, shared=True, fusion="joint"
        ),
    ],
    ids=["late", "joint"],
)
def test_changes_are_those_of_hiding_the_modality_from_the_encoder(config, tmp_path):
    store = write(tmp_path)
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, config).eval()
    dataset = WindowDataset(store, all_rows(store), fit_normaliser(store, all_rows(store)))
    changes, _ = modality_changes(encoder, dataset)
    batch, generator = dataset.batch(all_rows(store)), torch.Generator()
    with torch.no_grad():
        joint = encoder(batch).joint
        for i, name in enumerate(NAMES):
            without = encoder(hide_modality(i, name)(batch, generator)).joint
            np.testing.assert_allclose(changes[i], joint - without, atol=1e-5)
            assert np.abs(changes[i]).max() > 0.01


MODALITY = np.array([0, 0, 0, 1, 1, 1, -1])
TIME = np.array([0, 1, 2, 0, 1, 2, 0])


def attention(seed=0):
    weights = np.random.default_rng(seed).random((2, 3, 7, 7))
    return weights / weights.sum(-1, keepdims=True)


def test_shares_of_attention_are_sums_over_pairs_of_tokens():
    weights = attention()
    whole, cross, near = np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    for q in range(6):
        for k in range(6):
            whole += weights[:, :, q, k]
            if MODALITY[q] != MODALITY[k]:
                cross += weights[:, :, q, k]
                near += weights[:, :, q, k] * (abs(TIME[q] - TIME[k]) <= 1)
    np.testing.assert_allclose(cross_modal_share(weights, MODALITY), cross / whole)
    np.testing.assert_allclose(time_aligned_share(weights, MODALITY, TIME), near / cross)
    found = attention_shares(weights, MODALITY, TIME)
    assert found["cross_modal"][1][2] == pytest.approx((cross / whole)[1, 2])
    assert found["time_aligned"][1][2] == pytest.approx((near / cross)[1, 2])
    assert found["cross_modal_even"] == 0.5
    assert found["time_aligned_even"] == pytest.approx(7 / 9)


def test_a_head_that_stays_in_its_modality_aligns_nothing():
    own = (MODALITY[:, None] == MODALITY[None]).astype(float)[None, None]
    assert cross_modal_share(own, MODALITY).tolist() == [[0.0]]
    assert time_aligned_share(own, MODALITY, TIME).tolist() == [[0.0]]


def test_a_head_that_looks_at_the_same_moment_elsewhere():
    partner = np.zeros((1, 1, 6, 6))
    partner[0, 0, np.arange(6), (np.arange(6) + 3) % 6] = 1
    assert cross_modal_share(partner, MODALITY[:6]).tolist() == [[1.0]]
    assert time_aligned_share(partner, MODALITY[:6], TIME[:6], within=0).tolist() == [[1.0]]


def test_attention_that_does_not_fit_its_tokens():
    with pytest.raises(DataError, match=r"shape \(2, 3, 7, 7\) does not fit 6 tokens; expected"):
        cross_modal_share(attention(), MODALITY[:6])
    with pytest.raises(DataError, match="6 times for 7 tokens"):
        time_aligned_share(attention(), MODALITY, TIME[:6])
    with pytest.raises(DataError, match="at least two modalities"):
        cross_modal_share(attention(), np.zeros(7, int))
