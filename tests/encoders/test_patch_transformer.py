import copy

import pytest
import torch
from torch import nn

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.patch_transformer import Backbone, PatchTransformer, sinusoids
from sensor2llm.signals.spec import Channel, Modality

CONFIG = EncoderConfig(
    kind="patch_transformer", width=16, patches=6, token_width=24, heads=3, layers=2
)


def modality(steps: int, channels: int = 2) -> Modality:
    named = tuple(Channel(name=f"c{i}", unit="g") for i in range(channels))
    return Modality(name="accel", channels=named, steps=steps, rate_hz=10.0)


@pytest.fixture
def encoder() -> PatchTransformer:
    torch.manual_seed(0)
    return PatchTransformer(modality(20), CONFIG).eval()


def restated_layer(layer, config: EncoderConfig) -> nn.TransformerEncoderLayer:
    """Copy a layer's weights into torch's own layer, which has queries, keys, values in blocks."""
    width, heads = config.token_width, config.heads
    torchs = nn.TransformerEncoderLayer(
        width, heads, config.feedforward * width, 0.0, "gelu", batch_first=True, norm_first=True
    )
    by_head = layer.inputs.weight.view(heads, 3, width // heads, width)
    attention, (norm, up, _, down, _) = torchs.self_attn, layer.feedforward
    with torch.no_grad():
        attention.in_proj_weight.copy_(by_head.transpose(0, 1).reshape(3 * width, width))
        bias = layer.inputs.bias.view(heads, 3, width // heads)
        attention.in_proj_bias.copy_(bias.transpose(0, 1).flatten())
    pairs = (
        (attention.out_proj, layer.outputs), (torchs.norm1, layer.attention_norm),
        (torchs.norm2, norm), (torchs.linear1, up), (torchs.linear2, down),
    )  # fmt: skip
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    return torchs


def restated_tokens(encoder: PatchTransformer, window: torch.Tensor) -> torch.Tensor:
    """Cut one window into patches and embed each."""
    steps, size = window.shape[1], encoder.patch_steps
    rows = []
    for start in range(0, steps, size):
        patch = torch.zeros(window.shape[0], size)
        part = window[:, start : start + size]
        patch[:, : part.shape[1]] = part
        # Each frequency's magnitude by its definition: no FFT here.
        time, bins = torch.arange(size), torch.arange(size // 2 + 1)
        angles = 2 * torch.pi * time[:, None] * bins / size
        magnitudes = torch.hypot(patch @ angles.cos(), patch @ angles.sin())
        seen = torch.cat((patch.flatten(), (1 + magnitudes).log().flatten()))
        rows.append(encoder.embedding(seen))
    return torch.stack(rows) + sinusoids(len(rows), CONFIG.token_width)


@torch.no_grad()
def test_equals_its_restatement_with_torchs_transformer_layer(encoder):
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    values = torch.randn(3, 2, 20)
    x = torch.stack([restated_tokens(encoder, window) for window in values])
    for layer in encoder.backbone.layers:
        x = restated_layer(layer, CONFIG)(x)
    expected = encoder.backbone.outputs(encoder.backbone.norm(x))
    torch.testing.assert_close(encoder(values), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("steps", "patch_steps", "patches"),
    [(1, 1, 1), (4, 1, 4), (6, 1, 6), (20, 4, 5), (24, 4, 6), (600, 100, 6)],
)
def test_patches_are_equal_parts_and_never_all_padding(steps, patch_steps, patches):
    encoder = PatchTransformer(modality(steps), CONFIG)
    assert (encoder.patch_steps, encoder.patches) == (patch_steps, patches)
    assert encoder(torch.zeros(2, 2, steps)).shape == (2, patches, 16)


def test_modalities_at_two_rates_have_patches_of_the_same_times():
    slow, fast = (PatchTransformer(modality(steps), CONFIG) for steps in (12, 60))
    time = torch.arange(60.0).view(1, 1, 60) / 60
    starts = [
        encoder.cut(values.expand(1, 2, -1))[:, 0, 0]
        for encoder, values in ((slow, time[..., ::5]), (fast, time))
    ]
    torch.testing.assert_close(starts[0], starts[1])


def test_cutting_keeps_every_value_and_fills_up_with_zeros(encoder):
    values = torch.arange(1.0, 35.0).view(1, 2, 17)
    patches = encoder.cut(values)
    assert patches.shape == (5, 1, 2 * 4)
    whole = patches[:, 0].view(5, 2, 4).transpose(0, 1).flatten(1)
    torch.testing.assert_close(whole[:, :17], values[0])
    assert not whole[:, 17:].any()


def test_a_window_of_another_length_has_another_number_of_patches(encoder):
    assert encoder(torch.randn(1, 2, 35)).shape == (1, 9, 16)


def test_what_is_kept_is_computed_from_what_is_kept_alone(encoder):
    values = torch.randn(2, 2, 20)
    keep = torch.tensor([[0, 2, 3], [1, 2, 4]])
    kept = encoder.encode_kept(values, keep)
    other = values.clone()
    other[0, :, 4:8] = 9.0  # patch 1, which the first row drops
    other[1, :, 0:4] = 9.0  # patch 0, which the second row drops
    torch.testing.assert_close(encoder.encode_kept(other, keep), kept, rtol=0, atol=0)
    assert not torch.allclose(kept, encoder(values).gather(1, keep[..., None].expand(-1, -1, 16)))


def test_keeping_all_is_the_whole(encoder):
    values, keep = torch.randn(3, 2, 20), torch.arange(5).expand(3, -1)
    torch.testing.assert_close(encoder.encode_kept(values, keep), encoder(values))


def test_a_hidden_patch_never_matters_but_its_position_does(encoder):
    values = torch.randn(2, 2, 20)
    visible = torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(encoder(values, visible), encoder(values))
    visible[:, [1, 3]] = False
    hidden, other = encoder(values, visible), values.clone()
    other[:, :, 4:8] = 9.0
    torch.testing.assert_close(encoder(other, visible), hidden, rtol=0, atol=0)
    assert not torch.allclose(hidden[:, 1], hidden[:, 3])
    hidden.sum().backward()
    assert encoder.mask_token.grad.any()


def test_without_the_spectrum_a_token_sees_its_values_alone():
    config = EncoderConfig(kind="patch_transformer", patches=5, spectrum=False)
    plain = PatchTransformer(modality(20), config)
    values = torch.randn(3, 2, 20)
    expected = plain.embedding(plain.cut(values)) + plain.places[:, None]
    torch.testing.assert_close(plain.embed(values), expected)
    assert plain.embedding.in_features == 2 * 4


def test_attention_sums_to_one_over_the_keys_and_explains_the_output(encoder):
    values = torch.randn(3, 2, 20)
    layers = encoder.attention(values)
    assert [tuple(weights.shape) for weights in layers] == [(3, 3, 5, 5)] * 2
    torch.testing.assert_close(layers[0].sum(-1), torch.ones(3, 3, 5))
    layer = encoder.backbone.layers[0]
    x = torch.stack([restated_tokens(encoder, window) for window in values])
    rows = layer.inputs(layer.attention_norm(x)).view(3, 5, 3, 3, 8)
    query, key = rows[..., 0, :].transpose(1, 2), rows[..., 1, :].transpose(1, 2)
    expected = (query @ key.transpose(-1, -2) / 8**0.5).softmax(-1)
    torch.testing.assert_close(layers[0], expected, rtol=1e-4, atol=1e-5)


def test_a_batch_of_one_equals_its_row_in_a_batch(encoder):
    values = torch.randn(5, 2, 20)
    torch.testing.assert_close(encoder(values)[2:3], encoder(values[2:3]))


def test_in_bfloat16_the_output_is_nearly_the_same(encoder):
    values = torch.randn(2, 2, 20)
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder(values)
    torch.testing.assert_close(half.float(), encoder(values), rtol=0.05, atol=0.05)


def test_a_shared_backbone_belongs_to_its_holder_and_survives_a_copy():
    backbone = Backbone(CONFIG)
    encoders = nn.ModuleList(PatchTransformer(modality(20), CONFIG, backbone) for _ in range(2))
    assert sorted(name for name, _ in encoders[0].named_parameters()) \
        == ["embedding.bias", "embedding.weight", "mask_token", "modality_embedding"]  # fmt: skip
    whole = nn.ModuleDict({"backbone": backbone, "encoders": encoders})
    copied = copy.deepcopy(whole)
    assert all(encoder.backbone is copied["backbone"] for encoder in copied["encoders"])
    values = torch.randn(1, 2, 20)
    encoders[0](values).sum().backward()
    assert backbone.norm.weight.grad.any()
    assert encoders[0].modality_embedding.grad.any()


def test_positions_are_sines_and_cosines():
    table = sinusoids(4, 8)
    assert table[0].tolist() == [0.0] * 4 + [1.0] * 4
    torch.testing.assert_close(table[3, 0], torch.tensor(3.0).sin())
    torch.testing.assert_close(table[3, 5], torch.tensor(0.3).cos())
