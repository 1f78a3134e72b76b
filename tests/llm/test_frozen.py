"""The frozen language model: any family, its template, its identity, and every bad name."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sensor2llm.errors import ModelError
from sensor2llm.llm.catalogue import location
from sensor2llm.llm.catalogue.location import locate
from sensor2llm.llm.chat import SIGNAL, SOFT
from sensor2llm.llm.checkpoint import choose_dtype
from sensor2llm.llm.checks import identity
from sensor2llm.llm.frozen import FrozenLLM
from tests.llm.tiny import END_OF_TURN, FAMILIES, tiny_folder

ASKED = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": f"{SOFT * 2}{SIGNAL * 3}\nActivity?"},
]
KINDS = [(family, chat) for family in FAMILIES for chat in (True, False)]
each_kind = pytest.mark.parametrize(("family", "chat"), KINDS)


def load(family: str, chat: bool = True, **options) -> FrozenLLM:
    return FrozenLLM.load(str(tiny_folder(family, chat)), **{"dtype": "float32"} | options)


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    """Give a copy of a folder, to break."""
    return Path(shutil.copytree(tiny_folder("llama"), tmp_path / "llama"))


@each_kind
def test_every_family_loads_frozen(family, chat):
    llm = load(family, chat)
    assert not llm.model.training
    assert not any(parameter.requires_grad for parameter in llm.model.parameters())
    assert llm.name == f"{family}-{'chat' if chat else 'base'}"
    assert (llm.dtype, llm.device.type) == (torch.float32, "cpu")


@each_kind
def test_placeholders_are_single_tokens_beyond_the_models_own(family, chat):
    llm = load(family, chat)
    ids = llm.encode(llm.render(ASKED))
    assert (ids.count(llm.soft_id), ids.count(llm.signal_id)) == (2, 3)
    assert min(llm.soft_id, llm.signal_id) >= llm.vocabulary
    vectors = llm.embed(torch.tensor([ids]))
    assert vectors.shape == (1, len(ids), llm.width)
    assert vectors.isfinite().all()


@each_kind
def test_text_begins_once(family, chat):
    llm = load(family, chat)
    bos = llm.tokenizer.bos_token_id
    ids = llm.encode(llm.render(ASKED))
    wanted = family in ("llama", "gemma", "mistral", "opt")
    assert (ids[0] == bos) == wanted
    if bos != llm.end_of_turn_id:
        assert ids.count(bos) == int(wanted)


@each_kind
def test_an_answer_continues_the_prompt_and_ends_its_turn(family, chat):
    llm = load(family, chat)
    prompt = llm.render(ASKED)
    ids = llm.answer_ids(prompt, "walking upstairs")
    assert llm.tokenizer.decode(ids[:-1]).strip() == "walking upstairs"
    end = END_OF_TURN.get(family, "<|im_end|>") if chat else llm.tokenizer.eos_token
    assert llm.tokenizer.convert_ids_to_tokens(ids[-1]) == end
    whole = llm.render([*ASKED, {"role": "assistant", "content": "walking upstairs"}], False)
    assert llm.encode(whole)[: len(llm.encode(prompt)) + len(ids)] == llm.encode(prompt) + ids


def test_a_system_message_that_the_template_refuses_goes_in_front_of_the_users():
    text = load("gemma").render(ASKED)
    assert text.startswith(f"<bos><start_of_turn>user\nBe short.\n\n{SOFT}")


def test_a_reasoning_model_is_told_not_to_think():
    assert load("qwen3").render(ASKED).endswith("<think>\n\n</think>\n\n")


def test_a_base_model_gets_a_plain_template():
    text = load("gpt2", chat=False).render(ASKED)
    assert text == f"Be short.\nUser: {SOFT * 2}{SIGNAL * 3}\nActivity?\nAssistant:"


def test_a_conversation_that_the_template_refuses_is_an_error():
    with pytest.raises(ModelError, match="refuses a conversation of user, tool"):
        load("llama").render([{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}])


def test_an_answer_whose_first_letters_merge_with_the_prompt_leaves_the_prompt_alone():
    llm = load("gpt2", chat=False)
    assert llm.answer_ids("walk", "ing")[-1] == llm.end_of_turn_id


def test_the_scale_of_the_embeddings_is_that_of_what_is_embedded():
    llm = load("gemma")
    table = llm.model.get_input_embeddings().weight[: llm.vocabulary]
    wanted = float(table.std() * llm.width**0.5)
    assert llm.embedding_std == pytest.approx(wanted, rel=1e-3)


def test_the_fingerprint_sees_one_changed_number():
    llm = load("llama")
    before = llm.fingerprint()
    assert before == load("llama").fingerprint()
    assert before.startswith("sha256:")
    llm.model.model.layers[1].mlp.up_proj.weight.data[3, 3] += 1e-4
    assert llm.fingerprint() != before


def test_the_fingerprint_outlives_a_gradient_to_the_inputs():
    llm = load("llama")
    before = llm.fingerprint()
    inputs = llm.embed(torch.tensor([[1, 2, 3]])).requires_grad_()
    llm.model(inputs_embeds=inputs).logits.sum().backward()
    assert inputs.grad.abs().sum() > 0
    assert llm.fingerprint() == before


def test_the_identity_does_not_depend_on_the_type_that_is_loaded():
    single, half = load("llama"), load("llama", dtype="bfloat16")
    assert half.dtype == torch.bfloat16
    assert single.identity == half.identity
    assert single.fingerprint() != half.fingerprint()
    assert single.identity != load("mistral").identity


def test_the_identity_is_the_same_in_shards_and_in_bin_files(llama):
    whole = identity.stored_identity(llama)
    tensors = load_file(llama / "model.safetensors")
    (llama / "model.safetensors").unlink()
    torch.save(tensors, llama / "pytorch_model.bin")
    assert identity.stored_identity(llama) == whole

    (llama / "pytorch_model.bin").unlink()
    shards = {name: f"part-{number % 2}.safetensors" for number, name in enumerate(tensors)}
    for shard in set(shards.values()):
        part = {name: tensors[name] for name, where in shards.items() if where == shard}
        save_file(part, llama / shard, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": shards}
    (llama / "model.safetensors.index.json").write_text(json.dumps(index))
    assert identity.stored_identity(llama) == whole
    assert FrozenLLM.load(str(llama)).identity == whole.current


def test_the_identity_sees_weights_and_architecture_but_not_bookkeeping(llama):
    before = identity.stored_identity(llama)
    config = json.loads((llama / "config.json").read_text())
    (llama / "config.json").write_text(json.dumps(config | {"transformers_version": "9"}))
    assert identity.stored_identity(llama) == before
    (llama / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.1}))
    assert identity.stored_identity(llama) != before


def test_random_weights_are_another_model_from_the_same_architecture(llama):
    (llama / "model.safetensors").unlink()
    drawn = FrozenLLM.load(str(llama), random_weights=True, seed=1)
    again = FrozenLLM.load(str(llama), random_weights=True, seed=1)
    other = FrozenLLM.load(str(llama), random_weights=True, seed=2)
    assert drawn.fingerprint() == again.fingerprint() != other.fingerprint()
    assert drawn.identity == again.identity != other.identity
    assert drawn.identity != load("llama").identity
    assert drawn.width == load("llama").width


@pytest.mark.parametrize("quantization", ["8bit", "4bit"])
@pytest.mark.filterwarnings("ignore::FutureWarning:bitsandbytes")
def test_quantised_weights_pass_gradients_and_stay_frozen(quantization, capfd):
    llm = load("llama", quantization=quantization)
    before = llm.fingerprint()
    inputs = llm.embed(torch.tensor([[1, 2, 3]])).detach().requires_grad_()
    llm.model(inputs_embeds=inputs).logits.float().sum().backward()
    assert inputs.grad.abs().sum() > 0
    assert llm.fingerprint() == before != load("llama").fingerprint()
    assert llm.identity == load("llama").identity
    assert capfd.readouterr().err == ""


def test_ids_that_are_no_token_are_suppressed(llama):
    config = json.loads((llama / "config.json").read_text())
    tensors = load_file(llama / "model.safetensors")
    rows = config["vocab_size"]
    padded = {
        name: torch.cat([value, torch.ones(6, value.shape[1])]) if len(value) == rows else value
        for name, value in tensors.items()
    }
    save_file(padded, llama / "model.safetensors", metadata={"format": "pt"})
    (llama / "config.json").write_text(json.dumps(config | {"vocab_size": rows + 6}))
    llm = FrozenLLM.load(str(llama))
    assert llm.suppressed_ids == list(range(rows, rows + 6))
    assert {llm.soft_id, llm.signal_id} <= set(llm.suppressed_ids)
    pads = llm.embed(torch.tensor([[llm.pad_id, llm.soft_id, llm.signal_id, 10**6]]))
    assert torch.equal(pads[0, 1:], pads[0, :1].expand(3, -1))
    assert load("llama").suppressed_ids == []


def test_eager_attention_can_be_asked_for():
    ids = torch.tensor([[1, 2, 3]])
    logits = [
        load("llama", attention=kind).model(input_ids=ids).logits for kind in ("sdpa", "eager")
    ]
    torch.testing.assert_close(*logits, atol=1e-5, rtol=1e-5)


def test_auto_takes_bfloat16_only_where_the_cpu_computes_in_it(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert choose_dtype("auto", cpu) == torch.bfloat16
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    assert choose_dtype("auto", cpu) == torch.float32
    assert choose_dtype("float16", cpu) == torch.float16
    with pytest.raises(ModelError, match="unknown dtype 'half'; choose from auto, float32"):
        choose_dtype("half", cpu)


def test_loading_says_nothing_on_stderr(capfd):
    load("llama")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["no-such-owner/no-such-model", "nosuchmodel"])
def test_an_unknown_hub_name_without_a_connection_is_one_clear_line(name):
    with pytest.raises(ModelError, match=f"cannot load the language model '{name}'") as error:
        FrozenLLM.load(name)
    assert "\n" not in str(error.value)
    assert "the hub, which needs a connection" in str(error.value)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", ""])
def test_a_name_that_is_neither_folder_nor_hub_name_is_said(name):
    with pytest.raises(ModelError, match=f"no language model at '{name}'"):
        locate(name)


def test_folders_that_are_no_language_model_are_said(llama, monkeypatch, tmp_path):
    (llama / "model.safetensors").rename(llama / "weights")
    with pytest.raises(ModelError, match=r"no weights: expected model\.safetensors"):
        locate(str(llama))
    (llama / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer: expected one of tokenizer\.json"):
        locate(str(llama))
    (llama / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no config\.json"):
        locate(str(llama))
    monkeypatch.setattr(location, "BUNDLED", tmp_path / "none")
    with pytest.raises(ModelError, match="no bundled language model"):
        locate("bundled")


def test_a_missing_shard_is_named(llama):
    (llama / "model.safetensors").unlink()
    index = {"weight_map": {"a": "part-1.safetensors"}}
    (llama / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"expected part-1\.safetensors"):
        locate(str(llama))


def test_broken_weights_are_said(llama):
    path = llama / "model.safetensors"
    tensors = load_file(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot load"):
        FrozenLLM.load(str(llama))
    with pytest.raises(ModelError, match="cannot be read"):
        identity.stored_identity(llama)
    tensors.pop("model.norm.weight")
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"incomplete: model\.norm\.weight"):
        FrozenLLM.load(str(llama))


def test_integer_weights_without_their_scale_are_refused(llama):
    path = llama / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"] = tensors["lm_head.weight"].to(torch.int8)
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lm_head\.weight .* is stored as I8"):
        FrozenLLM.load(str(llama))


@pytest.mark.parametrize("name", ["stories260K", "babyllama-tok105-940K"])
def test_foreign_weights_with_a_sentencepiece_file_load(shared, name):
    llm = FrozenLLM.load(str(shared / "lm" / name), dtype="float32")
    ids = llm.encode("Once upon a time, there was a little girl")
    with torch.no_grad():
        logits = llm.model(inputs_embeds=llm.embed(torch.tensor([ids]))).logits
    loss = torch.nn.functional.cross_entropy(logits[0, :-1], torch.tensor(ids[1:]))
    assert loss < 2.5
