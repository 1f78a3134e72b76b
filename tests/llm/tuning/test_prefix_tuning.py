"""Prefix tuning: the LLM's own start, PEFT's files and numbers, and prompts behind it."""

import copy
import json

import peft
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from benchmarks.robustness.llm_zoo import build
from sensor2llm.errors import ArtefactError, ConfigError, ModelError
from sensor2llm.llm.config import PrefixConfig
from sensor2llm.llm.forward import Prompt, assemble, prompt_rows, tail_logits
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.generation import generate
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.scoring import score_each, score_tree
from sensor2llm.llm.tuning.peft_files import CONFIG_FILE, WEIGHTS_FILE
from sensor2llm.llm.tuning.prefix_tuning import LearnedPrefix, behind
from tests.llm.tiny import FAMILIES, tiny_folder

each_family = pytest.mark.parametrize("family", FAMILIES)
UNEVEN = [[5, 9, 33, 2, 17, 60], [4, 8, 12], [90, 91, 92, 93]]
TAIL = torch.tensor([[7, 11]])

# PEFT asks transformers for an attribute, and gives its cache, under their old names.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.past_key_values. is deprecated:FutureWarning"),
]


def load(family: str = "llama", **options) -> FrozenLLM:
    return FrozenLLM.load(str(tiny_folder(family)), **{"dtype": "float32"} | options)


@pytest.fixture(scope="module")
def llama() -> FrozenLLM:
    return load()


def start(llm: FrozenLLM, tokens: int = 4, seed: int = 0) -> LearnedPrefix:
    return LearnedPrefix.start(PrefixConfig(tokens=tokens), llm, seed)


def trained(llm: FrozenLLM) -> LearnedPrefix:
    """Give a prefix that is not any text's."""
    learned = start(llm)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        learned.states.add_(0.3 * torch.randn(learned.states.shape, generator=generator))
    return learned


def plain(llm: FrozenLLM, rows: list[list[int]]) -> Prompt:
    return assemble(llm, prompt_rows(llm, rows), None, None, batch=len(rows))


def prompts(llm: FrozenLLM, learned: LearnedPrefix, rows: list[list[int]] = UNEVEN) -> Prompt:
    return behind(plain(llm, rows), learned.prefix(llm))


