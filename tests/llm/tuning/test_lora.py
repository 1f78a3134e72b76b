"""LoRA: PEFT's numbers from outside the LLM, PEFT's files, and every error."""

import copy
import json

import peft
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from sensor2llm.errors import ArtefactError, ConfigError, ModelError
from sensor2llm.llm.config import LowRankConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.hooks import active
from sensor2llm.llm.tuning.linear_maps import linear_maps
from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.llm.tuning.peft_files import CONFIG_FILE, WEIGHTS_FILE
from tests.llm.tiny import FAMILIES, tiny_folder

IDS = torch.tensor([[5, 9, 33, 2, 17], [4, 8, 12, 90, 1]])

# PEFT asks transformers for an attribute under its old name.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:bitsandbytes"),
]


def load(family: str = "llama", **options) -> FrozenLLM:
    return FrozenLLM.load(str(tiny_folder(family)), **{"dtype": "float32"} | options)


@pytest.fixture(scope="module")
def llama() -> FrozenLLM:
    return load()


def started(llm: FrozenLLM, seed: int = 0, **options) -> LoraWeights:
    return LoraWeights.start(LowRankConfig(**{"rank": 4} | options), llm, seed).eval()


def trained(llm: FrozenLLM, **options) -> LoraWeights:
    """Give LoRA whose B is not zero any more."""
    lora = started(llm, **options)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weights in lora.up.values():
            weights.copy_(0.1 * torch.randn(weights.shape, generator=generator))
    return lora


@torch.no_grad()
def logits(model, lora: LoraWeights | None = None, llm: FrozenLLM | None = None) -> torch.Tensor:
    with active(lora.hooks(llm) if lora else []):
        return model(input_ids=IDS).logits


def with_peft(llm: FrozenLLM, folder) -> torch.Tensor:
    return logits(peft.PeftModel.from_pretrained(copy.deepcopy(llm.model), str(folder)).eval())


@pytest.mark.parametrize("family", FAMILIES)
def test_peft_gives_the_same_logits_from_the_same_files(family, tmp_path):
    llm = load(family)
    lora = trained(llm)
    lora.save_peft(tmp_path, "bundled")
    ours = logits(llm.model, lora, llm)
    assert torch.equal(ours, with_peft(llm, tmp_path))
    assert torch.equal(ours, logits(llm.model, LoraWeights.load_peft(tmp_path), llm))
    assert float((ours - logits(llm.model)).abs().max()) > 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_family_decides_what_is_changed_as_in_peft(family):
    llm = load(family)
    theirs = peft.get_peft_model(copy.deepcopy(llm.model), peft.LoraConfig(r=4, **conv(family)))
    names = {
        name.removeprefix("base_model.model.").removesuffix(".lora_A.default")
        for name, _ in theirs.named_modules()
        if name.endswith(".lora_A.default")
    }
    lora = started(llm)
    assert set(lora.names) == names
    wanted = sum(p.numel() for p in theirs.parameters() if p.requires_grad)
    assert sum(p.numel() for p in lora.parameters()) == wanted


