"""The label tree: shared beginnings once, nobody sees a sibling, and every label ends its turn."""

import pytest
import torch

from sensor2llm.errors import ConfigError
from sensor2llm.llm.forward import assemble, prompt_rows, tail_logits
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.scoring import score_each, score_tree
from tests.models import tiny_llm

LABELS = [[5], [5, 6], [5, 6, 7], [8, 6], [8, 7]]


def test_labels_share_the_nodes_that_they_begin_with():
    tree = LabelTree.build(LABELS, end_id=2)
    assert len(tree) == 6
    assert tree.tokens == (5, 6, 7, 8, 6, 7)
    assert tree.parents == (-1, 0, 1, -1, 3, 3)
    assert tree.depths == (0, 1, 2, 0, 1, 1)
    assert tree.ends == (0, 1, 2, 4, 5)
    assert tree.end_id == 2
    assert [tree.path(label) for label in range(5)] == [[0], [0, 1], [0, 1, 2], [3, 4], [3, 5]]


def test_a_node_sees_its_ancestors_and_itself_and_neither_siblings_nor_children():
    tree = LabelTree.build(LABELS, end_id=2)
    assert [torch.where(row)[0].tolist() for row in tree.visible] == [
        [0], [0, 1], [0, 1, 2], [3], [3, 4], [3, 5],
    ]  # fmt: skip


def test_scores_are_those_of_plain_loops_and_end_where_the_label_ends():
    tree = LabelTree.build(LABELS, end_id=2)
    logs = torch.randn(3, 1 + len(tree), 9).log_softmax(-1)
    expected = []
    for label, ids in enumerate(LABELS):
        nodes = tree.path(label)
        places = [0, *(node + 1 for node in nodes)]
        steps = zip(places, [*ids, 2], strict=True)
        expected.append(sum(logs[:, place, token] for place, token in steps))
    places, tokens = tree.edges
    found = tree.log_likelihoods(logs[:, places, tokens])
    torch.testing.assert_close(found, torch.stack(expected, dim=1))
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([[5], []], ("a", "b"), "label 'b' is empty as text; give it a text in label_texts"),
        ([[5], []], None, "label '1' is empty as text; give it a text in label_texts"),
        (
            [[5, 6], [7], [5, 6]],
            ("run", "sit", "jog"),
            "labels 'run' and 'jog' are the same text to the LLM; give one of them another text "
            "in label_texts",
        ),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(labels, names, message):
    with pytest.raises(ConfigError) as caught:
        LabelTree.build(labels, 2, names)
    assert str(caught.value) == message


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_each_node_computes_what_its_own_row_computes(family):
    """A sibling that were seen, or a position that were the node's number, would change these."""
    llm, tree = tiny_llm(family), LabelTree.build(LABELS, end_id=2)
    prompt = assemble(llm, prompt_rows(llm, [[11, 12, 13]]), None, None, batch=1)
    with torch.no_grad():
        nodes = tail_logits(llm, prompt, torch.tensor([tree.tokens]), tree)[0]
        for label, end in enumerate(tree.ends):
            row = tail_logits(llm, prompt, torch.tensor([LABELS[label]]))[0]
            torch.testing.assert_close(nodes[1 + end], row[-1], atol=1e-5, rtol=0)
        answers = [[*ids, 2] for ids in LABELS]
        together, each = score_tree(llm, prompt, tree), score_each(llm, prompt, answers)
    torch.testing.assert_close(together, each, atol=2e-5, rtol=0)
