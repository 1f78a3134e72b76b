"""What acts inside an LLM for one prompt, and the hidden states that are read off it."""

import pytest
import torch
from torch import nn

from sensor2llm.adapter.builders import build_cross_attention, build_projector
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.llm.forward import (
    assemble,
    last_states,
    prompt_rows,
    rows_after,
    run_tail,
    tail_logits,
)
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.tuning.hooks import Hook, decoder_layers
from sensor2llm.llm.tuning.layer_hooks import LayerHooks, count_windows
from sensor2llm.model.model import SensorLanguageModel
from tests.models import small_adapter, tiny_llm, windows

ROWS = [[5, 6, 7, 8, 9, 10], [5, 6, 11], [5, 6, 7, 12]]


@pytest.fixture(params=["llama", "gemma", "gpt2"])
def llm(request):
    return tiny_llm(request.param)


def plain_states(llm, row):
    """Give the last hidden state of one row by a forward without padding, mask or cache."""
    with torch.no_grad():
        found = llm.model(input_ids=torch.tensor([row]), output_hidden_states=True)
    return found.hidden_states[-1][0, -1]


def test_last_states_of_padded_rows_are_those_of_each_row_alone(llm):
    prompt = assemble(llm, prompt_rows(llm, ROWS), None, None, batch=3)
    assert prompt.mask is not None
    expected = torch.stack([plain_states(llm, row) for row in ROWS])
    with torch.no_grad():
        torch.testing.assert_close(last_states(llm, prompt), expected, atol=1e-4, rtol=1e-4)


def test_last_states_behind_a_cached_prefix_are_the_same(llm):
    prefix = compute_prefix(llm, [5, 6, llm.pad_id])
    assert prefix.length == 2
    rows = rows_after(llm, ROWS, prefix)
    prompt = assemble(llm, rows, None, None, batch=3, prefix=prefix)
    expected = torch.stack([plain_states(llm, row) for row in ROWS])
    with torch.no_grad():
        torch.testing.assert_close(last_states(llm, prompt), expected, atol=1e-4, rtol=1e-4)


def test_logits_and_states_of_one_run_are_those_of_two(llm):
    prefix = compute_prefix(llm, [5, 6, llm.pad_id])
    prompt = assemble(llm, rows_after(llm, ROWS, prefix), None, None, batch=3, prefix=prefix)
    tail = torch.tensor([[7, 8], [9, 4], [3, 3]])
    with torch.no_grad():
        logits, states = run_tail(llm, prompt, tail, states=True)
        torch.testing.assert_close(logits, tail_logits(llm, prompt, tail))
        torch.testing.assert_close(states[:, 0], last_states(llm, prompt), atol=1e-4, rtol=1e-4)


def test_windows_are_counted_by_their_marks():
    ids = torch.tensor([[0, 9, 1, 9, 2], [9, 1, 1, 1, 9], [1, 2, 3, 4, 5]])
    expected = [[sum(t == 9 for t in row[: i + 1]) for i in range(5)] for row in ids.tolist()]
    assert count_windows(ids, 9).tolist() == expected


def crossing_model() -> SensorLanguageModel:
    """Build a model whose gates of cross-attention are open."""
    llm = tiny_llm()
    adapter = small_adapter(llm)
    config = ProjectorConfig(
        kind="cross_attention", tokens=2, hidden=16, depth=1, heads=2, every=1, dropout=0.0
    )
    projector = build_projector(config, adapter.encoder, llm.width, llm.embedding_std)
    torch.manual_seed(2)
    layers = build_cross_attention(config, torch.randn(1, llm.width), llm.layers, llm.hidden_width)
    for block in layers.blocks:
        nn.init.constant_(block.gate_attention, 1.0)
        nn.init.constant_(block.gate_feed_forward, 0.5)
    adapter = small_adapter(
        llm, projector=projector, projector_config=config, cross_attention=layers
    )
    return SensorLanguageModel(adapter, llm).eval()


def test_a_row_alone_hears_its_own_window():
    model = crossing_model()
    with torch.no_grad():
        prompt = model.build.for_batch(model.features(windows(4)), prefix=False)
        tail = torch.tensor([[5, 6]])
        together = tail_logits(model.llm, prompt, tail)
        alone = [tail_logits(model.llm, prompt.row(i), tail) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_rows_of_marks_are_taken_with_their_row():
    model = crossing_model()
    with torch.no_grad():
        layer_hooks = model.build.for_batch(model.features(windows(3)), prefix=False).layer_hooks
    inputs, one = layer_hooks.cross_attention, layer_hooks.select([1]).cross_attention
    assert len(inputs.window_of) == 1
    assert torch.equal(one.media, inputs.media[1:2])
    assert torch.equal(one.window_of, inputs.window_of)
    padded = inputs.window_of.expand(3, -1) + torch.arange(3)[:, None]
    several = type(one)(inputs.layers, inputs.media, padded)
    assert torch.equal(several.select([2]).window_of, padded[2:])
    assert torch.equal(several.select([2, 0], pads=1).window_of, padded[[2, 0], 1:])
    assert LayerHooks().select([0]) == LayerHooks()


def counted_hooks(llm) -> int:
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in llm.model.modules())


def test_nothing_stays_in_the_llm_after_it():
    model = crossing_model()
    with torch.no_grad():
        layer_hooks = model.build.for_batch(model.features(windows(1))).layer_hooks
    before = counted_hooks(model.llm)
    with layer_hooks.attached(model.llm):
        assert counted_hooks(model.llm) == before + model.llm.layers
    with pytest.raises(RuntimeError, match="in between"), layer_hooks.attached(model.llm):
        raise RuntimeError("in between")
    assert counted_hooks(model.llm) == before
    with LayerHooks().attached(model.llm):
        assert counted_hooks(model.llm) == before


def test_hooks_act_on_the_forwards_inside(llm):
    prompt = assemble(llm, prompt_rows(llm, [[5, 6, 7]]), None, None, batch=1)
    layer = decoder_layers(llm.model)[-1]
    doubled = LayerHooks((Hook(layer, before=lambda states: 2 * states),))
    with torch.no_grad():
        plain = last_states(llm, prompt)
        reached = last_states(
            llm, type(prompt)(prompt.vectors, prompt.positions, layer_hooks=doubled)
        )
        assert not torch.allclose(plain, reached, atol=1e-3)
        assert torch.equal(last_states(llm, prompt), plain)
