import torch
from torch import nn
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.modality_encoders import MODALITY_ENCODERS, build_encoders
from sensor2llm.encoders.tabular import RowMLP
from sensor2llm.signals.spec import Channel, Modality, SignalSpec

ROW = Modality(
    name="row",
    channels=(Channel(name="age", unit="a"), Channel(name="bmi", unit="kg/m^2")),
    steps=1,
    axis="none",
)


def test_a_row_of_values_becomes_one_step_by_an_mlp():
    encoder = RowMLP(ROW, EncoderConfig(width=8))
    assert [type(layer).__name__ for layer in encoder.layers if not isinstance(layer, nn.Dropout)] \
        == ["Linear", "GELU", "Linear"]  # fmt: skip
    assert encoder(torch.zeros(3, 2, 1)).shape == (3, 1, 8)


def test_with_one_hidden_layer_the_weights_are_those_of_the_first_release():
    shapes = {name: tuple(w.shape) for name, w in RowMLP(ROW, EncoderConfig()).state_dict().items()}
    assert shapes == {
        "layers.0.weight": (96, 2), "layers.0.bias": (96,),
        "layers.3.weight": (96, 96), "layers.3.bias": (96,),
    }  # fmt: skip


def test_more_layers_are_residual_blocks_between():
    torch.manual_seed(0)
    encoder = RowMLP(ROW, EncoderConfig(width=8, tabular_layers=3)).eval()
    values = torch.randn(4, 2, 1)
    first, last = encoder.layers[0], encoder.layers[-1]
    x = functional.gelu(values[:, :, 0] @ first.weight.T + first.bias)
    for block in (encoder.layers[3], encoder.layers[4]):
        norm, up, _, _, down = block.layers
        inside = functional.layer_norm(x, (8,), norm.weight, norm.bias)
        x = x + functional.gelu(inside @ up.weight.T + up.bias) @ down.weight.T + down.bias
    expected = x @ last.weight.T + last.bias
    torch.testing.assert_close(encoder(values)[:, 0], expected, rtol=1e-5, atol=1e-5)


def test_takes_the_place_of_every_kind():
    spec = SignalSpec(modalities=(ROW,))
    for kind in MODALITY_ENCODERS:
        encoders, _ = build_encoders(spec, EncoderConfig(kind=kind))
        assert [type(encoder) for encoder in encoders] == [RowMLP]
