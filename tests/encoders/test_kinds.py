"""What every kind of encoder does: absent modalities, copies, gradients, saving, dropped tokens."""

import copy
import json
from pathlib import Path

import pytest
import torch

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.modality_encoders import MODALITY_ENCODERS
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.signals.dataset import SignalBatch
from tests.conftest import REPOSITORY
from tests.toy_store import SPEC, make_batch, without

SMALL = {"width": 16, "patches": 5, "token_width": 16, "heads": 2, "pooled_steps": 4}
CONFIGS = {kind: EncoderConfig(kind=kind, **SMALL) for kind in MODALITY_ENCODERS} | {
    "shared": EncoderConfig(kind="patch_transformer", shared=True, **SMALL),
    "tabular_layers": EncoderConfig(tabular_layers=3, **SMALL),
    "faint": EncoderConfig(kind="patch_transformer", faint=True, **SMALL),
}
# The step counts of watch_accel (40 steps) and beats (12 steps).
STEPS = {
    "temporal_cnn": (10, 3),
    "patch_transformer": (5, 4),
    "resnet": (5, 2),
    "inception": (10, 3),
    "deepconvlstm": (10, 3),
    "deepconvlstm_crossl": (10, 3),
    "shared": (5, 4),
    "tabular_layers": (10, 3),
    "faint": (5, 4),
}


@pytest.fixture(params=CONFIGS, scope="module")
def kind(request) -> str:
    return request.param


@pytest.fixture
def encoder(kind) -> SignalEncoder:
    torch.manual_seed(0)
    return SignalEncoder(SPEC, CONFIGS[kind]).eval()


def test_gives_steps_of_the_encoders_width(encoder, kind):
    output = encoder(make_batch(3))
    accel, beats = STEPS[kind]
    shapes = {name: tuple(steps.shape) for name, steps in output.steps.items()}
    assert shapes == {
        "watch_accel": (3, accel, 16),
        "watch_gyro": (3, accel, 16),
        "beats": (3, beats, 16),
        "values": (3, 1, 16),
    }
    assert encoder.features(make_batch(3)).steps.shape == (3, 4, 4, 16)


