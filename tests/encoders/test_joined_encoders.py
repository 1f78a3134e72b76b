"""Encoders joined to one hear what each heard, and keep their settings."""

import re
from dataclasses import replace

import pytest
import torch

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.joined import join_encoders
from sensor2llm.encoders.modality_encoders import build_encoders
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import SignalSpec
from tests.encoders.test_external import Mean
from tests.toy_store import SPEC, make_batch

FIRST = SPEC.subset(["watch_accel", "values"])
SECOND = SPEC.subset(["watch_gyro", "beats"])
SMALL = {"width": 8, "pooled_steps": 4}


def encoder(spec: SignalSpec, seed: int = 0, **settings) -> SignalEncoder:
    torch.manual_seed(seed)
    return SignalEncoder(spec, EncoderConfig(**(SMALL | settings))).eval()


@pytest.fixture(scope="module")
def pair() -> list[SignalEncoder]:
    second = encoder(SECOND, 1, kind="resnet", resnet_kernel=3, dropout=0.0)
    return [encoder(FIRST, strides=(4, 2, 1)), second]


def batch_of(spec: SignalSpec, rows: int = 3) -> SignalBatch:
    """Give the toy store's batch with the modalities in a spec's order."""
    batch = make_batch(rows, seed=3)
    signals = {name: batch.signals[name] for name in spec.names}
    return replace(batch, signals=signals, present=batch.present[:, : len(spec.names)])


def test_each_modality_is_heard_as_before(pair):
    joined = join_encoders(pair)
    assert joined.spec.names == (*FIRST.names, *SECOND.names)
    batch = batch_of(joined.spec)
    found = joined.features(batch).steps
    for first, own in ((0, pair[0]), (2, pair[1])):
        expected = own.features(batch_of(own.spec)).steps
        torch.testing.assert_close(found[:, first : first + 2], expected)


def test_a_joined_encoder_is_saved_and_read_with_each_ones_settings(pair, tmp_path):
    joined = join_encoders(pair)
    assert joined.config.of("watch_gyro").kind == "resnet"
    assert joined.config.of("watch_accel").strides == (4, 2, 1)
    joined.save_pretrained(tmp_path / "joined")
    again = SignalEncoder.from_pretrained(tmp_path / "joined")
    assert again.fingerprint() == joined.fingerprint()
    assert again.config == joined.config
    batch = batch_of(joined.spec)
    torch.testing.assert_close(again.features(batch).steps, joined.features(batch).steps)


def test_joining_twice_gives_one_fingerprint_whatever_the_seed(pair):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = join_encoders(pair).fingerprint()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(8)
    assert join_encoders(pair).fingerprint() == first


def test_encoders_that_cannot_be_joined_are_refused(pair):
    with pytest.raises(ConfigError, match="need one width and one pooled_steps, got 4 and 4, 8"):
        join_encoders([pair[0], encoder(SECOND, width=4)])
    with pytest.raises(ConfigError, match="two of the encoders hear 'watch_accel'"):
        join_encoders([pair[0], pair[0]])
    with pytest.raises(ConfigError, match="got no encoder; make them alike"):
        join_encoders([])
    shared = encoder(SECOND, kind="patch_transformer", shared=True, token_width=8)
    with pytest.raises(ConfigError, match="watch_gyro, beats has parts that are not one"):
        join_encoders([pair[0], shared])
    theirs = {m.name: Mean(len(m.channels), 8) for m in SECOND.modalities}
    foreign = SignalEncoder.from_modules(SECOND, theirs, EncoderConfig(**SMALL))
    with pytest.raises(ConfigError, match="watch_gyro, beats has parts that are not one"):
        join_encoders([pair[0], foreign])


def test_settings_of_some_modalities_are_theirs_alone():
    config = EncoderConfig(**SMALL, by_modality={"watch_gyro": {"strides": [4, 4, 2]}})
    made, _ = build_encoders(SPEC, config)
    steps = [made[i](torch.zeros(1, 3, 40)).shape[1] for i in (0, 1)]
    assert steps[1] < steps[0]
    assert config == EncoderConfig(**SMALL, by_modality={"watch_gyro": {"strides": (4, 4, 2)}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by_modality": {"accel": {"width": 4}}}, "by_modality of 'accel' must name settings"),
        ({"by_modality": {"accel": 4}}, "got 4"),
        ({"by_modality": {"accel": {"strides": (0, 1, 1)}}}, "strides must be three positive"),
        (
            {"by_modality": {"a": {"layers": 2}}, "kind": "patch_transformer", "shared": True},
            "leave by_modality out",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        EncoderConfig(**settings)


def test_unknown_modalities_and_kinds_of_by_modality_are_named():
    with pytest.raises(ConfigError, match="by_modality names the unknown modality 'bvp'"):
        build_encoders(SPEC, EncoderConfig(by_modality={"bvp": {"layers": 2}}))
    with pytest.raises(ConfigError, match="unknown encoder 'tree'"):
        build_encoders(SPEC, EncoderConfig(by_modality={"beats": {"kind": "tree"}}))
