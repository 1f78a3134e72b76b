import json

import pytest
import torch

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.files import read_manifest
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.signals.dataset import SignalBatch
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from tests.toy_store import SPEC, make_batch, without

CONFIG = EncoderConfig(width=16, strides=(2, 1, 1), pooled_steps=4)


@pytest.fixture
def encoder() -> SignalEncoder:
    torch.manual_seed(0)
    return SignalEncoder(SPEC, CONFIG).eval()


def test_gives_steps_pooled_and_joint_embeddings(encoder):
    batch = make_batch(3)
    output = encoder(batch)
    shapes = {name: tuple(steps.shape) for name, steps in output.steps.items()}
    assert shapes == {
        "watch_accel": (3, 20, 16),
        "watch_gyro": (3, 20, 16),
        "beats": (3, 6, 16),
        "values": (3, 1, 16),
    }
    assert output.pooled.shape == (3, 4, 16)
    assert output.joint.shape == (3, 32)
    torch.testing.assert_close(output.pooled[:, 1], output.steps["watch_gyro"].mean(1))


@pytest.mark.parametrize("name", SPEC.names)
def test_a_missing_modality_changes_nothing_for_the_ones_present(encoder, name):
    batch = make_batch(3)
    whole, less = encoder(batch), encoder(without(batch, name))
    for i, other in enumerate(SPEC.names):
        expected = torch.zeros(()) if other == name else 1
        torch.testing.assert_close(less.steps[other], whole.steps[other] * expected)
        torch.testing.assert_close(less.pooled[:, i], whole.pooled[:, i] * expected)


def test_what_stands_in_an_absent_modality_never_matters(encoder):
    batch = make_batch(3)
    empty, full = encoder(without(batch, "beats")), encoder(without(batch, "beats", fill=7.0))
    torch.testing.assert_close(empty.joint, full.joint, rtol=0, atol=0)
    torch.testing.assert_close(empty.steps["beats"], full.steps["beats"], rtol=0, atol=0)


def test_rows_with_and_without_a_modality_share_a_batch(encoder):
    batch = make_batch(4)
    present = batch.present.clone()
    present[[0, 2], 1] = False
    mixed = encoder(SignalBatch(batch.signals, present, batch.labels, batch.index))
    whole = encoder(batch)
    assert not mixed.steps["watch_gyro"][[0, 2]].any()
    torch.testing.assert_close(mixed.pooled[[1, 3]], whole.pooled[[1, 3]])


def test_features_have_exactly_pooled_steps_for_every_modality(encoder):
    batch = make_batch(2)
    features = encoder.features(without(batch, "watch_accel"))
    assert features.steps.shape == (2, 4, 4, 16)
    assert not features.steps[:, 0].any()
    steps = encoder(batch).steps
    expected = steps["watch_gyro"].unflatten(1, (4, 5)).mean(2)
    torch.testing.assert_close(features.steps[:, 1], expected)
    torch.testing.assert_close(features.steps[:, 3], steps["values"].expand(-1, 4, -1))


def test_a_modality_may_bear_any_name_of_a_spec():
    channel = (Channel(name="x", unit="g"),)
    modalities = tuple(
        Modality(name=name, channels=channel, steps=8, rate_hz=4.0) for name in ("train", "keys")
    )
    named = SignalEncoder(SignalSpec(modalities=modalities), CONFIG)
    assert named.spec.names == ("train", "keys")
    named.train(False)  # the method, not the modality of that name
    batch = SignalBatch(
        {m.name: torch.zeros(2, *m.shape) for m in modalities},
        torch.ones(2, 2, dtype=torch.bool),
        torch.zeros(2, dtype=torch.long),
        torch.arange(2),
    )
    assert list(named(batch).steps) == ["train", "keys"]


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="unknown encoder 'lstm'; choose from temporal_cnn"):
        SignalEncoder(SPEC, EncoderConfig(kind="lstm"))


def test_saved_and_read_again_is_the_same(encoder, tmp_path):
    encoder.save_pretrained(tmp_path / "encoder", {"normaliser": {"mean": {}}, "recipe": [1]})
    again = SignalEncoder.from_pretrained(tmp_path / "encoder")
    batch = make_batch(2)
    assert again.spec == SPEC
    assert again.config == CONFIG
    assert again.fingerprint() == encoder.fingerprint()
    torch.testing.assert_close(again(batch).joint, encoder(batch).joint, rtol=0, atol=0)
    manifest = read_manifest(tmp_path / "encoder")
    assert manifest["kind"] == "encoder"
    assert manifest["recipe"] == [1]
    assert sorted(p.name for p in (tmp_path / "encoder").iterdir()) \
        == ["encoder.safetensors", "sensor2llm.json"]  # fmt: skip


def test_the_fingerprint_follows_every_weight(encoder):
    before = encoder.fingerprint()
    with torch.no_grad():
        encoder.aggregator.layers[0].bias[0] += 1e-3
    assert encoder.fingerprint() != before


def test_a_failed_save_leaves_the_old_folder_whole(encoder, tmp_path):
    encoder.save_pretrained(tmp_path / "encoder")
    before = read_manifest(tmp_path / "encoder")
    with pytest.raises(TypeError):
        encoder.save_pretrained(tmp_path / "encoder", {"not json": object()})
    assert read_manifest(tmp_path / "encoder") == before
    assert [p.name for p in tmp_path.iterdir()] == ["encoder"]


def test_weights_of_another_encoder_are_recognised(encoder, tmp_path):
    encoder.save_pretrained(tmp_path / "one")
    torch.manual_seed(7)
    SignalEncoder(encoder.spec, encoder.config).save_pretrained(tmp_path / "two")
    (tmp_path / "two" / "encoder.safetensors").replace(tmp_path / "one" / "encoder.safetensors")
    with pytest.raises(ArtefactError, match=r"encoder.safetensors in it is not .* another encoder"):
        SignalEncoder.from_pretrained(tmp_path / "one")
    path = tmp_path / "one" / "sensor2llm.json"
    stated = json.loads(path.read_text())
    del stated["files"]  # as the first release wrote it
    path.write_text(json.dumps(stated))
    SignalEncoder.from_pretrained(tmp_path / "one")


def test_what_is_somebodys_stays_beside_a_new_encoder(encoder, tmp_path):
    encoder.save_pretrained(tmp_path / "one")
    for name in ("metrics.json", "README.md", "notes.md"):
        (tmp_path / "one" / name).write_text("old")
    encoder.save_pretrained(tmp_path / "one")
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {"encoder.safetensors", "sensor2llm.json", "notes.md"}


def test_a_broken_folder_is_a_clear_error(encoder, tmp_path):
    with pytest.raises(ArtefactError, match="is no encoder"):
        SignalEncoder.from_pretrained(tmp_path)
    folder = tmp_path / "encoder"
    encoder.save_pretrained(folder)
    weights = (folder / "encoder.safetensors").read_bytes()
    (folder / "encoder.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ArtefactError, match="is broken"):
        SignalEncoder.from_pretrained(folder)
    (folder / "sensor2llm.json").write_text("{")
    with pytest.raises(ArtefactError, match="is broken"):
        SignalEncoder.from_pretrained(folder)
    (folder / "sensor2llm.json").write_text(json.dumps({"kind": "adapter", "format_version": 1}))
    with pytest.raises(ArtefactError, match="holds kind 'adapter', expected 'encoder'; released"):
        SignalEncoder.from_pretrained(folder)
