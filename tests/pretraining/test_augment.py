import numpy as np
import pytest
import torch

from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.augment import (
    Augmenter,
    body_site,
    half_band,
    random_rotations,
    resample_at,
)
from sensor2llm.pretraining.config import AugmentConfig
from sensor2llm.signals.transforms import Normaliser
from tests.toy_store import SPEC, make_batch, without

STILL = {"rotation_rad": 0.0, "scale": 0.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normaliser() -> Normaliser:
    rng = np.random.default_rng(0)
    return Normaliser(
        mean={m.name: rng.normal(size=len(m.channels)) for m in SPEC.modalities},
        scale={m.name: rng.uniform(0.5, 2, size=len(m.channels)) for m in SPEC.modalities},
    )


def in_units(signals, name):
    return normaliser().undo(name, signals[name].numpy())


def test_rotations_are_rotations_of_the_stated_size():
    turns = random_rotations(4000, 0.1, generator())
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).expand(4000, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turns), torch.ones(4000))
    angle = torch.arccos(((turns.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1))
    assert float(angle.square().mean()) == pytest.approx(3 * 0.01, rel=0.1)


def test_sensors_of_one_site_turn_together_in_their_own_units():
    augment = Augmenter(SPEC, normaliser(), AugmentConfig(rotation_rad=0.5, scale=0.0))
    batch = make_batch(5)
    varied = augment(batch, generator())
    names = ("watch_accel", "watch_gyro")
    before = np.concatenate([in_units(batch.signals, name) for name in names], axis=2)
    after = np.concatenate([in_units(varied.signals, name) for name in names], axis=2)
    for x, y in zip(before, after, strict=True):
        turn = np.linalg.lstsq(x.T, y.T, rcond=None)[0].T
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-3)
        np.testing.assert_allclose(turn @ x, y, atol=1e-3)


def test_only_three_axis_modalities_turn():
    batch = make_batch(5)
    varied = Augmenter(SPEC, None, AugmentConfig(rotation_rad=0.5, scale=0.0))(batch, generator())
    for name in ("beats", "values"):
        torch.testing.assert_close(varied.signals[name], batch.signals[name])


@pytest.mark.parametrize(
    ("name", "site"),
    [("watch_gyro", "watch"), ("body_acc", ""), ("total_acc", ""), ("chest-acc16", "chest")],
)
def test_a_site_is_a_name_without_its_sensor(name, site):
    assert body_site(name) == site


def test_scale_is_one_factor_a_window_and_modality():
    augment = Augmenter(SPEC, normaliser(), AugmentConfig(rotation_rad=0.0, scale=0.2))
    batch = make_batch(5)
    varied = augment(batch, generator())
    ratio = in_units(varied.signals, "watch_gyro") / in_units(batch.signals, "watch_gyro")
    np.testing.assert_allclose(ratio, ratio[:, :1, :1] * np.ones_like(ratio), rtol=1e-2)
    assert ratio[:, 0, 0].std() > 0.02
    torch.testing.assert_close(varied.signals["values"], batch.signals["values"])


def test_a_window_read_at_its_own_pace_is_itself_and_shifts_are_mirrored():
    values = torch.arange(6.0).view(1, 1, 6)
    same = resample_at(values, torch.ones(1), torch.zeros(1))
    torch.testing.assert_close(same, values)
    shifted = resample_at(values, torch.ones(1), torch.full((1,), 1 / 3))
    torch.testing.assert_close(shifted, torch.tensor([[[2.0, 3, 4, 5, 4, 3]]]))
    slower = resample_at(values, torch.full((1,), 0.5), torch.zeros(1))
    torch.testing.assert_close(slower[0, 0, -1], torch.tensor(3.75))


def test_shift_and_pace_move_time_axes_alone():
    batch = make_batch(5)
    varied = Augmenter(SPEC, None, AugmentConfig(**STILL, shift=0.2, warp=0.1))(batch, generator())
    assert not torch.allclose(varied.signals["watch_accel"], batch.signals["watch_accel"])
    torch.testing.assert_close(varied.signals["beats"], batch.signals["beats"])


def test_gravity_is_lost_in_the_stated_share_of_windows_and_turn_rates_keep_their_mean():
    augment = Augmenter(SPEC, normaliser(), AugmentConfig(**STILL, gravity_loss=0.4))
    batch = make_batch(1000)
    varied = augment(batch, generator())
    before, after = (in_units(b.signals, "watch_accel") for b in (batch, varied))
    lost = np.abs(after.mean(-1)).max(1) < 1e-3
    assert lost.mean() == pytest.approx(0.4, abs=0.05)
    np.testing.assert_allclose(after[~lost], before[~lost], rtol=1e-5)
    centred = before[lost] - before[lost].mean(-1, keepdims=True)
    np.testing.assert_allclose(after[lost], centred, atol=1e-3)
    torch.testing.assert_close(varied.signals["watch_gyro"], batch.signals["watch_gyro"])


def test_what_half_the_rate_does_not_measure_is_taken_out():
    time = torch.arange(40) / 20
    slow, fast = torch.sin(2 * torch.pi * 2 * time), torch.sin(2 * torch.pi * 8 * time)
    values = (slow + fast + 3 * time).expand(1, 3, 40)
    torch.testing.assert_close(half_band(values)[0, 0], slow + 3 * time, atol=0.35, rtol=0)
    torch.testing.assert_close(
        half_band(values)[0, 0, 8:32], (slow + 3 * time)[8:32], atol=0.1, rtol=0
    )
    augment = Augmenter(SPEC, normaliser(), AugmentConfig(**STILL, rate_loss=0.4))
    batch = make_batch(500)
    varied = augment(batch, generator())
    changed = (varied.signals["watch_gyro"] != batch.signals["watch_gyro"]).flatten(1).any(1)
    assert float(changed.float().mean()) == pytest.approx(0.4, abs=0.06)
    torch.testing.assert_close(varied.signals["beats"], batch.signals["beats"])


def test_absent_modalities_stay_zero():
    config = AugmentConfig(shift=0.1, warp=0.1, noise=0.1)
    varied = Augmenter(SPEC, normaliser(), config)(
        without(make_batch(3), "watch_gyro"), generator()
    )
    assert not varied.signals["watch_gyro"].any()
    assert varied.signals["watch_accel"].any()


def test_modality_dropout_takes_the_stated_share_and_never_all():
    batch = make_batch(4000)
    augment = Augmenter(SPEC, None, AugmentConfig(**STILL, modality_dropout=0.3))
    varied = augment(batch, generator())
    assert float(varied.present.float().mean()) == pytest.approx(0.7, abs=0.02)
    assert varied.present.any(1).all()
    assert not varied.signals["beats"][~varied.present[:, 2]].any()


def test_the_same_generator_gives_the_same_variation():
    augment = Augmenter(SPEC, normaliser(), AugmentConfig(shift=0.1, warp=0.1, noise=0.1))
    first, second = (augment(make_batch(3), generator(4)) for _ in range(2))
    for name in SPEC.names:
        torch.testing.assert_close(first.signals[name], second.signals[name], rtol=0, atol=0)


def test_negative_strengths_are_refused():
    with pytest.raises(ConfigError, match="noise must not be negative, got -1"):
        AugmentConfig(noise=-1)
    with pytest.raises(ConfigError, match="gravity_loss must be at most 1, got 2"):
        AugmentConfig(gravity_loss=2)
    with pytest.raises(ConfigError, match="modality_dropout must be below 1, got 1"):
        AugmentConfig(modality_dropout=1)
