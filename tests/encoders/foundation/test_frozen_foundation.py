"""One frozen copy for all modalities, saved as a name, a revision and a hash."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.foundation import frozen
from sensor2llm.encoders.foundation.weights import hash_weights
from sensor2llm.encoders.joined import join_encoders
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.encoders.temporal_cnn import TemporalCNN
from sensor2llm.errors import ArtefactError, ConfigError
from tests.encoders.foundation.tiny import COMMIT, read_tiny, save_in_hub_cache, save_tiny
from tests.toy_store import SPEC, make_batch, without

CONFIG = EncoderConfig(kind="tiny", width=8, pooled_steps=4)


@pytest.fixture
def encoder(weights) -> SignalEncoder:
    torch.manual_seed(0)
    return SignalEncoder(SPEC, replace(CONFIG, weights=str(weights))).eval()


def test_each_modality_is_what_the_one_copy_makes_of_it(encoder, weights):
    batch, model = make_batch(3), read_tiny(weights).eval()
    output = encoder(without(batch, "beats"))
    for name in ("watch_accel", "watch_gyro"):
        torch.testing.assert_close(output.steps[name], model(batch.signals[name]))
    assert not output.steps["beats"].any()
    assert {id(part.module) for part in list(encoder.modalities)[:3]} == {id(encoder.backbone)}


def test_no_weight_of_it_is_trained_or_saved_and_its_dropout_stays_off(encoder):
    before = encoder(make_batch(2)).joint
    encoder.requires_grad_(True).train()
    assert {name.split(".")[1] for name in encoder.state_dict()} == {"3", "layers"}
    again = encoder.encode_steps(make_batch(2))
    assert not again["watch_accel"].requires_grad
    encoder.modalities[3].eval()
    torch.testing.assert_close(encoder(make_batch(2)).joint, before)


def test_another_width_is_reached_by_a_layer_that_is_trained(weights):
    config = replace(CONFIG, width=16, weights=str(weights))
    encoder = SignalEncoder(SPEC, config)
    encoder.encode_steps(make_batch(2))["watch_accel"].sum().backward()
    assert encoder.modalities[0].outputs.weight.shape == (16, 8)
    assert encoder.modalities[0].outputs.weight.grad.any()


def test_it_goes_where_the_encoder_goes_and_a_copy_has_its_own(encoder):
    copied = copy.deepcopy(encoder).double()
    held = [backbone._module[0].linear.weight for backbone in (encoder.backbone, copied.backbone)]
    assert [weight.dtype for weight in held] == [torch.float32, torch.float64]
    assert copied.modalities[0].module is copied.backbone


def test_many_windows_go_through_a_few_at_a_time(encoder, monkeypatch):
    whole = encoder(make_batch(5)).joint
    monkeypatch.setattr(frozen, "SERIES_AT_ONCE", 7)
    model = encoder.backbone._module[0]
    model.most_windows = 0
    accelerations = encoder.backbone(make_batch(5).signals["watch_accel"])
    assert model.most_windows == 2
    assert len(accelerations) == 5
    torch.testing.assert_close(encoder(make_batch(5)).joint, whole)


def test_saved_is_name_revision_and_hash_and_read_again_it_is_the_same(cache, tmp_path):
    snapshot = save_in_hub_cache(cache)
    encoder = SignalEncoder(SPEC, CONFIG).eval()
    saved = encoder.save_pretrained(tmp_path / "encoder")
    stated = json.loads((saved / "sensor2llm.json").read_text())["encoder"]
    pinned = {name: stated[name] for name in ("kind", "weights", "revision", "sha256")}
    expected = {"kind": "tiny", "weights": None, "revision": COMMIT}
    assert pinned == {**expected, "sha256": hash_weights(snapshot)}
    assert set(load_file(saved / "encoder.safetensors")) == set(encoder.state_dict())
    again = SignalEncoder.from_pretrained(saved)
    assert torch.equal(again(make_batch(2)).joint, encoder(make_batch(2)).joint)
    assert again.fingerprint() == encoder.fingerprint()


def test_other_weights_than_the_saved_ones_are_refused(encoder, weights, tmp_path):
    saved = encoder.save_pretrained(tmp_path / "encoder")
    save_tiny(weights, seed=1)
    message = (
        r"'tiny' in '.*' are not those that it was saved with \(sha256 \w{12}…, expected \w{12}"
    )
    with pytest.raises(ArtefactError, match=message):
        SignalEncoder.from_pretrained(saved)


def test_the_fingerprint_follows_the_weights_not_their_place(encoder, weights, tmp_path):
    def fingerprint(seed: int) -> str:
        place = save_tiny(tmp_path / f"elsewhere{seed}", seed)
        other = SignalEncoder(SPEC, replace(CONFIG, weights=str(place)))
        other.load_state_dict(encoder.state_dict())
        return other.fingerprint()

    assert fingerprint(0) == encoder.fingerprint()
    assert fingerprint(1) != encoder.fingerprint()


def test_a_modality_may_have_an_encoder_of_its_own(weights):
    by_modality = {"beats": {"kind": "temporal_cnn"}}
    config = replace(CONFIG, weights=str(weights), by_modality=by_modality)
    assert isinstance(SignalEncoder(SPEC, config).modalities[2], TemporalCNN)
    with pytest.raises(ConfigError, match="'tiny' is one encoder for all modalities and stands in"):
        SignalEncoder(SPEC, EncoderConfig(by_modality={"beats": {"kind": "tiny"}}))


def test_it_is_not_joined_with_others(encoder):
    with pytest.raises(ConfigError, match="modules of others or a shared one are not joined"):
        join_encoders([encoder])


def test_weights_that_do_not_fit_and_code_that_is_missing_are_said(weights, tmp_path):
    (weights / "config.json").write_text('{"features": 9}')
    with pytest.raises(ArtefactError, match=r"are not those of an encoder 'tiny' \(.*someone/tiny"):
        SignalEncoder(SPEC, replace(CONFIG, weights=str(weights)))
    with pytest.raises(ArtefactError, match=r"'absent' needs no_such_code: pip .* 'tiny\[all\]'"):
        SignalEncoder(SPEC, replace(CONFIG, kind="absent"))
    with pytest.raises(ConfigError, match="'broken' is registered as no_such_code:BUILD, which"):
        SignalEncoder(SPEC, replace(CONFIG, kind="broken"))


def test_a_package_may_register_an_encoder_that_is_trained_here(tmp_path):
    encoder = SignalEncoder(SPEC, replace(CONFIG, kind="small_cnn")).eval()
    again = SignalEncoder.from_pretrained(encoder.save_pretrained(tmp_path / "encoder"))
    assert torch.equal(again(make_batch(2)).joint, encoder(make_batch(2)).joint)
    with pytest.raises(
        ConfigError, match=r"unknown encoder 'tree'; choose from .*mantis.*small_cnn"
    ):
        SignalEncoder(SPEC, replace(CONFIG, kind="tree"))
