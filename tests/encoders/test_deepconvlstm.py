import pytest
import torch
from torch import nn
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.modality_encoders import MODALITY_ENCODERS
from sensor2llm.signals.spec import Channel, Modality

deepconvlstm = MODALITY_ENCODERS["deepconvlstm"]
deepconvlstm_crossl = MODALITY_ENCODERS["deepconvlstm_crossl"]

PUBLISHED = EncoderConfig(width=128, lstm_stride=1, dropout=0.5)
CHANNELS = tuple(Channel(name=f"c{i}", unit="g") for i in range(3))
ACCEL = Modality(name="accel", channels=CHANNELS, steps=24, rate_hz=30.0)


def restated_lstm(encoder: nn.Module, features: torch.Tensor) -> torch.Tensor:
    """Run torch's two-layer LSTM with the encoder's weights over (batch, step, feature)."""
    lstm = nn.LSTM(features.shape[-1], 128, num_layers=2, batch_first=True)
    state = {}
    for layer, part in enumerate((encoder.first, encoder.second)):
        state |= {k.replace("_l0", f"_l{layer}"): v for k, v in part.state_dict().items()}
    lstm.load_state_dict(state)
    return lstm(features)[0]


@torch.no_grad()
def test_the_original_is_four_channelwise_convolutions_and_two_lstm_layers():
    torch.manual_seed(0)
    encoder, values = deepconvlstm(ACCEL, PUBLISHED).eval(), torch.randn(2, 3, 24)
    filters = [layer.weight.squeeze(3) for layer in encoder.convolutions.layers]
    assert [tuple(weight.shape) for weight in filters] == [(64, 1, 5)] + [(64, 64, 5)] * 3
    alone = []
    for channel in range(3):
        x = values[:, channel : channel + 1]
        for weight, layer in zip(filters, encoder.convolutions.layers, strict=True):
            x = functional.relu(functional.conv1d(x, weight, layer.bias, padding=2))
        alone.append(x)
    features = torch.stack(alone, dim=2).flatten(1, 2).transpose(1, 2)
    assert features.shape == (2, 24, 64 * 3)
    expected = restated_lstm(encoder, features)
    torch.testing.assert_close(encoder(values), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_crossls_baseline_convolves_all_channels_with_64_128_and_256_filters():
    torch.manual_seed(0)
    encoder, values = deepconvlstm_crossl(ACCEL, PUBLISHED).eval(), torch.randn(2, 3, 24)
    shapes = [tuple(layer.weight.shape) for layer in encoder.convolutions.layers]
    assert shapes == [(64, 3, 5), (128, 64, 5), (256, 128, 5)]
    x = values
    for layer in encoder.convolutions.layers:
        x = functional.relu(functional.conv1d(x, layer.weight, layer.bias, padding=2))
    expected = restated_lstm(encoder, x.transpose(1, 2))
    torch.testing.assert_close(encoder(values), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [deepconvlstm, deepconvlstm_crossl])
@torch.no_grad()
def test_steps_are_averaged_before_the_lstm(build):
    torch.manual_seed(0)
    values = torch.randn(2, 3, 22)
    slow = build(ACCEL, EncoderConfig(width=128, lstm_stride=4)).eval()
    features = slow.convolutions(values).transpose(1, 2)
    # The last two steps are a mean of two.
    averaged = torch.stack([part.mean(1) for part in features.split(4, dim=1)], dim=1)
    assert averaged.shape[1] == 6
    expected = restated_lstm(slow, averaged)
    torch.testing.assert_close(slow(values), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [deepconvlstm, deepconvlstm_crossl])
def test_a_long_window_is_averaged_to_at_most_the_steps_asked_for(build):
    torch.manual_seed(0)
    values = torch.randn(2, 3, 24)
    capped = build(ACCEL, EncoderConfig(lstm_stride=1, lstm_input_steps=10)).eval()
    plain = build(ACCEL, EncoderConfig(lstm_stride=1)).eval()
    plain.load_state_dict(capped.state_dict())
    averaged = values.unflatten(2, (8, 3)).mean(3)
    torch.testing.assert_close(capped(values), plain(averaged))
    short = values[..., :10]
    torch.testing.assert_close(capped(short), plain(short))


@pytest.mark.parametrize("build", [deepconvlstm, deepconvlstm_crossl])
def test_another_width_is_a_linear_layer_over_the_hidden_states(build):
    encoder = build(ACCEL, EncoderConfig(width=16))
    assert encoder.outputs.weight.shape == (16, 128)
    assert encoder(torch.zeros(1, 3, 1)).shape == (1, 1, 16)
    assert encoder.pools_last


def test_dropout_stands_before_each_lstm_layer():
    encoder = deepconvlstm(ACCEL, PUBLISHED)
    assert [layer.p for layer in encoder.dropouts] == [0.5, 0.5]
    values = torch.randn(1, 3, 24)
    assert not torch.equal(encoder(values), encoder(values))
