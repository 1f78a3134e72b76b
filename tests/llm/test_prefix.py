"""What all prompts begin with: where it ends, what is computed anew, that it changes nothing."""

import torch

from sensor2llm.llm.forward import assemble, prompt_rows, tail_logits
from sensor2llm.llm.prefix import PrefixCache, compute_prefix
from tests.models import tiny_llm


def test_what_all_rows_begin_with_is_computed_once():
    llm = tiny_llm()
    cache = PrefixCache(llm)
    first = cache.prefix_of([[5, 6, 7, 8], [5, 6, 9]])
    assert first.length == 2
    assert cache.prefix_of([[5, 6, 3], [5, 6, 4, 4]]) is first
    assert cache.prefix_of([[5, 6], [5, 6, 7]]).length == 1
    assert cache.prefix_of([[4, 6], [5, 6]]) is None
    assert cache.prefix_of([[5, llm.signal_id, 7], [5, llm.signal_id, 8]]).length == 1


def test_a_soft_prompt_that_does_not_change_is_no_slot():
    llm = tiny_llm()
    cache, soft, s = PrefixCache(llm), torch.randn(2, llm.width), llm.soft_id
    rows = [[5, s, s, 6, llm.signal_id, 7], [5, s, s, 6, llm.signal_id, 8, 9]]
    used = cache.prefix_of(rows, soft)
    assert (used.length, used.soft) == (4, True)
    assert cache.prefix_of(rows, soft.clone()) is used
    trained = cache.prefix_of(rows)
    assert (trained.length, trained.soft) == (1, False)
    assert cache.prefix_of(rows) is trained
    assert cache.prefix_of(rows, soft).length == 4
    assert cache.prefix_of(rows, soft + 1) is not used


def test_a_soft_prompt_that_ends_a_prompt_is_run_with_it():
    llm = tiny_llm()
    soft, s = torch.randn(2, llm.width), llm.soft_id
    prefix = compute_prefix(llm, [5, 6, s, s], soft)
    assert (prefix.length, prefix.soft) == (2, False)


def test_a_cached_soft_prompt_changes_no_logit():
    llm = tiny_llm()
    soft, s = torch.randn(2, llm.width), llm.soft_id
    rows = prompt_rows(llm, [[5, s, s, 6, llm.signal_id, 7]])
    signal, tail = torch.randn(3, 1, llm.width), torch.tensor([[8, 9]])
    prefix = compute_prefix(llm, rows.ids[0].tolist(), soft)
    cached = assemble(llm, rows, soft, signal, batch=3, prefix=prefix)
    plain = assemble(llm, rows, soft, signal, batch=3)
    assert cached.vectors.shape[1] == 2
    with torch.no_grad():
        logits = [tail_logits(llm, prompt, tail) for prompt in (cached, plain)]
    torch.testing.assert_close(*logits, atol=1e-5, rtol=0)
