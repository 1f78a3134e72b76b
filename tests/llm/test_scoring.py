"""Many labels: the output head in parts, and a large tree expanded best first."""

import pytest
import torch

from sensor2llm.llm import runner, scoring
from sensor2llm.llm.checks.shortcuts import Shortcuts
from sensor2llm.llm.forward import assemble, prompt_rows, rows_after
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.prefix import compute_prefix
from sensor2llm.llm.scoring import score_each, score_labels, score_likely_labels, score_tree
from tests.llm.tiny import FAMILIES
from tests.models import tiny_llm

END, LABELS = 2, [[i, *range(40, 40 + i % 3), j] for i in range(5, 15) for j in (20, 21, 22)]
TREE, ANSWERS = LabelTree.build(LABELS, END), [[*ids, END] for ids in LABELS]
EVEN, PADDED = [[5, 6, 7, 8], [5, 6, 9, 10], [5, 6, 11, 12]], [[5, 6, 7, 8], [5, 6, 9], [5, 6, 7]]


def prompt_of(llm, rows, cached=False):
    prefix = compute_prefix(llm, rows[0][:3]) if cached else None
    ready = rows_after(llm, rows, prefix) if prefix else prompt_rows(llm, rows)
    return assemble(llm, ready, None, None, batch=len(rows), prefix=prefix)


@pytest.fixture
def in_parts(monkeypatch):
    """Let the logits of two places of three rows be all that is computed at once."""
    monkeypatch.setattr(runner, "MOST_LOGITS", 6 * 300)
    monkeypatch.setattr(runner, "MOST_TRAINED_LOGITS", 6 * 300)
    monkeypatch.setitem(runner.MOST_FLOATS, "cpu", 400)


# --- the output head in parts


@pytest.mark.parametrize("family", FAMILIES)
def test_the_head_in_parts_gives_the_scores_of_whole_logits(family, request):
    llm = tiny_llm(family)
    prompt = prompt_of(llm, EVEN)
    with torch.no_grad():
        whole = [score_tree(llm, prompt, TREE), score_each(llm, prompt, ANSWERS[:4])]
        request.getfixturevalue("in_parts")
        assert not llm.runner.fits_whole(3, len(TREE))
        parts = [score_tree(llm, prompt, TREE), score_each(llm, prompt, ANSWERS[:4])]
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)


def test_no_more_logits_than_that_are_computed_at_once(in_parts, monkeypatch):
    llm, sizes, contiguous = tiny_llm(), [], []
    assert llm.runner.splits_head
    logits = runner.ModelRunner.logits
    monkeypatch.setattr(
        runner.ModelRunner,
        "logits",
        lambda self, states: sizes.append((out := logits(self, states)).numel()) or out,
    )
    whole = llm.model.get_output_embeddings()
    hook = whole.register_forward_hook(
        lambda _, given, out: (
            sizes.append(out.numel()) or contiguous.append(given[0].is_contiguous())
        )
    )
    with torch.no_grad():
        score_tree(llm, prompt_of(llm, EVEN), TREE)
    hook.remove()
    assert all(contiguous)  # on others a CPU's bfloat16 head takes tens of times as long
    one_place = 3 * llm.runner.vocabulary
    assert max(sizes) <= max(runner.MOST_LOGITS, one_place)
    assert sum(sizes) >= 2 * one_place * (1 + len(TREE))


def test_gradients_are_those_of_whole_logits(request):
    llm, gradients = tiny_llm(), []
    for fixture in (None, "in_parts"):
        if fixture:
            request.getfixturevalue(fixture)
        prompt = prompt_of(llm, EVEN)
        vectors = prompt.vectors.clone().requires_grad_()
        object.__setattr__(prompt, "vectors", vectors)
        score_labels(llm, prompt, TREE, ANSWERS).log_softmax(-1)[:, 3].sum().backward()
        gradients.append(vectors.grad)
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_log_probabilities_are_over_the_whole_vocabulary_in_float32(dtype):
    logits = torch.randn(2, 3, 50).to(dtype)
    places, tokens = torch.tensor([[0, 2, 2, -1], [1, 0, 3, 2]]), torch.randint(50, (2, 4))
    logs = logits.float().log_softmax(-1)
    expected = [
        [logs[row, at, token] if 0 <= at < 3 else 0.0 for at, token in zip(*pair, strict=True)]
        for row, pair in enumerate(zip(places.tolist(), tokens.tolist(), strict=True))
    ]
    output = runner._log_probs(logits, places, tokens)
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, torch.tensor(expected), atol=1e-6, rtol=1e-5)


def test_a_head_that_does_more_than_its_forward_says_is_not_split(monkeypatch):
    llm = tiny_llm("gpt2")
    own = runner.ModelRunner(llm.model)
    monkeypatch.setattr(own, "logits", lambda states: states)
    assert not own.splits_head
    monkeypatch.setattr(runner, "MOST_TRAINED_LOGITS", 1)
    assert own.fits_whole(64, 200)


