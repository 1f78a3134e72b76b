"""Hooks into every family's layers: there during a call, gone after it, exact in between."""

import pytest
import torch
from torch import nn
from transformers import (
    CLIPVisionConfig,
    DynamicCache,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from sensor2llm.bridge.extra.cross_attention import GatedCrossAttention
from sensor2llm.errors import ModelError
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.hooks import Hook, active, decoder_layers
from tests.llm.tiny import FAMILIES, tiny_folder
from tests.models import tiny_llm

each_family = pytest.mark.parametrize("family", FAMILIES)
LENGTH, MEDIUM, MEDIA = 9, 4, 6
# Marks stand at positions 3 and 6 of the first row; the second row holds one window.
WINDOW_OF = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 0, 0, 0, 1, 1, 1, 1]])


def build(llm: FrozenLLM, *, is_open: bool = True, **options) -> GatedCrossAttention:
    torch.manual_seed(0)
    layers, width = llm.layers, llm.hidden_width
    sizes = {"layers": layers, "width": width, "media_width": MEDIA, "hidden": 8, "heads": 2}
    mark = torch.randn(1, llm.width)
    bridge = GatedCrossAttention(mark, **(sizes | {"every": 1} | options)).eval()
    if is_open:
        for block in bridge.blocks:
            nn.init.constant_(block.gate_attention, 1.0)
            nn.init.constant_(block.gate_feed_forward, -1.0)
    return bridge


def inputs(llm: FrozenLLM, length: int = LENGTH) -> tuple[torch.Tensor, torch.Tensor]:
    """Give media of two windows in two rows, and embeddings of a prompt."""
    generator = torch.Generator().manual_seed(1)
    media = torch.randn(2, 2, MEDIUM, MEDIA, generator=generator)
    ids = torch.randint(5, llm.vocabulary, (2, length), generator=generator)
    return media, llm.embed(ids)


def crossed(llm: FrozenLLM, bridge: GatedCrossAttention, media, window_of=WINDOW_OF) -> list[Hook]:
    pairs = bridge.hooks(decoder_layers(llm.model), media, window_of)
    return [Hook(layer, before=change) for layer, change in pairs]


@torch.no_grad()
def logits(llm: FrozenLLM, vectors: torch.Tensor, hooks=(), **options) -> torch.Tensor:
    with active(hooks):
        return llm.model(inputs_embeds=vectors, **options).logits


def hooked(model: nn.Module) -> int:
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())


@each_family
def test_the_layers_are_those_that_hidden_states_pass_in_order(family):
    llm = tiny_llm(family)
    layers, passed = decoder_layers(llm.model), []
    hooks = [
        Hook(layer, before=lambda x, i=i: passed.append((i, x.shape)) or x)
        for i, layer in enumerate(layers)
    ]
    logits(llm, inputs(llm)[1], hooks)
    assert passed == [(i, (2, LENGTH, llm.hidden_width)) for i in range(2)]


