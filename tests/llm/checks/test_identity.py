"""Which language model it is: all that changes what it says, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.errors import ArtefactError, ModelError
from sensor2llm.llm.catalogue.entries import BUNDLED
from sensor2llm.llm.checks.identity import (
    Identity,
    random_identity,
    refuse_unknown_quantisation,
    stored_identity,
    weight_files,
)
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel
from tests.llm.tiny import tiny_folder
from tests.models import small_adapter, windows

# PEFT 0.21 reads a property that transformers 5.24 is about to rename.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
RELEASED = Path(__file__).resolve().parents[3] / "adapters"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Give a copy of a language model's folder, to change."""
    return Path(shutil.copytree(tiny_folder("qwen2"), tmp_path / "llm"))


def edit(path: Path, **changes) -> None:
    content = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(content | changes))


def add_lora(folder: Path, seed: int = 0) -> None:
    """Put a PEFT adapter that changes every answer into a model's folder."""
    torch.manual_seed(seed)
    (folder / "adapter_config.json").unlink(missing_ok=True)
    model = AutoModelForCausalLM.from_pretrained(folder)
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(folder)


def add_token(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    first, second, *rest = content["model"]["merges"]
    content["model"]["merges"] = [second, first, *rest]
    path.write_text(json.dumps(content))


def turn_round(path: Path) -> None:
    """Write the same settings in another order."""
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))))


def as_bin(folder: Path) -> None:
    """Write the same weights in the older format."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def append(path: Path, text: str = "!") -> None:
    path.write_text(path.read_text() + text)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: edit(f / "config.json", rms_norm_eps=0.1),
        lambda f: append(f / "chat_template.jinja"),
        lambda f: (f / "chat_template.jinja").unlink(),
        lambda f: edit(f / "tokenizer_config.json", clean_up_tokenization_spaces=True),
        lambda f: edit(f / "tokenizer_config.json", eos_token="<|im_end|>"),
        lambda f: edit(f / "special_tokens_map.json", eos_token="<|im_end|>"),
        lambda f: edit(f / "added_tokens.json", new=7),
        lambda f: edit(f / "generation_config.json", no_repeat_ngram_size=2),
        add_token,
        add_lora,
    ],
    ids=["configuration", "template", "no template", "spaces", "end", "special", "added",
         "generation", "merges", "PEFT adapter"],
)  # fmt: skip
def test_whatever_changes_what_it_says_changes_the_identity(folder, change):
    before = stored_identity(folder)
    change(folder)
    assert stored_identity(folder).current != before.current
    drawn = random_identity(tiny_folder("qwen2"), 0).current
    if change is not add_lora:  # random weights: a PEFT adapter is not loaded
        assert random_identity(folder, 0).current != drawn


@pytest.mark.parametrize(
    "change",
    [
        lambda f: edit(f / "config.json", transformers_version="9"),
        lambda f: [turn_round(path) for path in f.glob("*config.json")],
        lambda f: edit(f / "tokenizer_config.json", name_or_path="/elsewhere"),
        lambda f: edit(f / "generation_config.json", transformers_version="9"),
        lambda f: (f / "README.md").write_text("# Mine"),
        as_bin,
        lambda f: (f / "vocab.json").write_text("{}"),
    ],
    ids=[
        "version",
        "order",
        "place",
        "version of generation",
        "card",
        "weights as .bin",
        "older vocabulary",
    ],
)
def test_bookkeeping_does_not(folder, change):
    before = stored_identity(folder)
    change(folder)
    assert stored_identity(folder) == before


def test_how_a_peft_adapters_settings_are_written_is_bookkeeping(folder):
    add_lora(folder)
    before = stored_identity(folder)
    path = folder / "adapter_config.json"
    turn_round(path)
    assert stored_identity(folder) == before
    edit(path, lora_alpha=99)
    assert stored_identity(folder) != before


def test_weights_that_are_missing_or_broken_are_named(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError) as caught:
        stored_identity(folder)
    assert str(caught.value).startswith(f"the weights in {folder} cannot be read (")
    assert str(caught.value).endswith("); download them again")
    weights.unlink()
    with pytest.raises(ModelError) as caught:
        stored_identity(folder)
    assert str(caught.value) == f"{folder} has no weights; expected model.safetensors there"


class Payload:
    """Leave a mark where code of a file of weights is run."""

    def __reduce__(self):
        return (Path("ran").touch, ())


def test_no_code_of_a_file_of_weights_is_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "model.safetensors").unlink()
    torch.save({"lm_head.weight": Payload()}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError) as caught:
        stored_identity(folder)
    assert str(caught.value) == (
        f"the weights in {folder} hold more than tensors, or are broken; no code of theirs is "
        "run: take them as safetensors"
    )
    assert not Path("ran").exists()


def test_a_template_is_the_same_wherever_it_lies(folder):
    before = stored_identity(folder)
    file = folder / "chat_template.jinja"
    edit(folder / "tokenizer_config.json", chat_template=file.read_text())
    file.unlink()
    assert stored_identity(folder) == before
    more = folder / "additional_chat_templates"
    more.mkdir()
    (more / "tool_use.jinja").write_text("{{ tools }}")
    assert stored_identity(folder) != before


def test_without_tokenizer_json_its_older_files_count(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text('{"a": 0}')
    before = stored_identity(folder)
    (folder / "vocab.json").write_text('{"a": 1}')
    assert stored_identity(folder) != before


def test_another_peft_adapter_is_another_language_model(folder, caplog):
    plain = FrozenLLM.load(str(folder), dtype="float32")
    adapter = small_adapter(plain)  # the identity is read when it is first asked for
    assert not caplog.messages
    add_lora(folder)
    one = FrozenLLM.load(str(folder), dtype="float32")
    changed = one.identity
    line = f"a PEFT adapter lies in '{folder}': it is part of this language model"
    assert caplog.messages == [line]
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        assert not torch.allclose(one.model(ids).logits, plain.model(ids).logits)
    add_lora(folder, seed=1)
    other = FrozenLLM.load(str(folder), dtype="float32")
    assert len({plain.identity, changed, other.identity}) == 3
    for llm in (one, other):
        with pytest.raises(ArtefactError, match="is trained for the LLM 'llm' "):
            SensorLanguageModel(adapter, llm)


def test_an_adapter_of_the_first_format_names_weights_and_configuration_alone(folder):
    """They cannot tell more, but a PEFT adapter in the folder is another model's weights."""
    old = stored_identity(folder).first
    append(folder / "chat_template.jinja")
    llm = FrozenLLM.load(str(folder), dtype="float32")
    assert llm.matches(old)
    assert SensorLanguageModel(small_adapter(llm, llm_identity=old), llm).score(windows(1)).sum()
    assert llm.matches(llm.identity)
    assert not llm.matches(stored_identity(tiny_folder("qwen2")).current)
    add_lora(folder)
    assert stored_identity(folder).first is None
    changed = FrozenLLM.load(str(folder), dtype="float32")
    assert not changed.matches(old)


