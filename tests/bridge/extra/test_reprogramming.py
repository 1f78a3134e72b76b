"""Reprogramming: patches choose among prototypes of the language model's own words."""

import pytest
import torch

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.bridge.extra.reprogramming import VOCABULARY_SAMPLE, Reprogramming, sample_words
from sensor2llm.bridge.projectors import Projector
from sensor2llm.errors import ModelError


def words(count: int = 3000, width: int = 20) -> torch.Tensor:
    return 0.03 * torch.randn(count, width, generator=torch.Generator().manual_seed(3))


def build(per_modality: bool = False) -> Reprogramming:
    torch.manual_seed(0)
    config = ProjectorConfig(
        kind="reprogramming", tokens=4, hidden=16, prototypes=7, per_modality=per_modality
    )
    return Reprogramming(config, 2, 8, 6, 20).eval()


def projector(seed: int = 0) -> Projector:
    torch.manual_seed(seed)
    config = ProjectorConfig(kind="reprogramming", tokens=4, hidden=16, prototypes=7)
    return Projector(config, 2, 8, 6, 20, 0.03).eval()


def restated(body: Reprogramming, patches: torch.Tensor, vocabulary: torch.Tensor) -> torch.Tensor:
    """Compute one window's tokens from its K patches, (token, mixed): eq. by eq. of the paper."""
    mixture = body.words.weight @ vocabulary
    mean, var = mixture.mean(dim=1, keepdim=True), mixture.var(dim=1, keepdim=True, correction=0)
    prototypes = (mixture - mean) / (var + 1e-5).sqrt()
    prototypes = prototypes * body.norm_prototypes.weight + body.norm_prototypes.bias
    queries = patches @ body.query.weight.T + body.token
    keys, values = prototypes @ body.key.weight.T, prototypes @ body.value.weight.T
    chosen = torch.zeros(len(patches), 16)
    for head in range(4):
        mine = slice(4 * head, 4 * head + 4)
        share = torch.softmax(queries[:, mine] @ keys[:, mine].T / 2, dim=1)
        chosen[:, mine] = share @ values[:, mine]
    return chosen @ body.out_proj.weight.T + body.out_proj.bias


def test_tokens_are_attention_over_prototypes_as_restated():
    body, steps = build(), torch.randn(5, 2, 8, 6)
    body.use_vocabulary(words())
    torch.nn.init.normal_(body.norm_prototypes.weight)
    torch.nn.init.normal_(body.norm_prototypes.bias)
    # Four tokens over eight steps: each patch is two steps, the modalities side by side.
    patches = steps.unflatten(2, (4, 2)).mean(dim=3).transpose(1, 2).flatten(2)
    vocabulary = words()[sample_words(3000)]
    expected = torch.stack([restated(body, window, vocabulary) for window in patches])
    torch.testing.assert_close(body(steps), expected, rtol=1e-4, atol=1e-5)


def test_with_tokens_split_over_modalities_each_is_a_patch_of_its_own():
    body, steps = build(per_modality=True), torch.randn(5, 2, 8, 6)
    body.use_vocabulary(words())
    # Two tokens for each of two modalities: each patch is half of the steps.
    patches = steps.unflatten(2, (2, 4)).mean(dim=3).flatten(1, 2)
    vocabulary = words()[sample_words(3000)]
    expected = torch.stack([restated(body, window, vocabulary) for window in patches])
    torch.testing.assert_close(body(steps), expected, rtol=1e-4, atol=1e-5)


def test_sampled_words_reach_from_the_first_to_the_last_evenly():
    for vocabulary in (VOCABULARY_SAMPLE, 8192, 151_936):
        ids = sample_words(vocabulary)
        gaps = ids.diff()
        assert ids.dtype == torch.long
        assert (int(ids[0]), int(ids[-1]), len(ids)) == (0, vocabulary - 1, VOCABULARY_SAMPLE)
        assert int(gaps.max() - gaps.min()) <= 1
        assert int(gaps.min()) >= 1
    assert sample_words(50).unique().tolist() == list(range(50))


def test_all_words_or_the_sampled_ones_are_the_same():
    steps, present = torch.randn(5, 2, 8, 6), torch.ones(5, 2, dtype=torch.bool)
    whole, sampled = projector(), projector()
    whole.use_vocabulary(words())
    sampled.use_vocabulary(words()[sample_words(3000)])
    assert torch.equal(whole(steps, present), sampled(steps, present))


def test_another_language_models_words_give_other_tokens_but_their_scale_does_not():
    steps, present = torch.randn(5, 2, 8, 6), torch.ones(5, 2, dtype=torch.bool)
    body = projector()
    body.use_vocabulary(words())
    first = body(steps, present)
    body.use_vocabulary(10 * words())
    torch.testing.assert_close(body(steps, present), first, rtol=0.02, atol=1e-3)
    body.use_vocabulary(words().flip(0))
    assert (body(steps, present) - first).abs().max() > 0.01


def test_the_words_stay_as_they_are_and_are_not_saved():
    table = words().requires_grad_()
    body = projector()
    body.use_vocabulary(table)
    before = table.detach().clone()
    body(torch.randn(5, 2, 8, 6), torch.ones(5, 2, dtype=torch.bool)).square().sum().backward()
    assert table.grad is None
    assert torch.equal(table, before)
    assert not any("vocabulary" in name for name in body.state_dict())


def test_a_bridge_is_read_without_its_language_model_and_given_the_words_later():
    steps, present = torch.randn(5, 2, 8, 6), torch.ones(5, 2, dtype=torch.bool)
    saved, loaded = projector(), projector(seed=1)
    saved.use_vocabulary(words())
    loaded.load_state_dict(saved.state_dict())
    assert loaded.needs_vocabulary
    loaded.use_vocabulary(words())
    assert not loaded.needs_vocabulary
    assert torch.equal(saved(steps, present), loaded(steps, present))


def test_words_take_the_type_of_the_projector():
    body = projector().to(torch.bfloat16)
    body.use_vocabulary(words())
    steps = torch.randn(5, 2, 8, 6, dtype=torch.bfloat16)
    assert body(steps, torch.ones(5, 2, dtype=torch.bool)).dtype == torch.bfloat16


def test_tokens_differ_from_the_start_even_where_all_patches_are_equal():
    body = build()
    body.use_vocabulary(words())
    tokens = body(torch.randn(1, 2, 1, 6).expand(1, 2, 8, 6))[0]
    assert torch.cdist(tokens, tokens).add(torch.eye(4)).min() > 0.1


def test_only_reprogramming_wants_words():
    other = Projector(ProjectorConfig(), 2, 8, 6, 20, 0.03)
    other.use_vocabulary(words(width=5))
    assert not other.needs_vocabulary


def test_errors_name_what_was_given():
    steps, present = torch.randn(5, 2, 8, 6), torch.ones(5, 2, dtype=torch.bool)
    with pytest.raises(ModelError, match="language model's embeddings; give them with use_vocab"):
        projector()(steps, present)
    with pytest.raises(ModelError, match=r"word vectors are 24 wide, .* built for 20"):
        projector().use_vocabulary(words(width=24))
