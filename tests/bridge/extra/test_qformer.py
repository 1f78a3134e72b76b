"""The Q-Former is BERT's post-norm block with a look at the steps, restated here."""

import torch
from torch.nn import LayerNorm, Linear, MultiheadAttention
from torch.nn.functional import gelu, layer_norm

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.extra.qformer import QFormer, QFormerBlock


def attend(
    module: MultiheadAttention, query: torch.Tensor, keys: torch.Tensor, allowed: torch.Tensor
) -> torch.Tensor:
    """Attend from one window's queries to its keys, one head after the other."""
    width, heads = query.shape[1], module.num_heads
    weights, biases = module.in_proj_weight.split(width), module.in_proj_bias.split(width)
    q, k, v = (
        x @ weight.T + bias
        for x, weight, bias in zip((query, keys, keys), weights, biases, strict=True)
    )
    part = width // heads
    found = []
    for head in range(heads):
        mine = slice(head * part, (head + 1) * part)
        score = (q[:, mine] @ k[:, mine].T / part**0.5).exp() * allowed
        found.append(score / score.sum(dim=1, keepdim=True) @ v[:, mine])
    return module.out_proj(torch.cat(found, dim=1))


def norm(module: LayerNorm, x: torch.Tensor) -> torch.Tensor:
    return layer_norm(x, x.shape[-1:], module.weight, module.bias, eps=1e-5)


def restated(body: QFormer, steps: torch.Tensor, owner: list[int] | None) -> torch.Tensor:
    """Compute one window's tokens; `owner` names the one modality that each token sees."""
    keys, of_key = [], []
    for modality, mine in enumerate(steps):
        for position, step in enumerate(mine):
            place = body.modality[modality, 0] + body.position[0, position]
            keys.append(norm(body.norm_steps, body.in_proj(step) + place))
            of_key.append(modality)
    keys = torch.stack(keys)
    count = len(body.queries)
    if owner is None:
        friends, visible = torch.ones(count, count), torch.ones(count, len(keys))
    else:
        friends = torch.tensor([[float(a == b) for b in owner] for a in owner])
        visible = torch.tensor([[float(a == b) for b in of_key] for a in owner])
    x = norm(body.norm_queries, body.queries)
    for block in body.blocks:
        x = norm(block.norm_among, x + attend(block.among, x, x, friends))
        x = norm(block.norm_across, x + attend(block.across, x, keys, visible))
        inner: Linear = block.feed_forward[0]
        x = norm(block.norm_forward, x + block.feed_forward[2](gelu(inner(x))))
    return body.out_proj(x)


def build(per_modality: bool) -> QFormer:
    torch.manual_seed(0)
    config = ProjectorConfig(kind="qformer", tokens=5, hidden=16, per_modality=per_modality)
    body = QFormer(config, 2, 3, 6, 20).eval()
    for parameter in body.parameters():  # no bias at 0 and no norm at 1, or half goes untested
        torch.nn.init.normal_(parameter, std=0.5)
    return body


def test_every_block_is_as_restated():
    body, steps = build(per_modality=False), torch.randn(4, 2, 3, 6)
    expected = torch.stack([restated(body, window, None) for window in steps])
    torch.testing.assert_close(body(steps), expected, rtol=1e-4, atol=1e-4)


def test_with_tokens_split_over_modalities_it_is_as_restated():
    body, steps = build(per_modality=True), torch.randn(4, 2, 3, 6)
    expected = torch.stack([restated(body, window, [0, 0, 0, 1, 1]) for window in steps])
    torch.testing.assert_close(body(steps), expected, rtol=1e-4, atol=1e-4)


def test_it_gives_the_same_without_gradients():
    body, steps = build(per_modality=True), torch.randn(4, 2, 3, 6)
    with torch.no_grad():
        torch.testing.assert_close(body(steps), build(per_modality=True)(steps))


def test_a_query_hears_of_a_step_through_another_query():
    """What tells the Q-Former from cross-attention alone."""
    block = QFormerBlock(16, 4, 0.0).eval()
    queries, steps = torch.randn(1, 2, 16), torch.randn(1, 3, 16)
    hidden = torch.tensor([[False, True, True], [True, True, False]])
    other = steps.clone()
    other[0, 0] += torch.randn(16)
    apart, together = ~torch.eye(2, dtype=torch.bool), torch.zeros(2, 2, dtype=torch.bool)

    def twice(strangers: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        once = block(queries, seen, strangers, hidden)
        return block(once, seen, strangers, hidden)[0, 1]

    assert torch.equal(twice(apart, steps), twice(apart, other))
    assert (twice(together, steps) - twice(together, other)).abs().max() > 1e-4


def test_the_parameters_are_those_of_two_attentions_and_a_feed_forward_a_block():
    body = QFormer(ProjectorConfig(kind="qformer"), 4, 16, 96, 192)
    width, depth = 256, 2
    attention = 4 * width * width + 4 * width
    feed_forward = 2 * 4 * width * width + 5 * width
    block = 2 * attention + feed_forward + 3 * 2 * width
    ends = 97 * width + (4 + 16 + 8) * width + 2 * 2 * width + 192 * (width + 1)
    assert sum(p.numel() for p in body.parameters()) == depth * block + ends
