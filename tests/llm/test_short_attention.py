"""Attention over short rows: equal to torch's own, in scores and gradients, padded or not."""

import pytest
import torch

from sensor2llm.llm.forward import assemble, prompt_rows, tail_logits
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.scoring import score_tree
from sensor2llm.llm.short_attention import FAMILIES, LONGEST, NAME
from tests.llm.tiny import FAMILIES as TINY
from tests.llm.tiny import tiny_folder

TREE = LabelTree.build([[5, 6], [5, 7], [8]], end_id=2)


def pair(family: str) -> tuple[FrozenLLM, FrozenLLM]:
    """Give the same model with the short attention and with torch's."""
    load = {"dtype": "float32", "device": "cpu"}
    folder = str(tiny_folder(family))
    return FrozenLLM.load(folder, **load), FrozenLLM.load(folder, **load, attention="sdpa")


def implementation(llm: FrozenLLM) -> str:
    return llm.model.config._attn_implementation


@pytest.mark.parametrize("family", TINY)
def test_plain_families_take_it_and_others_stay_as_they_are(family):
    taken = implementation(FrozenLLM.load(str(tiny_folder(family)), device="cpu"))
    assert (taken == NAME) == (family in FAMILIES)


def test_what_a_person_chooses_stays():
    assert [implementation(llm) for llm in pair("llama")] == [NAME, "sdpa"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", [[[5, 9, 11, 12]], [[5, 9, 11, 12], [5, 9, 13], [5, 9, 3, 4, 6]]])
@pytest.mark.parametrize("cached", [True, False])
def test_scores_and_gradients_are_those_of_torchs_attention(family, rows, cached):
    results = []
    for llm in pair(family):
        padded = prompt_rows(llm, rows)
        prefix = compute_prefix(llm, [5, 9, llm.soft_id]) if cached and len(rows) == 1 else None
        prompt = assemble(llm, padded, None, None, batch=max(2, len(rows)), prefix=prefix)
        vectors = prompt.vectors.detach().clone().requires_grad_(True)
        prompt = type(prompt)(**{**vars(prompt), "vectors": vectors})
        scores = score_tree(llm, prompt, TREE)
        tail = tail_logits(llm, prompt, torch.tensor([[7, 8]]))
        (scores.sum() + tail[..., 3].sum()).backward()
        results.append((scores.detach(), tail.detach(), vectors.grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_long_rows_are_torchs_own_to_the_bit():
    logits = []
    for llm in pair("llama"):
        ids = torch.arange(LONGEST + 8)[None] % llm.vocabulary
        with torch.no_grad():
            logits.append(llm.run(llm.embed(ids), ids).logits)
    assert logits[0].equal(logits[1])
