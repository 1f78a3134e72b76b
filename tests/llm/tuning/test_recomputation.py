"""A checkpointed LLM: the same loss and gradients, each layer computed twice, less held."""

import weakref

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertConfig, BertLMHeadModel

from sensor2llm.adapter.batches import Request
from sensor2llm.adapter.builders import build_cross_attention, build_projector
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.number_head import NumberHead, Target
from sensor2llm.errors import ModelError
from sensor2llm.llm.config import LowRankConfig, PrefixConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.hooks import decoder_layers
from sensor2llm.llm.tuning.layer_hooks import LayerHooks
from sensor2llm.llm.tuning.lora import LoraWeights
from sensor2llm.llm.tuning.prefix_tuning import LearnedPrefix
from sensor2llm.model.model import SensorLanguageModel
from tests.llm.tiny import tiny_folder
from tests.models import small_adapter, tiny_llm, windows

# gpt2 hands the cache to its layers by position, opt has dropout inside them, gemma scales.
FAMILIES = ("llama", "gpt2", "opt", "gemma")
CROSSING = ProjectorConfig(kind="cross_attention", tokens=2, hidden=16, every=1, dropout=0.2)


def own_llm(family: str = "llama", **options) -> FrozenLLM:
    return FrozenLLM.load(str(tiny_folder(family)), **{"dtype": "float32"} | options)


def small_lora(llm: FrozenLLM) -> LoraWeights:
    lora = LoraWeights.start(LowRankConfig(rank=2, dropout=0.3), llm)
    for weights in lora.up.values():
        nn.init.normal_(weights, std=0.1)
    return lora


def with_cross_attention(llm: FrozenLLM) -> dict:
    given = small_adapter(llm)
    torch.manual_seed(1)
    cross = build_cross_attention(CROSSING, torch.zeros(1, llm.width), llm.layers, llm.hidden_width)
    for block in cross.blocks:
        nn.init.constant_(block.gate_attention, 1.0)
    projector = build_projector(CROSSING, given.encoder, llm.width, llm.embedding_std)
    return {"projector": projector, "projector_config": CROSSING, "cross_attention": cross}


PARTS = {
    "mlp and soft prompt": lambda _: {},
    "lora": lambda llm: {"lora": small_lora(llm)},
    "prefix": lambda llm: {"prefix": LearnedPrefix.start(PrefixConfig(tokens=2), llm)},
    "cross-attention": with_cross_attention,
    "all": lambda llm: (
        with_cross_attention(llm)
        | {"lora": small_lora(llm), "prefix": LearnedPrefix.start(PrefixConfig(tokens=2), llm)}
    ),
}


def gradients(model: SensorLanguageModel, batch, checkpointing: bool):
    model.llm.checkpointing = checkpointing
    model.eval().score(windows())  # the shortcuts that the LLM takes are found out once
    model.train().zero_grad(set_to_none=True)
    torch.manual_seed(3)
    loss = model.loss(batch)
    loss.backward()
    return loss, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_without(family, part):
    llm = own_llm(family)
    torch.manual_seed(0)
    adapter = small_adapter(llm, **PARTS[part](llm))
    model = SensorLanguageModel(adapter, llm, objective="both")
    loss, expected = gradients(model, windows(), False)
    again, found = gradients(model, windows(), True)
    torch.testing.assert_close(again, loss)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5, msg=name)
    trained = {name.split(".")[1] for name, gradient in found.items() if gradient.abs().sum() > 0}
    assert {n for n, p in adapter.named_children() if any(q.requires_grad for q in p.parameters())
            } <= trained | {"head", "encoder"}  # fmt: skip


def test_a_number_head_reads_the_same_states():
    llm = own_llm()
    adapter = small_adapter(llm)
    target = Target(name="pulse", unit="bpm", mean=0.0, scale=1.0, decimals=0)
    adapter.head = NumberHead(llm.hidden_width, target)
    model = SensorLanguageModel(adapter, llm)
    asked = [Request("classification", answer="3 bpm", number=float(i)) for i in range(8)]
    batch = model.features(windows()).with_requests(asked)
    loss, expected = gradients(model, batch, False)
    again, found = gradients(model, batch, True)
    torch.testing.assert_close(again, loss)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_every_layer_is_computed_twice_and_the_model_is_left_as_it_was():
    llm = own_llm(checkpointing=True)
    before, calls = llm.fingerprint(), []
    model = SensorLanguageModel(small_adapter(llm, lora=small_lora(llm)), llm)
    layers = decoder_layers(llm.model)
    model.eval().score(windows())
    counted = [
        layer.mlp.up_proj.register_forward_hook(lambda *_: calls.append(1)) for layer in layers
    ]
    model.loss(windows()).backward()
    assert len(calls) == 2 * len(layers)
    with torch.no_grad():
        model.loss(windows())
    assert len(calls) == 3 * len(layers)
    for handle in counted:
        handle.remove()
    assert not any("forward" in layer.__dict__ or layer.training for layer in layers)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in llm.model.modules())
    assert llm.fingerprint() == before


def test_a_forward_that_another_library_put_there_comes_back():
    llm = own_llm(checkpointing=True)
    layer = decoder_layers(llm.model)[0]
    theirs = layer.forward
    layer.forward = theirs
    with LayerHooks().attached(llm):
        assert layer.forward is not theirs
    assert layer.__dict__["forward"] is theirs


class Peak(TorchDispatchMode):
    """Add up the bytes of all tensors that are alive, as operations make them."""

    def __init__(self):
        super().__init__()
        self.alive, self.now, self.most = set(), 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage):
        if storage._cdata not in self.alive:
            self.alive.add(storage._cdata)
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._release, storage._cdata, storage.nbytes())

    def _release(self, key, size):
        self.alive.discard(key)
        self.now -= size


def test_a_long_prompt_holds_less():
    held, layers = {}, 8
    for checkpointing in (False, True):
        llm = own_llm(checkpointing=checkpointing)
        decoder = llm.model.get_decoder().layers
        decoder.extend([decoder[0]] * (layers - len(decoder)))
        llm.model.config.num_hidden_layers = layers
        vectors = torch.zeros(4, 200, llm.width, requires_grad=True)
        with Peak() as peak:
            with LayerHooks().attached(llm):
                logits = llm.model(inputs_embeds=vectors, use_cache=False, logits_to_keep=1).logits
            logits.sum().backward()
        held[checkpointing] = peak.most
    assert held[True] < held[False] / 2


def test_a_model_without_decoder_layers_is_named():
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=8, is_decoder=True)  # fmt: skip
    model, plain = BertLMHeadModel(config), tiny_llm()
    model.config.num_hidden_layers = 3
    with pytest.raises(ModelError, match=r"^odd \(BertLMHeadModel\) has no list of decoder layers"):
        FrozenLLM(model, plain.tokenizer, "odd", str, checkpointing=True)
