"""The soft prompt: where it starts, and PEFT's files."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.peft_files import CONFIG_FILE, WEIGHTS_FILE
from sensor2llm.llm.tuning.soft_prompt import SoftPrompt
from tests.llm.tiny import tiny_folder


@pytest.fixture(scope="module")
def llm() -> FrozenLLM:
    return FrozenLLM.load(str(tiny_folder("gemma")), dtype="float32")


def start(llm: FrozenLLM, seed: int = 0, **options) -> torch.Tensor:
    return SoftPrompt.start(SoftPromptConfig(**options), llm, seed).vectors.detach()


def embedded(llm: FrozenLLM, ids: list[int]) -> torch.Tensor:
    return llm.model.get_input_embeddings()(torch.tensor(ids)).detach()


def test_random_vectors_have_the_scale_of_the_embeddings(llm):
    vectors = start(llm, tokens=64, init="random")
    assert vectors.shape == (64, llm.width)
    assert float(vectors.std()) == pytest.approx(llm.embedding_std, rel=0.1)


def test_vocabulary_vectors_are_embeddings_of_tokens(llm):
    table = embedded(llm, list(range(llm.vocabulary)))
    for vector in start(llm, tokens=5, init="vocabulary"):
        assert (table == vector).all(dim=1).any()


def test_a_text_is_repeated_or_cut_to_the_number_of_tokens(llm):
    ids = llm.encode("walking or")
    assert len(ids) > 1
    wanted = embedded(llm, (ids * 9)[:9])
    assert torch.equal(start(llm, tokens=9, init="text", text="walking or"), wanted)
    assert torch.equal(start(llm, tokens=1, init="text", text="walking or"), wanted[:1])


@pytest.mark.parametrize("init", ["random", "vocabulary"])
def test_a_seed_decides_the_start(llm, init):
    assert torch.equal(start(llm, 3, init=init), start(llm, 3, init=init))
    assert not torch.equal(start(llm, 3, init=init), start(llm, 4, init=init))


def test_each_row_of_a_batch_gets_the_same_vectors():
    prompt = SoftPrompt(torch.randn(4, 6))
    assert torch.equal(prompt(3)[2], prompt.vectors)


def test_round_trip(tmp_path):
    prompt = SoftPrompt(torch.randn(4, 6))
    prompt.save_peft(tmp_path, "bundled")
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]
    assert torch.equal(SoftPrompt.load_peft(tmp_path, width=6).vectors, prompt.vectors)
    assert json.loads((tmp_path / CONFIG_FILE).read_text())["base_model_name_or_path"] == "bundled"


# PEFT asks transformers for an attribute under its old name.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_the_files_are_those_that_peft_writes_and_reads(llm, tmp_path):
    import peft

    prompt = SoftPrompt.start(SoftPromptConfig(tokens=5), llm)
    prompt.save_peft(tmp_path / "ours", "bundled", llm.model.config)
    fresh = FrozenLLM.load(str(tiny_folder("gemma")), dtype="float32").model
    read = peft.PeftModel.from_pretrained(fresh, str(tmp_path / "ours"))
    assert torch.equal(read.prompt_encoder["default"].embedding.weight, prompt.vectors)

    read.save_pretrained(str(tmp_path / "theirs"), save_embedding_layers=False)
    ours, theirs = (
        json.loads((tmp_path / d / CONFIG_FILE).read_text()) for d in ("ours", "theirs")
    )
    assert ours == theirs
    ours, theirs = (load_file(tmp_path / d / WEIGHTS_FILE) for d in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    assert torch.equal(SoftPrompt.load_peft(tmp_path / "theirs").vectors, prompt.vectors)


def test_broken_files_are_said(tmp_path):
    with pytest.raises(ArtefactError, match=r"adapter_config\.json is missing"):
        SoftPrompt.load_peft(tmp_path)
    SoftPrompt(torch.randn(4, 6)).save_peft(tmp_path, "bundled")
    with pytest.raises(ArtefactError, match=r"is 6 wide and the language model's.*are 8 wide"):
        SoftPrompt.load_peft(tmp_path, width=8)

    whole = (tmp_path / WEIGHTS_FILE).read_bytes()
    (tmp_path / WEIGHTS_FILE).write_bytes(whole[:-8])
    with pytest.raises(ArtefactError, match="is broken"):
        SoftPrompt.load_peft(tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(ArtefactError, match="expected the tensors of a soft prompt"):
        SoftPrompt.load_peft(tmp_path)
    save_file({"prompt_embeddings": torch.zeros(3, 6)}, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ArtefactError, match=r"\(3, 6\).*says \(4, 6\)"):
        SoftPrompt.load_peft(tmp_path)
    save_file({"other": torch.zeros(4, 6)}, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ArtefactError, match=r"holds \['other'\]"):
        SoftPrompt.load_peft(tmp_path)


def test_other_configurations_are_said(tmp_path):
    (tmp_path / CONFIG_FILE).write_text('{"peft_type": "LORA"}')
    with pytest.raises(ArtefactError, match="LORA; expected PROMPT_TUNING"):
        SoftPrompt.load_peft(tmp_path)
    (tmp_path / CONFIG_FILE).write_text("{")
    with pytest.raises(ArtefactError, match="no PEFT configuration"):
        SoftPrompt.load_peft(tmp_path)


def test_impossible_starts_are_said(llm):
    with pytest.raises(ConfigError, match="at least one token, got 0"):
        start(llm, tokens=0)
    with pytest.raises(ConfigError, match="0 or more, got -1"):
        SoftPromptConfig(tokens=-1)
    with pytest.raises(ConfigError, match="unknown soft prompt init 'words'"):
        SoftPromptConfig(init="words")
    with pytest.raises(ConfigError, match="needs a text"):
        SoftPromptConfig(init="text")