def drawn_ids(llm: FrozenLLM, tokens: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(llm.vocabulary, (tokens,), generator=generator).tolist()


@each_family
@torch.no_grad()
def test_an_untrained_prefix_is_text_in_front_of_every_row(family):
    llm = load(family)
    found = tail_logits(llm, prompts(llm, start(llm, 4, seed=3)), TAIL)
    text = drawn_ids(llm, 4, seed=3)
    wanted = tail_logits(llm, plain(llm, [text + row for row in UNEVEN]), TAIL)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@each_family
@torch.no_grad()
def test_a_padded_row_is_the_row_alone(family):
    llm = load(family)
    learned = trained(llm)
    together = tail_logits(llm, prompts(llm, learned), TAIL)
    for row, found in zip(UNEVEN, together, strict=True):
        # The LLM itself on ids, with a cache of PEFT's layout and positions that go on after it.
        ids = torch.tensor([[*row, *TAIL[0].tolist()]])
        cache = learned.prefix(llm).cache(1)
        positions = torch.arange(ids.shape[1])[None] + learned.tokens
        wanted = llm.model(
            input_ids=ids, position_ids=positions, **{llm.runner.cache_argument: cache}
        ).logits[0]
        torch.testing.assert_close(found, wanted[len(row) - 1 :], atol=1e-4, rtol=1e-4)


@each_family
@torch.no_grad()
def test_peft_gives_the_same_logits_from_the_same_files(family, tmp_path):
    llm = load(family)
    learned = trained(llm)
    learned.save_peft(tmp_path, "bundled")
    theirs = peft.PeftModel.from_pretrained(copy.deepcopy(llm.model), str(tmp_path)).eval()
    ids = torch.tensor([[5, 9, 33, 2, 17], [4, 8, 12, 90, 1]])
    empty = torch.zeros(1, 0, dtype=torch.long)
    found = tail_logits(llm, prompts(llm, learned, ids.tolist()), empty)[:, 0]
    torch.testing.assert_close(found, theirs(input_ids=ids).logits[:, -1], atol=1e-5, rtol=1e-5)
    without = tail_logits(llm, plain(llm, ids.tolist()), empty)[:, 0]
    assert float((found - without).abs().max()) > 0.1


@torch.no_grad()
def test_grouped_heads_have_keys_of_their_own_only(llama):
    assert llama.model.config.num_attention_heads == 4
    # Tokens, layers, keys and values, heads with keys, width of a head.
    assert start(llama).states.shape == (4, 2, 2, 2, 8)
    prefix = start(llama).prefix(llama)
    assert (prefix.length, len(prefix.states)) == (4, 2)
    assert {part.shape for layer in prefix.states for part in layer} == {(1, 2, 4, 8)}


@pytest.mark.parametrize("family", ["llama", "gemma", "gpt2", "opt"])
@torch.no_grad()
def test_labels_are_scored_behind_it_in_one_forward(family):
    llm = load(family)
    labels, end = [[7, 11], [7, 12], [30]], 2
    prompt = prompts(llm, trained(llm))
    found = score_tree(llm, prompt, LabelTree.build(labels, end))
    each = score_each(llm, prompt, [[*label, end] for label in labels])
    torch.testing.assert_close(found, each, atol=1e-4, rtol=1e-4)


@each_family
def test_free_answers_behind_it_are_those_of_each_row_alone(family):
    llm = load(family)
    learned = start(llm, 4, seed=3)
    together = generate(llm, prompts(llm, learned), max_new_tokens=6)
    text = drawn_ids(llm, 4, seed=3)
    assert together == [
        generate(llm, plain(llm, [text + row]), max_new_tokens=6)[0] for row in UNEVEN
    ]
    assert together != generate(llm, plain(llm, UNEVEN), max_new_tokens=6)


def test_only_the_prefix_learns_and_the_llm_is_left_as_it_was(llama):
    before = llama.fingerprint()
    learned = start(llama)
    tail_logits(llama, prompts(llama, learned), TAIL).square().mean().backward()
    # Every token, layer and head is seen, through its keys and through its values.
    assert bool((learned.states.grad.abs().sum(-1) > 0).all())
    assert not any(weights.requires_grad for weights in llama.model.parameters())
    assert llama.fingerprint() == before


def test_training_moves_an_answer(llama):
    learned = start(llama)
    optimiser = torch.optim.Adam(learned.parameters(), lr=0.1)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        logits = tail_logits(llama, prompts(llama, learned), TAIL[:, :-1])[:, 0]
        loss = torch.nn.functional.cross_entropy(logits, TAIL[0, :1].expand(len(logits)))
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1


def test_a_seed_decides_the_start_and_nothing_else_is_drawn(llama):
    state = torch.get_rng_state()
    first, again, other = (start(llama, seed=seed).states for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_keys_and_values_come_in_the_llms_type():
    llm = load(dtype="bfloat16")
    learned = start(llm)
    assert learned.states.dtype == torch.float32
    keys, values = learned.prefix(llm).states[0]
    assert keys.dtype == values.dtype == torch.bfloat16
    tail_logits(llm, prompts(llm, learned), TAIL).float().sum().backward()
    assert float(learned.states.grad.abs().sum()) > 0


def test_rows_without_padding_need_no_mask(llama):
    prompt = prompts(llama, start(llama), [[5, 9], [4, 8]])
    assert prompt.mask is None
    assert prompt.positions.tolist() == [[0, 1, 2, 3, 4, 5]] * 2
    padded = prompts(llama, start(llama), [[5, 9], [4]])
    assert padded.mask.tolist() == [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 1]]
    assert padded.positions[1, [0, 1, 2, 3, 5]].tolist() == [0, 1, 2, 3, 4]
    assert padded.length == 6


def test_round_trip(llama, tmp_path):
    learned = trained(llama)
    learned.save_peft(tmp_path, "bundled")
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]
    assert torch.equal(LearnedPrefix.load_peft(tmp_path).states, learned.states)
    assert json.loads((tmp_path / CONFIG_FILE).read_text())["base_model_name_or_path"] == "bundled"


