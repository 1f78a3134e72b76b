"""One transformer over the patches of all modalities, against the transformer run by hand."""

from dataclasses import replace

import pytest
import torch

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.joint import encode_jointly
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ConfigError
from sensor2llm.signals.dataset import SignalBatch
from tests.toy_store import SPEC, make_batch, without

LATE = EncoderConfig(
    kind="patch_transformer", shared=True, width=16, patches=5, token_width=16, layers=2
)
JOINT = replace(LATE, fusion="joint")
PATCHED = ("watch_accel", "watch_gyro", "beats")
"""The fourth modality, a row of values, has an MLP and no patches."""


def build(config: EncoderConfig = JOINT) -> SignalEncoder:
    torch.manual_seed(0)
    return SignalEncoder(SPEC, config).eval()


def by_hand(encoder: SignalEncoder, batch: SignalBatch, names=PATCHED) -> dict[str, torch.Tensor]:
    """Run the transformer over the patches of these modalities and no others."""
    numbers = [SPEC.names.index(name) for name in names]
    tokens = [encoder.modalities[i].embed(batch.signals[SPEC.names[i]]) for i in numbers]
    features, _ = encoder.backbone(torch.cat(tokens))
    parts = features.split([len(part) for part in tokens], dim=1)
    return dict(zip(names, parts, strict=True))


def test_all_patches_go_through_one_transformer_together():
    encoder, batch = build(), make_batch(3)
    steps, expected = encoder.encode_steps(batch), by_hand(encoder, batch)
    for name in PATCHED:
        torch.testing.assert_close(steps[name], expected[name])
    values = encoder.modalities[3](batch.signals["values"])
    torch.testing.assert_close(steps["values"], values)


@pytest.mark.parametrize("gone", PATCHED)
def test_a_window_without_a_modality_is_as_if_there_were_none_such(gone):
    encoder, batch = build(), make_batch(3)
    left = tuple(name for name in PATCHED if name != gone)
    steps = encoder.encode_steps(without(batch, gone, fill=float("nan")))
    expected = by_hand(encoder, batch, left)
    assert not steps[gone].any()
    for name in left:
        torch.testing.assert_close(steps[name], expected[name])


def test_windows_with_and_without_a_modality_share_a_batch():
    encoder, batch = build(), make_batch(4)
    present = batch.present.clone()
    present[[0, 2], 0] = False
    mixed = encoder.encode_steps(replace(batch, present=present))
    whole, lacking = encoder.encode_steps(batch), encoder.encode_steps(without(batch, PATCHED[0]))
    for name in PATCHED:
        torch.testing.assert_close(mixed[name][[1, 3]], whole[name][[1, 3]])
        torch.testing.assert_close(mixed[name][[0, 2]], lacking[name][[0, 2]])


@pytest.mark.parametrize("fusion", ["late", "joint"])
def test_what_is_known_of_one_modality_depends_on_others_in_a_joint_encoder_alone(fusion):
    encoder, batch = build(replace(LATE, fusion=fusion)), make_batch(2)
    other = replace(batch, signals=batch.signals | {"watch_gyro": torch.zeros(2, 3, 40)})
    before, after = (encoder.encode_steps(one)["watch_accel"] for one in (batch, other))
    assert torch.equal(before, after) == (fusion == "late")


def test_windows_with_nothing_are_zeros():
    batch = make_batch(2)
    steps = build().encode_steps(replace(batch, present=torch.zeros_like(batch.present)))
    assert not any(value.any() for value in steps.values())


def test_the_transformer_never_sees_a_dropped_token():
    encoder, seen = build(), []
    encoder.backbone.layers[0].register_forward_pre_hook(lambda _, x: seen.append(len(x[0])))
    batch, generator = make_batch(4), torch.Generator().manual_seed(0)
    steps = encoder.encode_steps(batch, token_drop=0.4, generator=generator)
    kept = [steps[name].shape[1] for name in PATCHED]
    assert kept == [3, 3, 2]  # of 5, 5 and 4 patches, 0.6 each
    assert seen == [sum(kept)]


def test_without_patches_there_is_nothing_to_join():
    rows = replace(SPEC, modalities=SPEC.modalities[3:])
    encoder = SignalEncoder(rows, JOINT).eval()
    batch = make_batch(2)
    one = SignalBatch(
        {"values": batch.signals["values"]}, batch.present[:, 3:], batch.labels, batch.index
    )
    assert encoder.encode_steps(one)["values"].shape == (2, 1, 16)


def test_the_function_alone_gives_what_the_encoder_gives():
    encoder, batch = build(), make_batch(2)
    parts = list(encoder.modalities)[:3]
    signals = [batch.signals[name] for name in PATCHED]
    features = encode_jointly(parts, encoder.backbone, signals, batch.present[:, :3])
    steps = encoder.encode_steps(batch)
    assert all(torch.equal(a, steps[n]) for a, n in zip(features, PATCHED, strict=True))


def test_saved_and_read_again_is_the_same_and_another_than_late_fusion(tmp_path):
    encoder, batch = build(), make_batch(2)
    encoder.save_pretrained(tmp_path / "encoder")
    again = SignalEncoder.from_pretrained(tmp_path / "encoder")
    assert again.is_joint
    assert torch.equal(again(batch).pooled, encoder(batch).pooled)
    late = build(LATE)
    assert set(late.state_dict()) == set(encoder.state_dict())
    assert late.fingerprint() != encoder.fingerprint()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fusion": "early"}, "unknown fusion 'early'; choose from late, joint"),
        (
            {"fusion": "joint", "shared": False},
            "fusion joint is one patch_transformer over all modalities; set shared to true",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(LATE, **changes)
