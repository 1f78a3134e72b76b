import copy

import pytest
import torch
from torch import nn
from transformers import PatchTSTConfig, PatchTSTModel

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.external import ExternalEncoder
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.encoders.tabular import RowMLP
from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.pretraining.crossl import CroSSL
from sensor2llm.signals.spec import Modality
from tests.toy_store import SPEC, make_batch, without

CONFIG = EncoderConfig(width=16, pooled_steps=4)


class Mean(nn.Module):
    """The smallest encoder: a linear layer at each step."""

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, width)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.linear(values.transpose(1, 2))


def patch_tst(modality: Modality) -> ExternalEncoder:
    """Wrap a small PatchTST of transformers; its channels are averaged."""
    model = PatchTSTModel(
        PatchTSTConfig(
            num_input_channels=len(modality.channels), context_length=modality.steps,
            patch_length=4, patch_stride=4, d_model=8, num_hidden_layers=1, num_attention_heads=2,
            ffn_dim=16,
        )
    )  # fmt: skip

    def encode(model: nn.Module, values: torch.Tensor) -> torch.Tensor:
        return model(past_values=values.transpose(1, 2)).last_hidden_state.mean(1)

    return ExternalEncoder(model, encode, features=8, width=16)


def patch_tsts(seed: int) -> dict[str, nn.Module]:
    torch.manual_seed(seed)
    return {name: patch_tst(SPEC[name]) for name in ("watch_accel", "watch_gyro", "beats")}


def means() -> dict[str, nn.Module]:
    return {m.name: Mean(len(m.channels)) for m in SPEC.modalities}


@pytest.fixture
def encoder() -> SignalEncoder:
    return SignalEncoder.from_modules(SPEC, patch_tsts(0), CONFIG).eval()


def test_a_model_of_transformers_encodes_windows(encoder):
    batch = make_batch(3)
    output = encoder(without(batch, "watch_gyro"))
    shapes = {name: tuple(steps.shape) for name, steps in output.steps.items()}
    assert shapes == {
        "watch_accel": (3, 10, 16),
        "watch_gyro": (3, 10, 16),
        "beats": (3, 3, 16),
        "values": (3, 1, 16),
    }
    assert not output.steps["watch_gyro"].any()
    wrapped = encoder.modalities[0]
    hidden = wrapped.module(past_values=batch.signals["watch_accel"].mT).last_hidden_state
    expected = hidden.mean(1) @ wrapped.outputs.weight.T + wrapped.outputs.bias
    torch.testing.assert_close(output.steps["watch_accel"], expected)
    assert encoder.config.kind == "external"


def test_a_modality_without_an_axis_may_do_without_a_module(encoder):
    assert isinstance(encoder.modalities[3], RowMLP)


def test_it_is_pretrained_like_any_other(encoder):
    objective = CroSSL(encoder)
    optimiser = torch.optim.SGD(objective.parameters(), lr=1e-2)
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    objective(make_batch(6), torch.Generator().manual_seed(0)).total.backward()
    optimiser.step()
    unmoved = {name for name, p in encoder.named_parameters() if torch.equal(p, before[name])}
    # PatchTST's positions are fixed, and a key's bias shifts all scores of a query alike.
    assert {n for n in unmoved if not n.endswith(("position_enc", "k_proj.bias"))} == set()


def test_saved_and_read_again_with_modules_built_so_is_the_same(encoder, tmp_path):
    encoder.save_pretrained(tmp_path / "encoder")
    again = SignalEncoder.from_pretrained(tmp_path / "encoder", modules=patch_tsts(1))
    batch = make_batch(2)
    assert torch.equal(again(batch).joint, encoder(batch).joint)
    assert again.fingerprint() == encoder.fingerprint()


def test_reading_without_modules_says_what_to_pass(encoder, tmp_path):
    encoder.save_pretrained(tmp_path / "encoder")
    with pytest.raises(ArtefactError, match="has modules of others; build them as the saved ones"):
        SignalEncoder.from_pretrained(tmp_path / "encoder")
    with pytest.raises(ArtefactError, match=r"does not fit the modules .*; build them as"):
        SignalEncoder.from_pretrained(tmp_path / "encoder", modules=means())


def test_modules_for_an_encoder_that_needs_none_are_refused(tmp_path):
    SignalEncoder(SPEC, CONFIG).save_pretrained(tmp_path / "encoder")
    with pytest.raises(ArtefactError, match="is of kind 'temporal_cnn' and takes no modules"):
        SignalEncoder.from_pretrained(tmp_path / "encoder", modules=means())


def test_the_kind_alone_builds_nothing():
    with pytest.raises(ConfigError, match=r"only Python can pass: SignalEncoder\.from_modules"):
        SignalEncoder(SPEC, EncoderConfig(kind="external"))


def test_half_precision_modules_have_a_fingerprint():
    modules = {name: module.bfloat16() for name, module in means().items()}
    wrapped = {
        name: ExternalEncoder(module, lambda m, x: m(x.bfloat16()).float(), 16, 16)
        for name, module in modules.items()
    }
    encoder = SignalEncoder.from_modules(SPEC, wrapped, CONFIG)
    before = encoder.fingerprint()
    with torch.no_grad():
        modules["beats"].linear.bias[0] += 1.0
    assert encoder.fingerprint() != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heart": Mean(1)}, "a module for the unknown modality 'heart'; the spec has watch_accel"),
        ({"beats": None}, r"no module for the modality 'beats'; .* \(batch, 1, 12\) to .* 16\)"),
        (
            {"beats": Mean(1, 8)},
            r"'beats' makes \(1, 12, 8\) of one window, expected \(1, steps, 16\); wrap it",
        ),
        ({"beats": nn.Flatten()}, r"'beats' makes \(1, 12\) of one window, expected"),
    ],
)
def test_modules_that_do_not_fit_are_refused(change, message):
    modules = {name: m for name, m in (means() | change).items() if m is not None}
    with pytest.raises(ConfigError, match=message):
        SignalEncoder.from_modules(SPEC, modules, CONFIG)


def test_one_module_for_two_modalities_is_refused_but_a_copy_is_not():
    modules = means() | {"watch_gyro": (one := Mean(3)), "watch_accel": one}
    with pytest.raises(ConfigError, match="'watch_gyro' has the same module as another modality"):
        SignalEncoder.from_modules(SPEC, modules, CONFIG)
    modules["watch_gyro"] = copy.deepcopy(one)
    SignalEncoder.from_modules(SPEC, modules, CONFIG)


def test_trying_a_module_out_leaves_its_modes_as_they_were():
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), Mean(3))
    module[1].eval()
    SignalEncoder.from_modules(SPEC, means() | {"watch_accel": module}, CONFIG)
    assert [part.training for part in module] == [True, False, True]
    assert int(module[0].num_batches_tracked) == 0