def test_a_tower_of_as_many_layers_is_not_taken_for_the_decoder():
    towers = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=1
    )
    text = LlamaConfig(
        vocab_size=9, hidden_size=16, intermediate_size=8, num_hidden_layers=2,
        num_attention_heads=1,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(LlavaConfig(vision_config=towers, text_config=text))
    assert [type(layer).__name__ for layer in decoder_layers(model)] == ["LlamaDecoderLayer"] * 2


def test_a_model_without_a_list_of_its_layers_is_refused():
    model = tiny_llm().model
    bare = nn.Sequential(nn.Linear(2, 2))
    bare.config = model.config
    with pytest.raises(ModelError, match="Sequential has no list of 2 decoder layers to reach"):
        decoder_layers(bare)


@each_family
def test_a_change_before_a_layer_is_a_change_after_the_one_before_it(family):
    llm = tiny_llm(family)
    _, vectors = inputs(llm)
    first, second = decoder_layers(llm.model)
    shift = torch.randn(llm.hidden_width, generator=torch.Generator().manual_seed(2))
    before = logits(llm, vectors, [Hook(second, before=lambda x: x + shift)])
    after = logits(llm, vectors, [Hook(first, after=lambda _, out: out + shift)])
    assert torch.equal(before, after)
    assert (before - logits(llm, vectors)).abs().max() > 1e-2


@each_family
def test_a_change_after_a_linear_map_is_a_change_of_its_matrix(family):
    llm = tiny_llm(family)
    _, vectors = inputs(llm)
    # GPT-2 keeps its matrices transposed, in a class of its own.
    maps = [
        m for m in decoder_layers(llm.model)[0].modules() if getattr(m, "weight", None) is not None
    ]
    linear = next(m for m in maps if m.weight.ndim == 2)
    weight = linear.weight if isinstance(linear, nn.Linear) else linear.weight.T
    change = 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
    found = logits(llm, vectors, [Hook(linear, after=lambda x, out: out + x @ change.T)])
    own = FrozenLLM.load(str(tiny_folder(family)), dtype="float32", device="cpu")
    names = {id(m): name for name, m in llm.model.named_modules()}
    changed = own.model.get_submodule(names[id(linear)])
    changed.weight += change if isinstance(linear, nn.Linear) else change.T
    torch.testing.assert_close(found, logits(own, vectors), rtol=1e-4, atol=1e-4)
    assert (found - logits(llm, vectors)).abs().max() > 1e-2


class ByName(nn.Module):
    """Pass hidden states on by name, as some families do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Doubled()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(scale=3.0, hidden_states=x)


class Doubled(nn.Module):
    def forward(self, hidden_states: torch.Tensor, scale: float) -> torch.Tensor:
        return scale * hidden_states


def test_hidden_states_that_come_by_name_are_found():
    model, x = ByName(), torch.ones(2)
    with active([Hook(model.layer, before=lambda x: x + 1, after=lambda x, out: out + 10 * x)]):
        assert model(x).tolist() == [26, 26]
    assert model(x).tolist() == [3, 3]


def test_hooks_act_in_order_and_within_each_other():
    layer, x = nn.Identity(), torch.ones(1)
    with active([Hook(layer, before=lambda x: x + 1), Hook(layer, before=lambda x: 2 * x)]):
        with active([Hook(layer, after=lambda x, out: 10 * out)]):
            assert layer(x).item() == 40
        assert layer(x).item() == 4
    assert layer(x).item() == 1


@each_family
def test_hooks_come_off_after_an_error(family):
    llm = tiny_llm(family)
    _, vectors = inputs(llm)
    before, fingerprint, count = logits(llm, vectors), llm.fingerprint(), hooked(llm.model)

    def fail(x):
        raise RuntimeError("no signal")

    first, second = decoder_layers(llm.model)
    hooks = [Hook(first, before=lambda x: 2 * x, after=lambda _, out: 2 * out)]
    with pytest.raises(RuntimeError, match="no signal"):
        logits(llm, vectors, [*hooks, Hook(second, before=fail)])
    assert hooked(llm.model) == count
    with pytest.raises(AttributeError), active([*hooks, Hook(None, before=fail)]):
        pass
    assert hooked(llm.model) == count
    assert torch.equal(logits(llm, vectors), before)
    assert llm.fingerprint() == fingerprint


@each_family
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_closed_gates_leave_every_logit_exactly_as_it_was(family, dtype):
    llm = FrozenLLM.load(str(tiny_folder(family)), dtype=dtype, device="cpu")
    media, vectors = inputs(llm)
    hooks = crossed(llm, build(llm, is_open=False), media)
    assert len(hooks) == 2
    assert torch.equal(logits(llm, vectors, hooks), logits(llm, vectors))


@each_family
def test_open_gates_change_what_follows_a_mark_and_nothing_before_it(family):
    llm = tiny_llm(family)
    media, vectors = inputs(llm)
    plain = logits(llm, vectors)
    found = logits(llm, vectors, crossed(llm, build(llm), media))
    nowhere = WINDOW_OF == 0
    assert torch.equal(found[nowhere], plain[nowhere])
    assert (found - plain).abs().amax(-1)[~nowhere].min() > 1e-3


@each_family
def test_a_later_window_changes_nothing_before_its_own_mark(family):
    llm = tiny_llm(family)
    bridge, (media, vectors) = build(llm), inputs(llm)
    other = media.clone()
    other[:, 1] = torch.randn(2, MEDIUM, MEDIA, generator=torch.Generator().manual_seed(2))
    found, changed = (logits(llm, vectors, crossed(llm, bridge, m)) for m in (media, other))
    second = torch.eq(WINDOW_OF, 2)
    assert torch.equal(found[~second], changed[~second])
    assert (found - changed).abs().amax(-1)[second].min() > 1e-3


@each_family
def test_token_by_token_with_a_cache_is_the_whole_at_once(family):
    llm = tiny_llm(family)
    media, vectors = inputs(llm, length=LENGTH + 4)
    hooks = crossed(llm, build(llm), media)
    expected = logits(llm, vectors, hooks)
    cache = DynamicCache()
    steps = [vectors[:, :LENGTH], *vectors[:, LENGTH:].split(1, dim=1)]
    found = [
        logits(llm, s, hooks, use_cache=True, **{llm.runner.cache_argument: cache}) for s in steps
    ]
    torch.testing.assert_close(torch.cat(found, dim=1), expected, rtol=1e-4, atol=1e-4)


@each_family
def test_what_precedes_the_first_mark_may_be_cached_without_hooks(family):
    llm = tiny_llm(family)
    bridge, (media, vectors) = build(llm), inputs(llm)
    expected = logits(llm, vectors, crossed(llm, bridge, media))
    cache = DynamicCache()
    logits(llm, vectors[:, :3], use_cache=True, **{llm.runner.cache_argument: cache})
    hooks = crossed(llm, bridge, media, WINDOW_OF[:, 3:])
    found = logits(llm, vectors[:, 3:], hooks, use_cache=True, **{llm.runner.cache_argument: cache})
    torch.testing.assert_close(found, expected[:, 3:], rtol=1e-4, atol=1e-4)


def losses(
    llm: FrozenLLM, bridge: GatedCrossAttention, media, vectors, window_of=WINDOW_OF
) -> torch.Tensor:
    """Give the loss of saying token 7 in the first row and token 8 in the second."""
    with active(crossed(llm, bridge, media, window_of)):
        last = llm.model(inputs_embeds=vectors, use_cache=False).logits[:, -1]
    return nn.functional.cross_entropy(last, torch.tensor([7, 8]))


@each_family
def test_gradients_pass_the_frozen_layers_and_stop_at_the_bridge(family):
    llm = tiny_llm(family)
    bridge, (media, vectors) = build(llm), inputs(llm)
    media.requires_grad_()
    losses(llm, bridge, media, vectors).backward()
    assert all(p.grad.abs().sum() > 0 for p in bridge.blocks.parameters())
    heard = (media.grad.abs().sum(dim=(2, 3)) > 0).tolist()
    # The first row ends at its second window, but its earlier positions heard the first.
    assert heard == [[True, True], [True, False]]
    assert all(p.grad is None for p in llm.model.parameters())


def test_checkpointed_layers_give_the_same_gradients():
    llm = FrozenLLM.load(str(tiny_folder("llama")), dtype="float32", device="cpu")
    bridge, (media, vectors) = build(llm), inputs(llm)
    found = []
    for _ in range(2):
        bridge.zero_grad()
        losses(llm, bridge, media, vectors).backward()
        found.append([p.grad for p in bridge.blocks.parameters()])
        llm.model.train().activation_checkpointing_enable()
    assert llm.model.is_activation_checkpointing
    torch.testing.assert_close(found[0], found[1])


def test_inside_checkpointed_layers_hooks_stay_on_until_the_backward_pass_is_over():
    llm = FrozenLLM.load(str(tiny_folder("llama")), dtype="float32", device="cpu")
    linear, (_, vectors) = decoder_layers(llm.model)[0].self_attn.q_proj, inputs(llm)
    change = torch.randn(linear.weight.shape, requires_grad=True)
    found = []
    for _ in range(2):
        change.grad = None
        with active([Hook(linear, after=lambda x, out: out + x @ change)]):
            llm.model(inputs_embeds=vectors, use_cache=False).logits.square().mean().backward()
        found.append(change.grad)
        llm.model.train().activation_checkpointing_enable()
    torch.testing.assert_close(found[0], found[1])


def test_from_closed_gates_it_learns_to_tell_windows_apart():
    llm = tiny_llm()
    bridge, (media, vectors) = build(llm, is_open=False), inputs(llm)
    # The same words in both rows: only the media can tell them apart.
    vectors, window_of = vectors[:1].expand(2, -1, -1), WINDOW_OF[:1]
    optimiser = torch.optim.AdamW(bridge.parameters(), lr=0.02)
    for _ in range(40):
        optimiser.zero_grad()
        losses(llm, bridge, media, vectors, window_of).backward()
        optimiser.step()
    said = logits(llm, vectors, crossed(llm, bridge, media, window_of))[:, -1].argmax(-1)
    assert said.tolist() == [7, 8]