def test_training_holds_more_logits_before_it_computes_parts_twice():
    llm, batch = tiny_llm(), runner.MOST_LOGITS // (100 * tiny_llm().runner.vocabulary) + 1
    assert llm.runner.fits_whole(batch, 100)
    with torch.no_grad():
        assert not llm.runner.fits_whole(batch, 100)
        assert llm.runner.fits_whole(batch - 1, 100)


# --- best first


def search(llm, prompt, prior, monkeypatch, first=2):
    """Give scores by the search, and how many nodes of each window it expanded."""
    expanded, expand = [], scoring.LabelSearch._expand
    monkeypatch.setattr(scoring, "LARGE_TREE", 2)
    monkeypatch.setattr(scoring, "FIRST_NODES", first)
    monkeypatch.setattr(
        scoring.LabelSearch,
        "_expand",
        lambda self, wanted: expanded.append(int(wanted.sum())) or expand(self, wanted),
    )
    return score_likely_labels(llm, prompt, TREE, ANSWERS, prior), sum(expanded)


@pytest.mark.parametrize("rows", [EVEN, PADDED])
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_likely_labels_get_the_scores_of_the_whole_tree(family, cached, rows, monkeypatch):
    llm = tiny_llm(family)
    prompt = prompt_of(llm, rows, cached)
    with torch.no_grad():
        exact = score_labels(llm, prompt, TREE, ANSWERS)
    # A prior that lets some labels stand out, others in each window.
    prior = exact.mean(0) + torch.linspace(0, 300, len(LABELS))
    scores, nodes = search(llm, prompt, prior.tolist(), monkeypatch)
    best = (exact - prior).argmax(-1)
    assert (scores - prior).argmax(-1).tolist() == best.tolist()
    pairs = [(part - prior).softmax(-1).gather(1, best[:, None]) for part in (scores, exact)]
    torch.testing.assert_close(*pairs, atol=1e-3, rtol=0)
    exactly = (scores - exact).abs() < 1e-4
    assert bool((exactly | (scores > exact)).all())
    assert bool(exactly.gather(1, best[:, None]).all())
    assert 0 < nodes < len(prompt) * len(TREE)


def test_windows_in_which_nothing_stands_out_get_the_whole_tree(monkeypatch):
    llm = tiny_llm()
    prompt = prompt_of(llm, EVEN)
    with torch.no_grad():
        exact = score_labels(llm, prompt, TREE, ANSWERS)
    scores, nodes = search(llm, prompt, exact.mean(0).tolist(), monkeypatch)
    torch.testing.assert_close(scores, exact, atol=1e-4, rtol=0)
    assert nodes == len(EVEN) * len(TREE)


def test_each_window_goes_on_for_as_long_as_it_needs(monkeypatch):
    """Windows leave the search one by one; each keeps its own row of everything."""
    llm = tiny_llm()
    prompt = prompt_of(llm, [*EVEN, [5, 6, 30, 31], [5, 6, 33, 34]])
    with torch.no_grad():
        exact = score_labels(llm, prompt, TREE, ANSWERS)
    prior = exact[1] + 8 * torch.arange(len(LABELS)).remainder(2)  # the second window: all alike
    scores, _ = search(llm, prompt, prior.tolist(), monkeypatch, first=1)
    shares = [(part - prior).softmax(-1) for part in (scores, exact)]
    torch.testing.assert_close(*shares, atol=1e-3, rtol=0)


def test_few_positions_at_once_change_nothing(monkeypatch):
    llm = tiny_llm()
    prompt, prior = prompt_of(llm, EVEN), torch.linspace(-30, 30, len(LABELS)).tolist()
    together, _ = search(llm, prompt, prior, monkeypatch)
    monkeypatch.setattr(scoring, "MOST_POSITIONS", 1)
    torch.testing.assert_close(search(llm, prompt, prior, monkeypatch)[0], together)


@pytest.mark.parametrize("without", [{"tree": False}, {"steps": False}])
def test_a_model_that_takes_no_tree_or_no_steps_scores_all_labels(without, monkeypatch):
    llm = tiny_llm().with_shortcuts(Shortcuts(**without))
    prompt = prompt_of(llm, EVEN)
    scores, nodes = search(llm, prompt, [0.0] * len(LABELS), monkeypatch)
    with torch.no_grad():
        torch.testing.assert_close(scores, score_labels(llm, prompt, TREE, ANSWERS))
    assert nodes == 0


def test_a_small_tree_is_scored_whole(monkeypatch):
    llm = tiny_llm()
    assert len(TREE) < scoring.LARGE_TREE
    monkeypatch.setattr(scoring, "LabelSearch", None)
    scores = score_likely_labels(llm, prompt_of(llm, EVEN), TREE, ANSWERS, [0.0] * len(LABELS))
    with torch.no_grad():
        assert torch.equal(scores, score_labels(llm, prompt_of(llm, EVEN), TREE, ANSWERS))
