"""Gated cross-attention: nothing at first; later each position hears its own window only."""

import math

import pytest
import torch
from torch import nn

from sensor2llm.bridge.extra.cross_attention import GatedCrossAttention
from sensor2llm.errors import ModelError

WIDTH, MEDIA, MEDIUM = 12, 6, 3
# The third row holds one window only; the second is padded on its left.
WINDOW_OF = torch.tensor([[0, 1, 1, 2, 2], [0, 0, 0, 1, 2], [0, 0, 1, 1, 1]])


def build(*, is_open: bool = True, **options) -> GatedCrossAttention:
    torch.manual_seed(0)
    sizes = {"layers": 4, "width": WIDTH, "media_width": MEDIA, "hidden": 8, "heads": 2}
    bridge = GatedCrossAttention(torch.randn(1, 5), **(sizes | options)).eval()
    if is_open:
        for block in bridge.blocks:
            nn.init.constant_(block.gate_attention, 0.7)
            nn.init.constant_(block.gate_feed_forward, -0.4)
            for parameter in block.parameters():
                if len(parameter) > 1:
                    nn.init.normal_(parameter, std=0.5)
    return bridge


def inputs(windows: int = 2, length: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    media = torch.randn(3, windows, MEDIUM, MEDIA, generator=generator)
    return media, torch.randn(3, length, WIDTH, generator=generator)


def run(bridge, states, media, window_of=WINDOW_OF):
    """Let all changes act on hidden states, one after another; the layers do nothing."""
    for _, change in bridge.hooks([nn.Identity() for _ in range(4)], media, window_of):
        states = change(states)
    return states


def norm(vector, layer):
    spread = math.sqrt(float(vector.var(correction=0)) + layer.eps)
    return (vector - vector.mean()) / spread * layer.weight + layer.bias


def restated(block, x, media):
    """Give what a block makes of one position that sees these media."""
    queries = block.query.weight @ norm(x, block.norm)
    norm_media, to_keys_and_values = block.read
    read = [to_keys_and_values.weight @ norm(m, norm_media) for m in media]
    heard, size = [], len(queries) // block.heads
    for head in range(block.heads):
        part = slice(head * size, (head + 1) * size)
        values = [r[len(queries) :][part] for r in read]
        scores = [float(queries[part] @ r[: len(queries)][part]) / math.sqrt(size) for r in read]
        total = sum(math.exp(s) for s in scores)
        heard.append(sum(math.exp(s) / total * v for s, v in zip(scores, values, strict=True)))
    size = math.sqrt(sum(float(value) ** 2 for value in x) / len(x))
    y = x + math.tanh(block.gate_attention) * size * (block.out_proj.weight @ torch.cat(heard))
    norm_y, up, _, _, down = block.feed_forward
    inner = up.weight @ norm(y, norm_y) + up.bias
    inner = inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
    return y + math.tanh(block.gate_feed_forward) * size * (down.weight @ inner + down.bias)


@torch.no_grad()
def test_a_block_is_flamingos_with_each_position_at_its_own_window():
    bridge = build(every=4).double()
    media, states = (part.double() for part in inputs())
    expected = states.clone()
    for row, line in enumerate(WINDOW_OF.tolist()):
        for position, window in enumerate(line):
            if window:
                x, seen = states[row, position], media[row, window - 1]
                expected[row, position] = restated(bridge.blocks[0], x, seen)
    found = run(bridge, states, media)
    assert (found - states).abs().max() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("training", [False, True])
def test_closed_gates_leave_everything_as_it_was(dtype, training):
    bridge = build(is_open=False).train(training)
    media, states = inputs()
    states = (100 * states).to(dtype)
    assert torch.equal(run(bridge, states, media), states)


def test_positions_before_the_first_window_are_exactly_as_they_were():
    media, states = inputs()
    found = run(build(), states, media)
    nowhere = WINDOW_OF == 0
    assert torch.equal(found[nowhere], states[nowhere])
    assert (found - states).abs().amax(-1)[~nowhere].min() > 1e-3


@pytest.mark.parametrize("window", [1, 2])
def test_a_window_reaches_the_positions_up_to_the_next_one_only(window):
    bridge, (media, states) = build(), inputs()
    other = media.clone()
    other[:, window - 1] += torch.randn(3, MEDIUM, MEDIA)
    reached = (run(bridge, states, media) != run(bridge, states, other)).any(-1)
    assert torch.equal(reached, torch.eq(WINDOW_OF, window))


def test_rows_do_not_hear_each_others_windows():
    bridge, (media, states) = build(), inputs()
    alone = [
        run(bridge, states[i : i + 1], media[i : i + 1], WINDOW_OF[i : i + 1]) for i in range(3)
    ]
    torch.testing.assert_close(run(bridge, states, media), torch.cat(alone))


def test_a_row_that_all_share_counts_for_all():
    bridge, (media, states) = build(), inputs()
    expected = run(bridge, states, media[:1].expand(3, -1, -1, -1), WINDOW_OF[:1].expand(3, -1))
    torch.testing.assert_close(run(bridge, states, media[:1], WINDOW_OF[:1]), expected)


def test_one_window_is_heard_as_among_others():
    bridge, (media, states) = build(), inputs()
    window_of = WINDOW_OF.clamp(max=1)
    alone = run(bridge, states, media[:, :1], window_of)
    torch.testing.assert_close(alone, run(bridge, states, media, window_of))


def test_what_comes_after_the_prompt_hears_its_rows_last_window():
    bridge, (media, states) = build(), inputs(length=8)
    longer = torch.cat([WINDOW_OF, torch.tensor([[2], [2], [1]]).expand(-1, 3)], dim=1)
    found = run(bridge, states, media)
    torch.testing.assert_close(found, run(bridge, states, media, longer))
    for length in (1, 3):
        later = run(bridge, states[:, -length:], media)
        torch.testing.assert_close(later, found[:, -length:])


def test_a_row_without_a_window_stays_without_one():
    media, states = inputs(length=8)
    window_of = torch.zeros(1, 5, dtype=torch.long)
    for part in (states, states[:, :1]):
        assert torch.equal(run(build(), part, media, window_of), part)


def test_without_any_window_there_is_nothing_to_hook():
    layers = [nn.Identity() for _ in range(4)]
    assert build().hooks(layers, torch.zeros(1, 0, 1, MEDIA), torch.zeros_like(WINDOW_OF)) == []


def test_at_first_the_gates_alone_learn():
    bridge, (media, states) = build(is_open=False), inputs()
    (run(bridge, states, media) * torch.randn(3, 5, WIDTH)).sum().backward()
    learning = {n for n, p in bridge.blocks.named_parameters() if p.grad.abs().sum() > 0}
    gates = ("gate_attention", "gate_feed_forward")
    assert learning == {f"{block}.{gate}" for block in (0, 1) for gate in gates}


def test_open_gates_let_gradients_reach_everything_that_was_heard():
    bridge, (media, states) = build(), inputs()
    media.requires_grad_()
    states.requires_grad_()
    (run(bridge, states, media) * torch.randn(3, 5, WIDTH)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in bridge.blocks.parameters())
    assert all(p.grad.isfinite().all() for p in bridge.blocks.parameters())
    heard = media.grad.abs().sum(dim=(2, 3)) > 0
    assert heard.tolist() == [[True, True], [True, True], [True, False]]
    assert (states.grad.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_change_is_computed_in_the_modules_type_and_added_in_the_states(dtype):
    bridge, (media, states) = build(every=4), inputs()
    states = states.to(dtype)
    exact = run(bridge, states.float(), media) - states.float()
    found = run(bridge, states, media)
    assert found.dtype == dtype
    torch.testing.assert_close(found, states + exact.to(dtype))


def test_a_module_in_half_precision_takes_media_and_states_of_any_type():
    media, states = inputs()
    found = run(build(every=4).bfloat16(), states, media)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, run(build(every=4), states, media), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("layers", "every", "places"),
    [(4, 2, (1, 3)), (5, 2, (0, 2, 4)), (6, 4, (1, 5)), (3, 1, (0, 1, 2)), (3, 9, (2,))],
)
def test_blocks_are_spread_back_from_the_last_layer(layers, every, places):
    bridge = build(layers=layers, every=every)
    assert (bridge.places, len(bridge.blocks)) == (places, len(places))
    found = [nn.Identity() for _ in range(layers)]
    pairs = bridge.hooks(found, inputs()[0], WINDOW_OF)
    assert all(layer is found[i] for (layer, _), i in zip(pairs, places, strict=True))


def test_the_mark_starts_as_given_and_is_learned():
    given = torch.randn(1, 5, dtype=torch.bfloat16)
    bridge = GatedCrossAttention(given, layers=2, width=8, media_width=4, hidden=4, heads=1)
    assert torch.equal(bridge.mark, given.float())
    assert bridge.mark.requires_grad


def test_dropout_acts_in_training_only():
    bridge, (media, states) = build(dropout=0.5), inputs()
    assert torch.equal(run(bridge, states, media), run(bridge, states, media))
    bridge.train()
    assert not torch.equal(run(bridge, states, media), run(bridge, states, media))


def test_another_llm_is_refused():
    with pytest.raises(ModelError, match="built for 4 decoder layers, the LLM has 3; use the LLM"):
        build().hooks([nn.Identity()] * 3, inputs()[0], WINDOW_OF)


def test_another_projector_is_refused():
    with pytest.raises(ModelError, match="are 7 wide, but the cross-attention was built for 6"):
        run(build(), inputs()[1], torch.zeros(3, 2, MEDIUM, 7))


def test_a_place_without_a_window_is_refused():
    with pytest.raises(ModelError, match="places for 2 windows, but 1 were given; give one window"):
        run(build(), inputs()[1], inputs()[0][:, :1])