def test_rows_without_a_modality_are_zeros_and_change_no_other(encoder):
    batch = make_batch(4)
    present = batch.present.clone()
    present[[0, 2], 0] = False
    mixed = encoder(SignalBatch(batch.signals, present, batch.labels, batch.index))
    whole = encoder(batch)
    assert not mixed.steps["watch_accel"][[0, 2]].any()
    torch.testing.assert_close(mixed.pooled[[1, 3]], whole.pooled[[1, 3]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mixed.pooled[:, 1:], whole.pooled[:, 1:])
    nowhere = encoder(without(batch, "watch_accel", fill=7.0))
    assert not nowhere.steps["watch_accel"].any()


def test_a_batch_of_one_equals_its_row_in_a_batch(encoder):
    batch = make_batch(3)
    one = SignalBatch(
        {name: values[1:2] for name, values in batch.signals.items()},
        batch.present[1:2], batch.labels[1:2], batch.index[1:2],
    )  # fmt: skip
    torch.testing.assert_close(encoder(one).joint, encoder(batch).joint[1:2], rtol=1e-3, atol=1e-4)


def test_a_gradient_reaches_every_parameter(encoder):
    output = encoder(make_batch(8))
    torch.manual_seed(1)
    (output.joint * torch.randn_like(output.joint)).sum().backward()
    gradients = {name: p.grad for name, p in encoder.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    # Only what is hidden on purpose moves the mask token.
    unmoved = {name for name, gradient in gradients.items() if not gradient.any()}
    assert {name for name in unmoved if not name.endswith("mask_token")} == set()


def test_the_same_seed_gives_the_same_weights_and_output(encoder, kind):
    torch.manual_seed(0)
    again = SignalEncoder(SPEC, CONFIGS[kind]).eval()
    assert again.fingerprint() == encoder.fingerprint()
    batch = make_batch(2)
    assert torch.equal(again(batch).joint, encoder(batch).joint)


def test_saved_and_read_again_is_the_same(encoder, kind, tmp_path):
    encoder.save_pretrained(tmp_path / "encoder")
    again = SignalEncoder.from_pretrained(tmp_path / "encoder")
    assert again.config == CONFIGS[kind]
    assert again.fingerprint() == encoder.fingerprint()
    assert torch.equal(again(make_batch(2)).joint, encoder(make_batch(2)).joint)


def test_a_copy_shares_nothing_with_the_original(encoder):
    before, batch = encoder.fingerprint(), make_batch(2)
    copied = copy.deepcopy(encoder)
    expected = encoder(batch).joint
    assert torch.equal(copied(batch).joint, expected)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.add_(0.1)
    assert encoder.fingerprint() == before
    assert not torch.allclose(copied(batch).joint, expected)


def test_dropped_tokens_leave_every_window_as_many(encoder, kind):
    batch = make_batch(4)

    def drop(seed: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return encoder.encode_steps(batch, token_drop=0.5, generator=generator)

    steps = drop(0)
    accel, beats = (max(1, round(count / 2)) for count in STEPS[kind])
    assert [value.shape[1] for value in steps.values()] == [accel, accel, beats, 1]
    assert encoder.pool(steps).shape == (4, 4, 16)
    assert all(torch.equal(steps[name], value) for name, value in drop(0).items())
    assert not all(torch.equal(steps[name], value) for name, value in drop(1).items())


def test_a_share_of_dropped_tokens_out_of_range_is_refused(encoder):
    with pytest.raises(ConfigError, match=r"token_drop must be at least 0 and below 1, got 1\.5"):
        encoder.encode_steps(make_batch(1), token_drop=1.5)


def test_dropped_steps_of_an_encoder_without_tokens_are_steps_of_the_whole():
    torch.manual_seed(0)
    encoder, batch = SignalEncoder(SPEC, CONFIGS["temporal_cnn"]).eval(), make_batch(2)
    some = encoder.encode_steps(batch, token_drop=0.7)["watch_accel"]
    whole = encoder.encode_steps(batch)["watch_accel"]
    for row in range(2):
        found = [int((whole[row] - step).abs().sum(1).argmin()) for step in some[row]]
        assert found == sorted(set(found))
        torch.testing.assert_close(some[row], whole[row, found], rtol=0, atol=0)


def test_recurrent_encoders_are_pooled_by_their_last_step_others_by_the_mean(encoder, kind):
    output = encoder(make_batch(2))
    steps = output.steps["watch_gyro"]
    expected = steps[:, -1] if kind.startswith("deepconvlstm") else steps.mean(1)
    torch.testing.assert_close(output.pooled[:, 1], expected)
    # A row of values has one step, whatever the kind of the others.
    torch.testing.assert_close(output.pooled[:, 3], output.steps["values"][:, 0])


def test_a_shared_backbone_is_in_the_weights_once():
    names = list(SignalEncoder(SPEC, CONFIGS["shared"]).state_dict())
    assert sum(name.endswith("layers.0.inputs.weight") for name in names) == 1
    assert "backbone.layers.0.inputs.weight" in names
    own = list(SignalEncoder(SPEC, CONFIGS["patch_transformer"]).state_dict())
    assert sum(name.endswith("layers.0.inputs.weight") for name in own) == 3


@pytest.mark.parametrize(
    "folder", sorted((REPOSITORY / "adapters").glob("*-encoder")), ids=lambda folder: folder.name
)
def test_a_released_encoder_keeps_its_fingerprint(folder: Path):
    encoder = SignalEncoder.from_pretrained(folder)
    manifest = json.loads((folder / "sensor2llm.json").read_text())
    assert encoder.fingerprint() == manifest["fingerprint"]
