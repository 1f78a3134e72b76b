"""What training did to windows, so that other devices' count as heard: gravity and rate lost."""

import numpy as np
import pytest

from sensor2llm.recipes.trust import heard_variants
from tests.toy_store import SPEC


def recipe(encoder="new", **augment):
    return {"encoder": encoder, "new_encoder": {"supervised": {"augment": augment}}}


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ({}, 0),
        (recipe(gravity_loss=0.0, rate_loss=0.0), 0),
        (recipe(gravity_loss=0.5), 1),
        (recipe(rate_loss=0.3), 1),
        (recipe(gravity_loss=0.5, rate_loss=0.3), 3),
        (recipe("uci-har-encoder", gravity_loss=0.5, rate_loss=0.3), 0),
    ],
)
def test_there_is_a_variant_for_each_loss_and_one_for_both(recipe, count):
    assert len(heard_variants(recipe, SPEC)) == count


def test_each_loss_takes_out_what_it_says_and_leaves_other_sensors():
    rng = np.random.default_rng(0)
    time = np.arange(40) / 20.0
    slow, fast = (np.sin(2 * np.pi * hz * time) for hz in (1.5, 8.0))
    signals = {m.name: rng.normal(size=(2, *m.shape)).astype(np.float32) for m in SPEC.modalities}
    for name, level in (("watch_accel", 1.0), ("watch_gyro", 0.0)):
        signals[name] = np.tile(slow + fast + level, (2, 3, 1)).astype(np.float32)
    gravity, rate, both = heard_variants(recipe(gravity_loss=0.5, rate_loss=0.3), SPEC)
    lost = gravity(signals)
    np.testing.assert_allclose(lost["watch_accel"].mean(-1), 0, atol=1e-5)
    for name in ("watch_gyro", "beats", "values"):
        np.testing.assert_array_equal(lost[name], signals[name])
    half = rate(signals)
    for name, level in (("watch_accel", 1.0), ("watch_gyro", 0.0)):
        expected = np.tile(slow + level, (2, 3, 1))
        np.testing.assert_allclose(half[name][..., 5:-5], expected[..., 5:-5], atol=0.1)
    np.testing.assert_array_equal(half["beats"], signals["beats"])
    np.testing.assert_allclose(both(signals)["watch_accel"].mean(-1), 0, atol=0.05)
    np.testing.assert_allclose(both(signals)["watch_gyro"], half["watch_gyro"], atol=1e-6)
