from dataclasses import replace

import numpy as np
import pytest
import torch

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.orientation import (
    faint_names,
    turn_free,
    turn_free_names,
    with_faint,
)
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.pretraining.augment import random_rotations
from sensor2llm.pretraining.config import finetune_loop
from sensor2llm.pretraining.run import finetune
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.splits.splits import make_split
from tests.toy_store import SPEC, make_batch, make_store

FREE = EncoderConfig(width=8, orientation="turn_free")


def turned(values: torch.Tensor, seed: int = 0) -> torch.Tensor:
    turns = random_rotations(len(values), 3.0, torch.Generator().manual_seed(seed))
    return turns @ values


def test_the_channels_of_a_known_movement():
    time = torch.arange(100) / 20
    up, sideways = torch.sin(4 * time) ** 3, torch.cos(3 * time)
    up, sideways = up - up.mean(), sideways - sideways.mean()
    values = turned(torch.stack([sideways, torch.zeros(100), 1 + 0.2 * up])[None])
    along, across, size, mean, main, *faint = turn_free(values)[0]
    torch.testing.assert_close(along, 0.2 * up, atol=1e-5, rtol=0)
    torch.testing.assert_close(across, sideways.abs(), atol=1e-5, rtol=0)
    torch.testing.assert_close(size, (sideways**2 + 0.04 * up**2).sqrt(), atol=1e-5, rtol=0)
    torch.testing.assert_close(mean, torch.ones(100), atol=1e-5, rtol=0)
    assert abs(np.corrcoef(main, sideways)[0, 1]) > 0.99
    assert (main**3).mean() >= 0
    for small, whole in zip(faint, (along, size, main), strict=True):
        torch.testing.assert_close(torch.sinh(4 * small) * 0.02, whole, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", ["temporal_cnn", "patch_transformer", "deepconvlstm"])
def test_no_turn_of_the_device_changes_a_feature(kind):
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, kind=kind, orientation="turn_free")).eval()
    batch, other = make_batch(4), make_batch(4)
    for name in turn_free_names(SPEC, FREE):
        other.signals[name] = turned(other.signals[name])
    with torch.no_grad():
        before, after = encoder.features(batch).steps, encoder.features(other).steps
    assert not torch.allclose(batch.signals["watch_accel"], other.signals["watch_accel"])
    torch.testing.assert_close(before, after, atol=1e-3, rtol=1e-3)


def test_sensors_without_three_axes_in_time_are_heard_as_recorded():
    assert turn_free_names(SPEC, FREE) == {"watch_accel", "watch_gyro"}
    one = EncoderConfig(width=8, by_modality={"watch_gyro": {"orientation": "turn_free"}})
    assert turn_free_names(SPEC, one) == {"watch_gyro"}
    assert turn_free_names(SPEC, EncoderConfig()) == frozenset()


def test_windows_without_movement_have_finite_features():
    assert torch.isfinite(turn_free(torch.zeros(2, 3, 10))).all()


def test_faint_movement_stands_beside_each_channel():
    values = 3 + torch.tensor([[[0.001, -0.001], [1.0, -1.0]]])
    heard = with_faint(values)
    assert torch.equal(heard[:, :2], values)
    ratio = heard[0, 3, 0] / heard[0, 2, 0]  # of movements one to a thousand
    assert 80 < ratio < 100
    torch.testing.assert_close(torch.sinh(4 * heard[:, 2:]) * 0.02, values - 3, atol=1e-5, rtol=0)


def test_faint_channels_are_those_of_sensors_in_time_that_are_heard_as_recorded():
    faint = EncoderConfig(width=8, faint=True)
    assert faint_names(SPEC, faint) == {"watch_accel", "watch_gyro"}
    assert faint_names(SPEC, EncoderConfig()) == frozenset()
    assert faint_names(SPEC, replace(faint, orientation="turn_free")) == frozenset()
    one = EncoderConfig(width=8, by_modality={"watch_gyro": {"faint": True}})
    assert faint_names(SPEC, one) == {"watch_gyro"}
    encoder = SignalEncoder(SPEC, one)
    first = [encoder.modalities[i].blocks[0].convolution.in_channels for i in range(2)]
    assert first == [3, 6]


def test_what_an_encoder_makes_of_faint_movement_depends_on_it():
    torch.manual_seed(0)
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, faint=True)).eval()
    still, trembling = make_batch(1), make_batch(1)
    still.signals["watch_gyro"] = torch.zeros(1, 3, 40)
    trembling.signals["watch_gyro"] = 0.01 * torch.sin(torch.arange(40.0)).expand(1, 3, 40)
    plain = SignalEncoder(SPEC, EncoderConfig(width=8)).eval()
    with torch.no_grad():
        change, less = (
            (one(trembling).pooled - one(still).pooled)[:, 1].norm() for one in (encoder, plain)
        )
    assert change > 2 * less


def test_saved_and_loaded_it_is_the_same_and_older_encoders_keep_their_fingerprint(tmp_path):
    encoder = SignalEncoder(SPEC, FREE)
    encoder.save_pretrained(tmp_path / "encoder")
    assert (
        SignalEncoder.from_pretrained(tmp_path / "encoder").fingerprint() == encoder.fingerprint()
    )
    assert "orientation" in FREE.identity()
    assert "orientation" not in EncoderConfig().identity()


def test_its_normalisation_is_one_scale_about_zero(tmp_path):
    store = make_store(tmp_path, people=3, each=3)
    split = make_split(store, SplitConfig(kind="subject"))
    loop = replace(finetune_loop(), epochs=1, min_steps=0)
    tuned = finetune(SignalEncoder(SPEC, FREE), store, split, loop_config=loop, progress_bar=False)
    mean, scale = tuned.normaliser.statistics("watch_accel")
    values = store.read(split.train, ["watch_accel"])["watch_accel"].astype(np.float64)
    np.testing.assert_array_equal(mean, np.zeros(3))
    np.testing.assert_allclose(scale, np.full(3, np.sqrt((values**2).mean())), rtol=1e-5)
    assert np.abs(tuned.normaliser.statistics("values")[0]).min() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"orientation": "free"}, "unknown orientation 'free'; choose from as_recorded, turn_free"),
        (
            {"orientation": "turn_free", "shared": True, "kind": "patch_transformer"},
            "a shared encoder hears sensors as_recorded; leave orientation out",
        ),
    ],
)
def test_what_cannot_be(settings, message):
    with pytest.raises(ConfigError, match=message):
        EncoderConfig(**settings)