@pytest.mark.parametrize("family", ["llama", "gemma", "gpt2"])
def test_the_files_are_those_that_peft_writes(family, tmp_path):
    llm = load(family)
    learned = trained(llm)
    learned.save_peft(tmp_path / "ours", "bundled")
    read = peft.PeftModel.from_pretrained(copy.deepcopy(llm.model), str(tmp_path / "ours"))
    read.save_pretrained(str(tmp_path / "theirs"), save_embedding_layers=False)
    ours, theirs = (
        json.loads((tmp_path / d / CONFIG_FILE).read_text()) for d in ("ours", "theirs")
    )
    assert ours == theirs
    ours, theirs = (load_file(tmp_path / d / WEIGHTS_FILE) for d in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    assert torch.equal(LearnedPrefix.load_peft(tmp_path / "theirs").states, learned.states)


@pytest.mark.parametrize("options", [{}, {"prefix_projection": True}])
def test_what_peft_makes_itself_is_read(llama, options, tmp_path):
    config = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3, **options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = peft.get_peft_model(copy.deepcopy(llama.model), config)
    theirs.save_pretrained(str(tmp_path), save_embedding_layers=False)
    learned = LearnedPrefix.load_peft(tmp_path)
    ids = torch.tensor([[5, 9, 33, 2, 17]])
    with torch.no_grad():
        wanted = theirs.eval()(input_ids=ids).logits[:, -1:]
        empty = torch.zeros(1, 0, dtype=torch.long)
        found = tail_logits(llama, prompts(llama, learned, ids.tolist()), empty)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_a_cached_prompt_is_refused(llama):
    rows = prompt_rows(llama, [[5, 9, 33, 2]])
    cached = compute_prefix(llama, [5, 9, 33])
    prompt = assemble(llama, rows, None, None, batch=1, prefix=cached)
    with pytest.raises(ConfigError, match="begins with 2 cached positions"):
        behind(prompt, start(llama).prefix(llama))


def test_families_without_plain_keys_and_values_are_said(llama):
    common = {"vocab_size": llama.vocabulary, "hidden_size": 32, "num_hidden_layers": 2}
    common |= {"num_attention_heads": 4, "intermediate_size": 64, "moe_intermediate_size": 16}
    configs = [
        # Keys wider than values; and a layer with a recurrent state in their place.
        hf.DeepseekV3Config(
            **common, n_routed_experts=4, n_group=1, topk_group=1, num_experts_per_tok=2,
            kv_lora_rank=8, q_lora_rank=8, qk_rope_head_dim=4, qk_nope_head_dim=8, v_head_dim=8,
        ),
        hf.Qwen3NextConfig(
            **common, num_key_value_heads=2, head_dim=8, num_experts=2, num_experts_per_tok=1,
            shared_expert_intermediate_size=16, layer_types=["linear_attention", "full_attention"],
            linear_num_key_heads=2, linear_num_value_heads=2, linear_key_head_dim=8,
            linear_value_head_dim=8,
        ),
    ]  # fmt: skip
    for config in configs:
        model = hf.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        llm = FrozenLLM(model, copy.deepcopy(llama.tokenizer), "made", lambda: "made")
        with pytest.raises(ModelError, match=r"made \(.*\) has not keys and values of one shape"):
            start(llm)


def test_broken_files_are_said(llama, tmp_path):
    with pytest.raises(ArtefactError, match=r"adapter_config\.json is missing.*a learned prefix"):
        LearnedPrefix.load_peft(tmp_path)
    start(llama).save_peft(tmp_path, "bundled")
    path = tmp_path / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ArtefactError, match="is broken"):
        LearnedPrefix.load_peft(tmp_path)
    path.unlink()
    with pytest.raises(ArtefactError, match="expected the tensors of a learned prefix"):
        LearnedPrefix.load_peft(tmp_path)
    save_file({"prompt_embeddings": torch.zeros(3, 64)}, path)
    with pytest.raises(ArtefactError, match=r"shape \(3, 64\), but .* says \(4, 64\)"):
        LearnedPrefix.load_peft(tmp_path)
    save_file({"other": torch.zeros(4, 64)}, path)
    with pytest.raises(ArtefactError, match=r"holds \['other'\]"):
        LearnedPrefix.load_peft(tmp_path)


def test_other_configurations_are_said(llama, tmp_path):
    path = tmp_path / CONFIG_FILE
    path.write_text('{"peft_type": "PROMPT_TUNING"}')
    with pytest.raises(ArtefactError, match="PROMPT_TUNING; expected PREFIX_TUNING"):
        LearnedPrefix.load_peft(tmp_path)
    start(llama).save_peft(tmp_path, "bundled")
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"num_layers": None}))
    with pytest.raises(ArtefactError, match=r"'num_layers': None.*expected four positive numbers"):
        LearnedPrefix.load_peft(tmp_path)
    path.write_text(json.dumps(config | {"num_attention_heads": 3}))
    with pytest.raises(ArtefactError, match="a token_dim of 16 for 3 heads"):
        LearnedPrefix.load_peft(tmp_path)


def test_impossible_configurations_are_said(llama):
    with pytest.raises(ConfigError, match="at least one token, got 0"):
        start(llama, tokens=0)
    with pytest.raises(ConfigError, match="prefix tokens must be 0 or more, got -1"):
        PrefixConfig(tokens=-1)


@pytest.mark.parametrize("family", ["lfm2", "falcon_h1", "mamba"])
def test_layers_with_other_states_have_no_learned_prefix(family, tmp_path):
    llm = FrozenLLM.load(str(build(family, tmp_path / family)), dtype="float32")
    with pytest.raises(ModelError, match=r"has not keys and values of one shape"):
        LearnedPrefix.start(PrefixConfig(tokens=2), llm)
