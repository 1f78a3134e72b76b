"""Controls take away just what they name."""

import numpy as np
import pytest
import torch

from sensor2llm.errors import DataError
from sensor2llm.evaluation.controls import (
    DISTORTIONS,
    compare,
    hide_modalities,
    hide_modality,
    majority,
    other_windows,
    same_class_windows,
)
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.tasks.metrics import Predictions


def batch(rows=4):
    generator = torch.Generator().manual_seed(0)
    return SignalBatch(
        signals={
            "accel": torch.randn(rows, 3, 32, generator=generator),
            "heart": torch.randn(rows, 1, 8, generator=generator),
        },
        present=torch.ones(rows, 2, dtype=torch.bool),
        labels=torch.arange(rows) % 2,
        index=torch.arange(rows),
    )


def distorted(name, seed=1):
    return DISTORTIONS[name](batch(), torch.Generator().manual_seed(seed))


def real(seed=0, windows=60):
    rng = np.random.default_rng(seed)
    true = rng.integers(3, size=windows)
    return Predictions(
        labels=("rest", "run", "walk"),
        true=true,
        predicted=true.copy(),
        subjects=np.array([f"p{i}" for i in rng.integers(4, size=windows)]),
    )


def test_zeroed_and_text_only_differ_in_what_is_present():
    zeroed, text_only = distorted("zeroed"), distorted("text_only")
    for changed in (zeroed, text_only):
        assert all(not values.any() for values in changed.signals.values())
    assert zeroed.present.all()
    assert not text_only.present.any()


def test_reversed_twice_is_the_signal():
    generator = torch.Generator()
    twice = DISTORTIONS["time_reversed"](distorted("time_reversed"), generator)
    assert torch.equal(twice.signals["accel"], batch().signals["accel"])


def test_shuffled_keeps_each_step_whole_and_moves_it():
    before, after = batch().signals["accel"], distorted("time_shuffled").signals["accel"]
    assert not torch.equal(before, after)
    for row in range(4):
        columns = {tuple(step.tolist()) for step in before[row].T}
        assert columns == {tuple(step.tolist()) for step in after[row].T}
    again = distorted("time_shuffled").signals["accel"]
    assert torch.equal(after, again)
    assert not torch.equal(after, distorted("time_shuffled", seed=2).signals["accel"])


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_distortion_leaves_the_batch_it_was_given(name):
    given = batch()
    DISTORTIONS[name](given, torch.Generator().manual_seed(0))
    assert torch.equal(given.signals["accel"], batch().signals["accel"])
    assert given.present.all()


def test_hiding_one_modality_leaves_the_other():
    hidden = hide_modality(0, "accel")(batch(), torch.Generator())
    assert hidden.present.tolist() == [[False, True]] * 4
    assert not hidden.signals["accel"].any()
    assert torch.equal(hidden.signals["heart"], batch().signals["heart"])


def test_hiding_several_is_hiding_one_after_the_other():
    both = hide_modalities([(0, "accel"), (1, "heart")])(batch(), torch.Generator())
    assert not both.present.any()
    assert not any(values.any() for values in both.signals.values())
    one = hide_modalities([(1, "heart")])(batch(), torch.Generator())
    assert one.present.tolist() == [[True, False]] * 4
    assert torch.equal(one.signals["accel"], batch().signals["accel"])


@pytest.mark.parametrize("seed", range(5))
def test_another_window_is_of_another_label_and_given_once(seed):
    labels = np.random.default_rng(seed).integers(4, size=100)
    partners = other_windows(labels, seed)
    assert (labels[partners] != labels).all()
    assert len(set(partners)) == 100
    assert np.array_equal(partners, other_windows(labels, seed))


def test_another_window_where_one_label_holds_most():
    labels = np.array([0] * 8 + [1, 2])
    assert (labels[other_windows(labels)] != labels).all()


def test_another_window_needs_two_labels():
    with pytest.raises(DataError, match="at least two labels"):
        other_windows(np.zeros(5, dtype=int))


@pytest.mark.parametrize("seed", range(5))
def test_the_same_class_is_heard_from_another_person(seed):
    rng = np.random.default_rng(seed)
    labels, subjects = rng.integers(4, size=100), np.array(list("abcde"))[rng.integers(5, size=100)]
    partners = same_class_windows(labels, subjects, seed)
    assert np.array_equal(labels[partners], labels)
    assert (subjects[partners] != subjects).all()
    assert np.array_equal(partners, same_class_windows(labels, subjects, seed))
    assert not np.array_equal(partners, same_class_windows(labels, subjects, seed + 1))


def test_the_same_class_is_heard_from_the_same_person_where_nobody_else_has_it():
    labels, subjects = np.array([0, 0, 0, 1, 1, 2]), np.array(["a", "a", "a", "a", "b", "b"])
    drawn = np.array([same_class_windows(labels, subjects, seed) for seed in range(40)])
    assert [set(column) for column in drawn[:, :3].T] == [{1, 2}, {0, 2}, {0, 1}]
    # One window of each of two people can only be swapped; a label's only window stays.
    assert (drawn[:, 3:] == [4, 3, 5]).all()


def test_majority_says_the_training_windows_most_frequent_label():
    control = majority(real(), np.array([2, 2, 2, 0, -1, -1, -1, -1]))
    assert set(control.predicted) == {2}
    assert control.probabilities[0].tolist() == [0.25, 0.0, 0.75]


def test_majority_needs_a_training_label():
    with pytest.raises(DataError, match="no labelled training window"):
        majority(real(), np.array([-1]))


def test_comparison_has_the_metrics_flips_and_the_difference():
    control = majority(real(), np.array([1]))
    found = compare(real(), control, tokens_per_window=7.0)
    assert found["flip_rate"] == pytest.approx(np.mean(real().true != 1))
    assert found["model_minus_control"] == pytest.approx(1 - found["macro_f1"])
    assert found["model_minus_control_interval"][0] > 0
    assert found["tokens_per_window"] == 7.0
