"""The label tree: what each node sees, and where each label ends."""

import pytest
import torch

from sensor2llm.errors import ConfigError
from sensor2llm.llm.forward import assemble, prompt_rows, tail_logits
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.scoring import score_each, score_tree
from tests.models import tiny_llm

# walk, walk up, walk down, run, walk up fast: shared beginnings, siblings, a label inside another.
LABELS = [[5], [5, 6], [5, 7], [8], [5, 6, 9]]
END = 2


@pytest.fixture
def tree() -> LabelTree:
    return LabelTree.build(LABELS, END)


def test_labels_share_their_beginnings(tree):
    assert tree.tokens == (5, 6, 7, 8, 9)
    assert tree.parents == (-1, 0, 0, -1, 1)
    assert tree.depths == (0, 1, 1, 0, 2)
    assert tree.ends == (0, 1, 2, 3, 4)
    assert [tree.path(label) for label in range(5)] == [[0], [0, 1], [0, 2], [3], [0, 1, 4]]


def test_a_node_sees_its_ancestors_and_itself_and_no_sibling(tree):
    assert tree.visible.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [1, 1, 0, 0, 1],
    ]


def test_an_end_of_turn_is_predicted_at_the_labels_own_last_node(tree):
    logits = torch.full((1, 1 + len(tree), 10), -50.0)
    for label, end in enumerate(tree.ends):
        # One label after the other ends for certain at its last node, and nowhere else.
        only = logits.clone()
        only[0, 1 + end, END] = 50.0
        scores = tree.log_likelihoods(only)[0]
        steps = torch.tensor([float(len(ids)) for ids in LABELS])
        uniform = torch.log(torch.tensor(10.0))
        expected = -uniform * (steps + 1)
        for other in range(len(LABELS)):
            if end in tree.path(other)[:-1]:
                expected[other] -= 100 - uniform  # its next token is ruled out there
        expected[label] += uniform
        torch.testing.assert_close(scores, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_each_node_computes_what_its_own_row_computes(family, tree):
    """A sibling that were seen, or a position that were the node's number, would change these."""
    llm = tiny_llm(family)
    prompt = assemble(llm, prompt_rows(llm, [[11, 12, 13]]), None, None, batch=1)
    with torch.no_grad():
        nodes = tail_logits(llm, prompt, torch.tensor([tree.tokens]), tree)[0]
        for label, end in enumerate(tree.ends):
            row = tail_logits(llm, prompt, torch.tensor([LABELS[label]]))[0]
            torch.testing.assert_close(nodes[1 + end], row[-1], atol=1e-5, rtol=0)
        answers = [[*ids, END] for ids in LABELS]
        together, each = score_tree(llm, prompt, tree), score_each(llm, prompt, answers)
    torch.testing.assert_close(together, each, atol=2e-5, rtol=0)


def test_empty_and_equal_labels_are_refused():
    with pytest.raises(ConfigError, match="label 'b' is empty as text; give it a text"):
        LabelTree.build([[5], []], END, names=("a", "b"))
    with pytest.raises(ConfigError, match="labels 'a' and 'b' are the same text to the LLM"):
        LabelTree.build([[5], [5]], END, names=("a", "b"))
