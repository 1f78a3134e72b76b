"""The proof that a language model stayed frozen: whatever changes its answers is seen."""

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from transformers import LlamaConfig, LlamaForCausalLM

from sensor2llm.llm.checks.fingerprint import fingerprint
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.hooks import Hook, active
from tests.llm.tiny import FAMILIES, tiny_folder

IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture
def model() -> nn.Module:
    return FrozenLLM.load(str(tiny_folder("llama")), dtype="float32").model


def logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def attention(model):
    return model.model.layers[1].self_attn


def double(module, given, output):
    return 2 * output


CHANGES = {
    "attention scaling": lambda m: setattr(attention(m), "scaling", 0.1),
    "norm epsilon": lambda m: setattr(m.model.norm, "variance_epsilon", 10.0),
    "rotary scaling": lambda m: setattr(m.model.rotary_emb, "attention_scaling", 2.0),
    "buffer": lambda m: m.model.rotary_emb.inv_freq.mul_(1.5),
    "weight": lambda m: m.model.layers[0].mlp.up_proj.weight.data.mul_(1.5),
    "forward hook": lambda m: m.model.layers[0].mlp.register_forward_hook(double),
    "hook before": lambda m: m.lm_head.register_forward_pre_hook(lambda _, x: (2 * x[0],)),
    "forward replaced": lambda m: setattr(
        m.model.layers[0].mlp, "forward", lambda x: torch.zeros_like(x)
    ),
    "configuration": lambda m: setattr(m.config, "use_cache", False) or setattr(
        m.config, "hidden_act", "relu"
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_it_computes_is_seen(model, change):
    before, said = fingerprint(model), logits(model)
    CHANGES[change](model)
    assert fingerprint(model) != before
    if change != "configuration":
        assert not torch.allclose(logits(model), said)


def test_dropout_switched_on_is_seen():
    model = FrozenLLM.load(str(tiny_folder("gpt2")), dtype="float32").model
    before = fingerprint(model)
    model.transformer.h[1].train()
    assert fingerprint(model) != before


def test_a_hook_on_all_modules_is_seen(model):
    before = fingerprint(model)
    handle = register_module_forward_hook(lambda *_: None)
    try:
        assert fingerprint(model) != before
    finally:
        handle.remove()
    assert fingerprint(model) == before


def test_a_hook_on_gradients_is_seen(model):
    before = fingerprint(model)
    model.model.layers[0].register_full_backward_hook(lambda *_: None)
    assert fingerprint(model) != before


@pytest.mark.parametrize("family", FAMILIES)
def test_use_changes_nothing(family):
    """Forwards, hidden states, generation, gradients to inputs, and hooks that are gone again."""
    llm = FrozenLLM.load(str(tiny_folder(family)), dtype="float32")
    before = llm.fingerprint()
    logits(llm.model)
    llm.model(input_ids=IDS, output_hidden_states=True)
    llm.model.generate(IDS, max_new_tokens=3, do_sample=False, pad_token_id=0)
    inputs = llm.embed(IDS).requires_grad_()
    with active([Hook(llm.model.get_output_embeddings(), before=lambda x: x)]):
        llm.model(inputs_embeds=inputs).logits.sum().backward()
    assert llm.fingerprint() == before
    again = FrozenLLM.load(str(tiny_folder(family)), dtype="float32")
    assert again.fingerprint() == before


@pytest.mark.parametrize("shortcut", ["steps", "generate", "padded_tree"])
def test_trying_a_shortcut_first_of_all_leaves_a_model_in_16_bits_as_it_was(shortcut):
    llm = FrozenLLM.load(str(tiny_folder("llama")), dtype="bfloat16")
    before = llm.fingerprint()
    assert isinstance(getattr(llm.shortcuts(), shortcut), bool)
    assert llm.fingerprint() == before


ROPES = {
    "dynamic": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0},
    "longrope": {
        "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 4,
        "long_factor": [2.0] * 4, "original_max_position_embeddings": 16,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", ROPES)
def test_rotary_embeddings_that_follow_the_length_are_no_change(kind):
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, head_dim=8,
        intermediate_size=16, max_position_embeddings=16, rope_parameters=ROPES[kind],
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    before, frequencies = fingerprint(model), model.model.rotary_emb.inv_freq.clone()
    with torch.no_grad():
        model(input_ids=torch.arange(40)[None])
    assert not torch.equal(model.model.rotary_emb.inv_freq, frequencies)
    assert fingerprint(model) == before
    model.model.rotary_emb.original_inv_freq.mul_(1.5)
    assert fingerprint(model) != before