def conv(family: str) -> dict[str, bool]:
    return {"fan_in_fan_out": family == "gpt2"}


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"target_modules": "all-linear"},
        {"layers_to_transform": [1]},
        {"exclude_modules": r".*\.0\..*"},
    ],
)
def test_what_peft_trained_is_read_and_written_again(family, options, tmp_path):
    llm = load(family)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = peft.LoraConfig(r=3, lora_alpha=5, **conv(family), **options)
        theirs = peft.get_peft_model(copy.deepcopy(llm.model), config)
    weights = [p for p in theirs.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(weights, lr=1)
    for _ in range(2):
        optimiser.zero_grad()
        theirs(input_ids=IDS, labels=IDS).loss.backward()
        optimiser.step()
    theirs.save_pretrained(str(tmp_path / "theirs"), save_embedding_layers=False)
    wanted = logits(theirs.eval())
    assert float((wanted - logits(llm.model)).abs().max()) > 1e-3

    lora = LoraWeights.load_peft(tmp_path / "theirs").eval()
    assert torch.equal(logits(llm.model, lora, llm), wanted)
    lora.save_peft(tmp_path / "again", "bundled")
    assert torch.equal(with_peft(llm, tmp_path / "again"), wanted)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_files_are_those_that_peft_writes(family, tmp_path):
    llm = load(family)
    trained(llm, dropout=0.1).save_peft(tmp_path / "ours", "bundled")
    read = peft.PeftModel.from_pretrained(copy.deepcopy(llm.model), str(tmp_path / "ours"))
    read.save_pretrained(str(tmp_path / "theirs"), save_embedding_layers=False)
    ours, theirs = (
        json.loads((tmp_path / d / CONFIG_FILE).read_text()) for d in ("ours", "theirs")
    )
    assert sorted(ours.pop("target_modules")) == sorted(theirs.pop("target_modules"))
    assert ours == theirs
    assert ours["base_model_name_or_path"] == "bundled"
    ours, theirs = (load_file(tmp_path / d / WEIGHTS_FILE) for d in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_round_trip(llama, tmp_path):
    lora = trained(llama, alpha=7.5, dropout=0.25, modules=("up_proj", "o_proj"))
    lora.save_peft(tmp_path, "bundled")
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]
    again = LoraWeights.load_peft(tmp_path)
    assert (again.rank, again.alpha, again.dropout) == (4, 7.5, 0.25)
    assert set(again.targets) == {"up_proj", "o_proj"}
    assert set(again.names) == set(lora.names)
    assert again.state_dict().keys() == lora.state_dict().keys()
    assert all(
        torch.equal(again.state_dict()[key], lora.state_dict()[key]) for key in lora.state_dict()
    )


def test_a_pattern_among_pefts_defaults_is_followed(llama, monkeypatch, tmp_path):
    pattern = r".*layers\.1\..*\.(q_proj|v_proj)"
    monkeypatch.setitem(
        peft.utils.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING, "llama", pattern
    )
    lora = trained(llama)
    assert lora.names == tuple(f"model.layers.1.self_attn.{name}_proj" for name in "qv")
    lora.save_peft(tmp_path, "bundled")
    assert LoraWeights.load_peft(tmp_path).targets == pattern
    assert torch.equal(with_peft(llama, tmp_path), logits(llama.model, lora, llama))


def test_a_start_changes_nothing_and_a_seed_decides_it(llama):
    state = torch.get_rng_state()
    lora, again, other = (started(llama, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(logits(llama.model, lora, llama), logits(llama.model))
    name = "model/layers/0/self_attn/q_proj"
    assert torch.equal(lora.down[name], again.down[name])
    assert not torch.equal(lora.down[name], other.down[name])
    # Kaiming-uniform with a = √5 is uniform within 1/√in.
    bound = llama.width**-0.5
    wide = started(llama, rank=64).down[name].detach()
    assert 0.95 * bound < float(wide.abs().max()) <= bound
    assert float(wide.std()) == pytest.approx(bound / 3**0.5, rel=0.05)


def test_the_update_is_added_to_the_linear_map(llama):
    lora = trained(llama, alpha=6, modules=("model.layers.1.mlp.up_proj",))
    module = llama.model.model.layers[1].mlp.up_proj
    given = torch.randn(2, 3, llama.width)
    (key,) = lora.down
    with active(lora.hooks(llama)), torch.no_grad():
        found = module(given)
        wanted = given @ (module.weight + 6 / 4 * lora.up[key] @ lora.down[key]).T
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_only_lora_learns_and_the_llm_is_left_as_it_was():
    llm = load()
    before, plain = llm.fingerprint(), logits(llm.model)
    lora = trained(llm)
    with active(lora.hooks(llm)):
        llm.model(input_ids=IDS, labels=IDS).loss.backward()
    assert all(float(weights.grad.abs().sum()) > 0 for weights in lora.parameters())
    assert not any(weights.requires_grad for weights in llm.model.parameters())
    assert llm.fingerprint() == before
    assert torch.equal(logits(llm.model), plain)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in llm.model.modules())


def test_dropout_is_for_training_only(llama):
    lora = trained(llama, dropout=0.5)
    fixed = logits(llama.model, lora, llama)
    assert torch.equal(fixed, logits(llama.model, lora, llama))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(fixed, logits(llama.model, lora.train(), llama))


@pytest.mark.parametrize(
    "options", [{"dtype": "bfloat16"}, {"quantization": "4bit"}, {"quantization": "8bit"}]
)
def test_half_and_quantised_weights_take_pefts_numbers(options, tmp_path):
    llm = load(**options)
    before = llm.fingerprint()
    lora = trained(llm)
    lora.save_peft(tmp_path, "bundled")
    with active(lora.hooks(llm)):
        ours = from_vectors(llm.model)
    ours.float().sum().backward()
    assert ours.dtype == llm.dtype
    assert float((ours - from_vectors(llm.model)).detach().abs().max()) > 0.1
    assert all(float(weights.grad.abs().sum()) > 0 for weights in lora.parameters())
    assert llm.fingerprint() == before
    theirs = peft.PeftModel.from_pretrained(load(**options).model, str(tmp_path)).eval()
    torch.testing.assert_close(ours, from_vectors(theirs))


def from_vectors(model) -> torch.Tensor:
    # Without a gradient to the inputs, bitsandbytes packs 4-bit weights for CPUs in blocks of 64,
    # and the tiny models are narrower than that.
    vectors = model.get_input_embeddings()(IDS).detach().requires_grad_()
    return model(inputs_embeds=vectors).logits


def test_linear_maps_are_listed_with_their_widths():
    assert linear_maps(load("gpt2").model)["transformer.h.0.attn.c_attn"] == (32, 96)
    assert linear_maps(load("llama").model)["model.layers.1.mlp.up_proj"] == (32, 64)
    assert not any("embed_tokens" in name for name in linear_maps(load("llama").model))


def test_a_family_without_the_named_modules_is_said_in_one_line(llama):
    with pytest.raises(ModelError) as error:
        started(load("gpt2"), modules=("c_attn", "q_proj"))
    assert str(error.value) == (
        "LoRA was asked for 'q_proj', but gpt2-chat (gpt2) has no linear module of that name; "
        "name some of these in lora modules: c_attn, c_proj, c_fc, lm_head"
    )
    with pytest.raises(ModelError, match="asked for 'proj'"):
        started(llama, modules=("proj",))


def test_a_family_that_peft_does_not_know_needs_names(llama, tmp_path):
    config = hf.Phi3Config(
        vocab_size=llama.vocabulary, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, pad_token_id=0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = hf.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    llm = FrozenLLM(model, copy.deepcopy(llama.tokenizer), "made", lambda: "made")
    with pytest.raises(ModelError, match=r"no default LoRA modules for made \(phi3\).*qkv_proj, "):
        started(llm)
    lora = trained(llm, modules=("qkv_proj",))
    lora.save_peft(tmp_path, "bundled")
    assert torch.equal(with_peft(llm, tmp_path), logits(llm.model, lora, llm))


def test_another_llm_is_said(llama):
    with pytest.raises(
        ModelError, match=r"changes model\.layers\.0\.self_attn\.q_proj, which gpt2"
    ):
        trained(llama).hooks(load("gpt2"))
    name = "model.layers.0.self_attn.q_proj"
    wide = LoraWeights({name: (torch.zeros(2, 64), torch.zeros(32, 2))})
    with pytest.raises(ModelError, match=r"widths \(64, 32\), and llama-chat has \(32, 32\) there"):
        wide.hooks(llama)


def test_broken_files_are_said(llama, tmp_path):
    with pytest.raises(ArtefactError, match=r"adapter_config\.json is missing.*files of LoRA"):
        LoraWeights.load_peft(tmp_path)
    trained(llama).save_peft(tmp_path, "bundled")
    path = tmp_path / WEIGHTS_FILE
    whole, tensors = path.read_bytes(), load_file(path)
    path.write_bytes(whole[:-8])
    with pytest.raises(ArtefactError, match="is broken"):
        LoraWeights.load_peft(tmp_path)
    path.unlink()
    with pytest.raises(ArtefactError, match="expected the tensors of LoRA"):
        LoraWeights.load_peft(tmp_path)
    save_file({"other": torch.zeros(4, 6)}, path)
    with pytest.raises(ArtefactError, match=r"holds other of shape \(4, 6\).*lora_A\.weight"):
        LoraWeights.load_peft(tmp_path)
    save_file({}, path)
    with pytest.raises(ArtefactError, match="holds no tensor"):
        LoraWeights.load_peft(tmp_path)
    save_file(dict(list(tensors.items())[1:]), path)
    with pytest.raises(ArtefactError, match=r"holds \{'[AB]': .*expected A of \(rank, in\) and B"):
        LoraWeights.load_peft(tmp_path)
    halved = {key: value[:2] if "lora_A" in key else value[:, :2] for key, value in tensors.items()}
    save_file({key: value.contiguous() for key, value in halved.items()}, path)
    with pytest.raises(ArtefactError, match=r"updates of rank \[2\], but .* says 4"):
        LoraWeights.load_peft(tmp_path)


def test_other_configurations_are_said(llama, tmp_path):
    path = tmp_path / CONFIG_FILE
    path.write_text('{"peft_type": "PROMPT_TUNING"}')
    with pytest.raises(ArtefactError, match="PROMPT_TUNING; expected LORA"):
        LoraWeights.load_peft(tmp_path)
    path.write_text("{")
    with pytest.raises(ArtefactError, match="no PEFT configuration"):
        LoraWeights.load_peft(tmp_path)
    trained(llama).save_peft(tmp_path, "bundled")
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"use_dora": True, "bias": "all"}))
    with pytest.raises(ArtefactError, match="sets use_dora, bias; only plain LoRA"):
        LoraWeights.load_peft(tmp_path)


def test_impossible_configurations_are_said(llama):
    with pytest.raises(ConfigError, match="rank of at least 1, got 0"):
        started(llama, rank=0)
    with pytest.raises(ConfigError, match="rank must be 0 or more, got -1"):
        LowRankConfig(rank=-1)
    with pytest.raises(ConfigError, match="alpha must be positive, got 0"):
        LowRankConfig(alpha=0)
    with pytest.raises(ConfigError, match="dropout must be at least 0 and below 1, got 1"):
        LowRankConfig(dropout=1)
    with pytest.raises(ConfigError, match="list of names such as q_proj v_proj, got 'q_proj'"):
        LowRankConfig(modules="q_proj")
