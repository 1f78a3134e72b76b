"""A profile flags few of its own kind, most of others, for every subset of the sensors."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from sensor2llm.errors import DataError
from sensor2llm.signals.likeness.gaussians import fit_gaussians
from sensor2llm.signals.likeness.profile import TrainingProfile, fit_profile
from sensor2llm.signals.views.in_memory import InMemoryWindows
from tests.signals.likeness.profiles import (
    changed,
    fresh,
    toy_profile,
    turn_free_profile,
    turned,
    without_gravity,
)
from tests.toy_store import SPEC, windows


def only(some, sensors):
    return [replace(w, signals={n: w.signals[n] for n in sensors}) for w in some]


def test_every_subset_has_thresholds():
    subsets = [s for k in range(1, 5) for s in combinations(SPEC.names, k)]
    assert list(toy_profile().thresholds) == subsets


@pytest.mark.parametrize("sensors", [SPEC.names, ("watch_accel",), ("watch_gyro", "beats")])
def test_new_people_of_the_same_kind_are_seldom_flagged(sensors):
    scores = toy_profile().scores(only(fresh(), sensors))
    assert np.mean(scores > 0) < 0.15
    assert toy_profile().recording_score(scores, sensors) < 0


@pytest.mark.parametrize(
    "unlike",
    [
        turned,
        lambda some: changed(some, "watch_accel", lambda v: 9.8 * v),
        lambda some: changed(some, "watch_gyro", lambda v: 5 * v),
        lambda some: changed(some, "beats", lambda v: v + 600),
    ],
)
def test_what_is_turned_or_in_another_unit_is_flagged(unlike):
    scores = toy_profile().scores(unlike(fresh()))
    assert np.mean(scores > 0) > 0.9
    assert toy_profile().recording_score(scores, SPEC.names) > 0


@pytest.mark.parametrize(
    "like",
    [
        list,
        turned,
        lambda some: [replace(w, signals=without_gravity(w.signals)) for w in some],
        lambda some: [replace(w, signals=without_gravity(w.signals)) for w in turned(some)],
    ],
    ids=["as it lay", "turned", "no gravity", "both"],
)
def test_what_a_turn_free_encoder_was_taught_to_hear_is_like_training(like):
    scores = turn_free_profile().scores(like(fresh()))
    assert np.mean(scores > 0) < 0.15
    assert turn_free_profile().recording_score(scores, SPEC.names) < 0


@pytest.mark.parametrize(("name", "factor"), [("watch_accel", 9.8), ("watch_gyro", 5.0)])
def test_another_unit_is_unlike_any_way_round(name, factor):
    scores = turn_free_profile().scores(changed(turned(fresh()), name, lambda v: factor * v))
    assert np.mean(scores > 0) > 0.9


def test_scores_are_those_of_the_part_of_the_gaussians():
    rng = np.random.default_rng(0)
    numbers, classes = rng.normal(size=(90, 4)), np.arange(90) % 3
    gaussians = fit_gaussians(numbers, classes)
    columns = np.array([0, 2])
    own = gaussians.distances(numbers[:, columns], columns)
    label = 1
    normal = ((numbers - gaussians.center) / gaussians.scale)[:, columns]
    covariance = gaussians.covariances[label][np.ix_(columns, columns)]
    off = normal - gaussians.means[label, columns]
    expected = np.einsum("ni,ij,nj->n", off, np.linalg.inv(covariance), off)
    expected = (expected + np.log(np.linalg.det(covariance))) / 2
    np.testing.assert_allclose(own[:, label], expected)


@pytest.mark.parametrize("profile", [toy_profile(), turn_free_profile()], ids=["axes", "turns"])
def test_it_comes_back_from_arrays_and_json(profile):
    again = TrainingProfile.restore(SPEC, profile.to_tensors(), profile.to_dict())
    assert again.thresholds == profile.thresholds
    np.testing.assert_allclose(again.scores(fresh()), profile.scores(fresh()), atol=1e-3)


def test_windows_without_all_sensors_make_no_profile():
    store = InMemoryWindows(only(windows(), ["beats"]), SPEC)
    with pytest.raises(DataError, match="no two training windows have all sensors"):
        fit_profile(store, np.arange(len(store)), np.asarray(store.labels))


def test_a_combination_of_sensors_that_never_was_has_no_score():
    profile = replace(toy_profile(), thresholds={})
    assert np.isnan(profile.scores(fresh(1, 3))).all()
