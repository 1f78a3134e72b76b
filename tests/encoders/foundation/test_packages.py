"""The packages' own architectures with random weights: what we take of them, and strict reading.

Both run beside our versions of torch and transformers. mantis-tsfm asks for another pandas than the
lock has, so it is not part of it.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.errors import ArtefactError
from tests.toy_store import SPEC, make_batch

WITHOUT = {
    "mantis": "mantis-tsfm is not installed: pip install --no-deps mantis-tsfm einops",
    "chronos2": "chronos-forecasting is not installed: pip install 'sensor2llm[chronos]'",
}


def save_mantis(folder: Path) -> torch.nn.Module:
    mantis = pytest.importorskip("mantis.architecture", reason=WITHOUT["mantis"])
    torch.manual_seed(0)
    # The class whose names the published weights have.
    model = mantis.Mantis8M(
        seq_len=64, num_patches=8, hidden_dim=16, hidden_dim_scalar_enc=8, transf_depth=1,
        transf_num_heads=2, transf_mlp_dim=16, transf_dim_head=8, device="cpu",
    )  # fmt: skip
    model.save_pretrained(folder)
    return model.eval()


def save_chronos2(folder: Path) -> torch.nn.Module:
    chronos = pytest.importorskip("chronos.chronos2", reason=WITHOUT["chronos2"])
    torch.manual_seed(0)
    forecasting = {
        "context_length": 64, "input_patch_size": 8, "input_patch_stride": 8,
        "output_patch_size": 8, "quantiles": [0.5], "use_reg_token": True, "use_arcsinh": True,
    }  # fmt: skip
    config = chronos.Chronos2CoreConfig(
        d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, chronos_config=forecasting
    )
    model = chronos.Chronos2Model(config)
    model.save_pretrained(folder)
    return model.eval()


SAVE = {"mantis": save_mantis, "chronos2": save_chronos2}


def load(kind: str, folder: Path) -> SignalEncoder:
    config = EncoderConfig(kind=kind, width=16, pooled_steps=4, weights=str(folder))
    return SignalEncoder(SPEC, config).eval()


def test_mantis_gives_each_channels_class_token(tmp_path):
    model, batch = save_mantis(tmp_path / "weights"), make_batch(2)
    steps = load("mantis", tmp_path / "weights")(batch).steps["watch_gyro"]
    assert steps.shape == (2, 3, 16)
    channel = batch.signals["watch_gyro"][:, 1:2]
    expected = model(functional.interpolate(channel, size=64, mode="linear"))
    torch.testing.assert_close(steps[:, 1], expected, rtol=1e-4, atol=1e-5)


def test_chronos2_gives_each_channels_patches_as_its_pipeline_embeds_them(tmp_path):
    model, batch = save_chronos2(tmp_path / "weights"), make_batch(3)
    steps = load("chronos2", tmp_path / "weights")(batch).steps["watch_accel"]
    chronos = pytest.importorskip("chronos.chronos2")
    embedded, _ = chronos.Chronos2Pipeline(model).embed(batch.signals["watch_accel"])
    # 40 steps are 5 patches; the pipeline adds a token of the series and one of the future.
    expected = torch.stack([window[:, :5].flatten(0, 1) for window in embedded])
    assert steps.shape == (3, 15, 16)
    torch.testing.assert_close(steps, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", SAVE)
def test_a_window_is_the_same_alone_and_read_again(kind, tmp_path):
    SAVE[kind](tmp_path / "weights")
    encoder, batch = load(kind, tmp_path / "weights"), make_batch(3)
    assert sum(p.numel() for p in encoder.backbone._module[0].parameters()) > 1000
    assert not [name for name in encoder.state_dict() if name.startswith("backbone")]
    again = SignalEncoder.from_pretrained(encoder.save_pretrained(tmp_path / "encoder"))
    assert again.fingerprint() == encoder.fingerprint()
    first = {name: values[:1] for name, values in batch.signals.items()}
    alone = again.encode_steps(
        type(batch)(first, batch.present[:1], batch.labels[:1], batch.index[:1])
    )
    for name, steps in encoder.encode_steps(batch).items():
        torch.testing.assert_close(alone[name], steps[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", SAVE)
def test_weights_that_lack_one_are_refused(kind, tmp_path):
    SAVE[kind](tmp_path / "weights")
    path = tmp_path / "weights" / "model.safetensors"
    tensors = load_file(path)
    del tensors[sorted(tensors)[0]]
    save_file(tensors, path)
    with pytest.raises(ArtefactError, match=f"are not those of an encoder '{kind}'"):
        load(kind, tmp_path / "weights")