@pytest.mark.parametrize(
    "name", ["uci-har-bundled", "uci-har-questions-bundled", "wisdm-watch-bundled"]
)
def test_released_adapters_know_the_bundled_model(name):
    stated = SensorAdapter.load(RELEASED / name).llm_identity
    bundled = stored_identity(BUNDLED)
    assert stated == bundled.first != bundled.current
    assert bundled.matches(stated)


def test_an_identity_without_an_older_form_matches_itself_alone():
    assert Identity("a").matches("a")
    assert not Identity("a").matches("b")


@pytest.mark.parametrize("save", [save_file, torch.save])
def test_weights_in_shards_are_the_weights_in_one_file(folder, save):
    single = stored_identity(folder)
    kind = {save_file: "model{}.safetensors", torch.save: "pytorch_model{}.bin"}[save]
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    halves = [dict(list(tensors.items())[first::2]) for first in (0, 1)]
    names = [kind.format(f"-0000{i}-of-00002") for i in (1, 2)]
    for name, half in zip(names, halves, strict=True):
        save(half, folder / name)
    of = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    (folder / (kind.format("") + ".index.json")).write_text(json.dumps({"weight_map": of}))
    assert weight_files(folder) == [folder / name for name in names]
    assert stored_identity(folder) == single


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (torch.int8, "I8"),
        (torch.uint8, "U8"),
        (torch.float8_e4m3fn, "F8_E4M3"),
        (torch.float8_e5m2, "F8_E5M2"),
    ],
)
def test_weights_of_eight_bits_need_a_configuration_that_explains_them(folder, dtype, kind):
    refuse_unknown_quantisation(folder)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {"steps": torch.zeros(2).to(dtype)}, path)
    refuse_unknown_quantisation(folder)
    save_file(tensors | {"a.weight": torch.zeros(2).to(dtype)}, path)
    with pytest.raises(ModelError) as caught:
        refuse_unknown_quantisation(folder)
    assert str(caught.value) == (
        f"a.weight in model.safetensors is stored as {kind} and config.json has no "
        "quantization_config, so its scale is unknown; use unquantised weights"
    )
    edit(folder / "config.json", quantization_config={})
    refuse_unknown_quantisation(folder)
