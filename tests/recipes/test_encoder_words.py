"""`--encoder WORD`: trained, saved, read again and asked, for every sort of word."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.classify import main as classify
from sensor2llm.encoders.foundation import catalogue
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.pretrain_encoder import main as pretrain_encoder
from sensor2llm.train_adapter import main as train_adapter
from tests.encoders.foundation.conftest import cache
from tests.encoders.foundation.test_packages import save_chronos2, save_mantis
from tests.encoders.foundation.tiny import save_tiny
from tests.llm.tiny import tiny_folder
from tests.toy_store import make_store

__all__ = ["cache"]
SMALL = [
    "--llm-dtype", "float32", "--projector.tokens", "2", "--projector.hidden", "16",
    "--loop.epochs", "1", "--loop.min-steps", "0", "--loop.batch-size", "16",
    "--new-encoder.encoder.pooled-steps", "4",
]  # fmt: skip
QUICK = ["--new-encoder.finetune-loop.epochs", "1", "--new-encoder.finetune-loop.min-steps", "0",
         "--new-encoder.pretrain", "false", "--new-encoder.encoder.width", "8"]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    make_store(folder, people=5, each=6)
    return folder / "store"


def train(store: Path, out: Path, word: str, *words: str) -> int:
    common = ["--data", str(store), "--llm", str(tiny_folder("llama")), "--out", str(out)]
    return train_adapter(["--encoder", word, *common, *SMALL, *words])


def labels_of(adapter: Path, store: Path, capsys) -> list[dict]:
    capsys.readouterr()
    assert classify([str(adapter), str(store), "--llm", str(tiny_folder("llama")), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["windows"]


@pytest.mark.parametrize(
    ("word", "save"), [("tiny", save_tiny), ("mantis", save_mantis), ("chronos2", save_chronos2)]
)
def test_a_foundation_encoder_is_saved_by_name_and_hash_and_found_again(
    word, save, store, tmp_path, capsys
):
    weights, out = tmp_path / "weights", tmp_path / "adapter"
    save(weights)
    assert train(store, out, word, "--new-encoder.encoder.weights", str(weights)) == 0
    stated = json.loads((out / "sensor2llm.json").read_text())["encoder"]
    assert (stated["kind"], stated["weights"]) == (word, str(weights))
    stored = [name for name in load_file(out / "bridge.safetensors") if name.startswith("encoder.")]
    # The row of values has an MLP of ours; of the three others nothing is there.
    assert {name.rsplit(".", 3)[0] for name in stored} == {
        "encoder.modalities.3", "encoder.aggregator",
    }  # fmt: skip
    before = labels_of(out, store, capsys)
    assert len(before) == 30
    copied = SensorAdapter.load(out).save_pretrained(tmp_path / "copy")
    assert labels_of(copied, store, capsys) == before
    weights.rename(tmp_path / "gone")
    assert classify([str(out), str(store)]) == 2
    assert f"no weights of the encoder '{word}': '{weights}' is no folder" in _line(capsys)


def test_a_kind_of_ours_is_made_in_the_run(store, tmp_path, capsys):
    out, small = tmp_path / "adapter", ["--new-encoder.encoder.inception-modules", "1"]
    assert train(store, out, "inception", *QUICK, *small) == 0
    adapter = SensorAdapter.load(out)
    assert adapter.encoder.config.kind == "inception"
    assert adapter.recipe["encoder"] == "inception"
    assert len(labels_of(out, store, capsys)) == 30


def test_what_a_word_cannot_do_is_one_line(store, tmp_path, capsys):
    out = tmp_path / "adapter"
    assert train(store, out, "tiny") == 2
    assert "no weights of the encoder 'tiny': the hub's someone/tiny cannot be reached" in _line(
        capsys
    )
    assert train(store, out, "absent") == 2
    assert "the encoder 'absent' needs no_such_code: pip install 'tiny[all]'" in _line(capsys)
    assert train(store, out, "no-such-word") == 2
    assert "no encoder 'no-such-word': there is no such folder" in _line(capsys)
    assert not out.exists()


def test_settings_that_an_encoder_does_not_take_are_named_in_one_line(store, tmp_path, caplog):
    weights = str(save_tiny(tmp_path / "weights"))
    typed = ["--new-encoder.encoder.weights", weights, "--new-encoder.encoder.width", "8"]
    typed += ["--new-encoder.encoder.kernels", "[5, 3, 3]", "--new-encoder.pretrain", "false"]
    assert train(store, tmp_path / "word", "tiny", *typed) == 0
    assert _unused(caplog) == [
        "the encoder 'tiny' does not take new_encoder.encoder.width, new_encoder.encoder.kernels, "
        "new_encoder.pretrain"
    ]
    small = ["--new-encoder.encoder.inception-modules", "1"]
    assert train(store, tmp_path / "ours", "inception", *QUICK, *small) == 0
    assert _unused(caplog) == []
    both = [*QUICK, "--new-encoder.encoder.kind", "deepconvlstm"]
    assert train(store, tmp_path / "both", "resnet", *both) == 0
    assert _unused(caplog) == ["the encoder 'resnet' does not take new_encoder.encoder.kind"]
    ready = tmp_path / "ours-run" / "encoder"
    assert train(store, tmp_path / "ready", str(ready), "--new-encoder.objective", "simclr") == 0
    assert _unused(caplog) == [
        f"the encoder '{ready}' does not take new_encoder.encoder.pooled_steps, "
        "new_encoder.objective"
    ]


def test_a_joint_encoder_is_refused(store, tmp_path, capsys):
    typed = ["--encoder.kind", "patch_transformer", "--encoder.shared", "true"]
    typed += ["--encoder.fusion", "joint"]
    options = [word.replace("--", "--new-encoder.") for word in typed]
    assert train(store, tmp_path / "adapter", "new", *options) == 2
    refused = "a joint encoder mixes its sensors, and an adapter takes sensors away one by one; "
    assert refused in _line(capsys)
    encoder = tmp_path / "encoder"
    loop = ["--pretrain-loop.epochs", "1", "--objective", "masked_autoencoder"]
    assert pretrain_encoder(["--data", str(store), "--out", str(encoder), *typed, *loop]) == 0
    assert train(store, tmp_path / "adapter", str(encoder)) == 2
    assert refused in _line(capsys)
    assert not (tmp_path / "adapter").exists()


def test_nothing_of_a_foundation_encoder_is_trained_with_the_bridge(store, tmp_path):
    weights = str(save_tiny(tmp_path / "weights"))
    words = ["--new-encoder.encoder.weights", weights, "--train-encoder", "true"]
    assert train(store, tmp_path / "adapter", "tiny", *words) == 0
    before = load_file(Path(weights) / "model.safetensors")
    adapter = SensorAdapter.load(tmp_path / "adapter")
    held = adapter.encoder.backbone._module[0].state_dict()
    assert all(torch.equal(held[name], value) for name, value in before.items())


def test_a_layer_behind_a_foundation_encoder_is_pretrained_and_finetuned(store, tmp_path):
    words = ["--encoder.kind", "tiny", "--encoder.width", "16", "--finetune", "true"]
    words += ["--encoder.weights", str(save_tiny(tmp_path / "weights"))]
    words += [f"--{stage}-loop.epochs=1" for stage in ("pretrain", "finetune")]
    words += [f"--{stage}-loop.min-steps=0" for stage in ("pretrain", "finetune")]
    out = tmp_path / "encoder"
    assert pretrain_encoder(["--data", str(store), "--out", str(out), *words]) == 0
    encoder = SignalEncoder.from_pretrained(out)
    assert encoder.modalities[0].outputs.weight.shape == (16, 8)
    assert train(store, tmp_path / "adapter", str(out)) == 0


def test_the_list_of_encoders_names_the_words():
    texts = catalogue.describe_kinds()
    assert texts["mantis"].endswith("paris-noah/Mantis-8M; pip install 'sensor2llm[mantis]'")
    assert texts["tiny"] == "registered by a package"
    assert "uci-har-encoder" in texts


def _unused(caplog) -> list[str]:
    messages = [message for message in caplog.messages if "does not take" in message]
    caplog.clear()
    return messages


def _line(capsys) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]
