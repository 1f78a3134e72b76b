"""Folders that are no causal language model, or part of one, are refused in one line each."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import constants

from benchmarks.robustness.llm_layouts import LAYOUTS
from benchmarks.robustness.llm_zoo import build
from sensor2llm.artefacts import hub
from sensor2llm.artefacts.manifest import find_folder
from sensor2llm.errors import ArtefactError, ModelError, UserError
from sensor2llm.llm.catalogue.location import locate
from sensor2llm.llm.frozen import FrozenLLM

ROWS = {layout.name: layout for layout in LAYOUTS}
REFUSED = {
    "encoder-decoder: t5": r"\(t5\) is an encoder-decoder model; give a causal \(decoder-only\)",
    "encoder-decoder: bart": r"\(bart\) is an encoder-decoder model; give a causal",
    "masked: distilbert": r"\(distilbert\) is no causal language model: transformers has none",
    "a PEFT adapter only": r"its folder holds a PEFT adapter only; merge it into its base model",
    "a GGUF file only": r"'model-Q4_1\.gguf' is no GGUF file: it does not begin with GGUF",
    "Git LFS pointer: weights": r"model\.safetensors in .* is a Git LFS pointer, .* `git lfs pull`",
    "Git LFS pointer: tokenizer": r"tokenizer\.json in .* is a Git LFS pointer",
    "own code: model": r"needs code of its own, which is not run; give a model",
    "own code: tokenizer": r"needs code of its own, which is not run; give a model",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_causal_language_model_is_one_line(name, tmp_path, capfd):
    folder = tmp_path / "model"
    ROWS[name].build(folder)
    capfd.readouterr()
    with pytest.raises(ModelError, match=REFUSED[name]) as error:
        FrozenLLM.load(str(folder), dtype="float32")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) <= 300
    assert capfd.readouterr().err == ""
    assert not list(folder.glob("was_run"))


def test_own_code_is_not_run_whatever_is_typed(tmp_path):
    folder = tmp_path / "model"
    ROWS["own code: model"].build(folder)
    script = (
        "from sensor2llm.errors import run_verb\n"
        "from sensor2llm.llm.frozen import FrozenLLM\n"
        f"raise SystemExit(run_verb(lambda: FrozenLLM.load({str(folder)!r})))"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], input="y\ny\ny\n", capture_output=True, text=True
    )
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr.count("\n") == 1
    assert "needs code of its own" in process.stderr
    assert not (folder / "was_run").exists()


def test_own_code_of_a_random_weight_control_is_not_run_either(tmp_path):
    folder = tmp_path / "model"
    ROWS["own code: model"].build(folder)
    with pytest.raises(ModelError, match="needs code of its own"):
        FrozenLLM.load(str(folder), random_weights=True)
    assert not (folder / "was_run").exists()


def test_a_file_in_place_of_a_folder_is_said(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"x\.bin' is a file; give a GGUF file, or a folder with"):
        locate(str(tmp_path / "x.bin"))


def test_a_gguf_beside_a_configuration_is_said(tmp_path):
    folder = build("llama", tmp_path / "llama")
    (folder / "model.safetensors").rename(folder / "model.gguf")
    line = r"has no weights: expected model\.safetensors, or give its GGUF file: '.*/model\.gguf'"
    with pytest.raises(ModelError, match=line):
        locate(str(folder))


def test_spaces_stay_as_the_tokens_have_them(tmp_path, capfd):
    folder = build("gpt2", tmp_path / "gpt2", tokenizer={"clean_up_tokenization_spaces": True})
    assert json.loads((folder / "tokenizer_config.json").read_text())[
        "clean_up_tokenization_spaces"
    ]
    capfd.readouterr()
    llm = FrozenLLM.load(str(folder), dtype="float32")
    text = "It did n't rest . Is it 0.5 , or not ?"
    assert llm.tokenizer.decode(llm.encode(text)) == text
    assert capfd.readouterr().err == ""


def no_tokenizer(name: str) -> Path:
    from tokenization_study.tokenizers.places import hub_file

    return hub_file(name)


@pytest.fixture
def silent_hub(monkeypatch):
    """Put a hub in place that takes a connection and says nothing, as some networks do."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub, "ANSWERS_WITHIN_S", 1.0)
        hub._answers.cache_clear()
        yield
        hub._answers.cache_clear()


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda: FrozenLLM.load("no-such-owner/no-such-model"), ModelError),
        (lambda: FrozenLLM.load("nosuchmodel"), ModelError),
        (lambda: find_folder("no-such-owner/adapter", {"adapter": ["*.json"]}), ArtefactError),
        (lambda: no_tokenizer("no-such-owner/tokenizer"), ModelError),
    ],
)
def test_a_hub_that_does_not_answer_is_one_line_within_seconds(ask, error, silent_hub, capfd):
    started = time.monotonic()
    with pytest.raises(error) as raised:
        ask()
    assert time.monotonic() - started < 10
    assert isinstance(raised.value, UserError)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) <= 300
    assert capfd.readouterr().err == ""
    assert constants.HF_HUB_OFFLINE is False


def test_where_the_hub_is_switched_off_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "_answers", lambda minute: pytest.fail("the hub was asked"))
    with hub.offline_if_unreachable():
        assert constants.HF_HUB_OFFLINE is True


def test_a_hub_that_answers_is_used(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_answers", lambda minute: True)
    with hub.offline_if_unreachable():
        assert constants.HF_HUB_OFFLINE is False
