"""Score labels as answers: all in one forward over a tree, or each alone.

The two are equal wherever a family takes a tree's mask; `FrozenLLM.shortcuts` says whether it does.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sensor2llm.llm.forward import Prompt, tail_logits
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.language_model import LanguageModel


def score_labels(
    llm: LanguageModel, prompt: Prompt, tree: LabelTree, answers: Sequence[Sequence[int]]
) -> Float[Tensor, "batch label"]:
    """Give every label's log-likelihood, end of turn included, the fastest way that is right.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`.
        tree: of all labels.
        answers: the same labels' token ids, end of turn included.
    """
    able = llm.shortcuts(prompt.length + len(tree))
    if able.tree if prompt.mask is None else able.padded_tree:
        return score_tree(llm, prompt, tree)
    return score_each(llm, prompt, answers)


def score_answers(
    llm: LanguageModel, prompt: Prompt, text: str, answers: Sequence[str]
) -> dict[str, float]:
    """Give the probability of each of some answers behind one prompt, against each other.

    Args:
        llm: the frozen LLM.
        prompt: of one row.
        text: what the row was encoded from.
        answers: different texts.

    Raises:
        ConfigError: two answers are the same to the LLM, or one is empty.
    """
    ids = [llm.answer_ids(text, answer) for answer in answers]
    tree = LabelTree.build([row[:-1] for row in ids], llm.end_of_turn_id, answers)
    (shares,) = score_labels(llm, prompt, tree, ids).softmax(-1).tolist()
    return dict(zip(answers, shares, strict=True))


def score_tree(llm: LanguageModel, prompt: Prompt, tree: LabelTree) -> Float[Tensor, "batch label"]:
    """Give every label's log-likelihood, end of turn included, from one forward."""
    nodes = torch.tensor([tree.tokens], device=llm.device)
    return tree.log_likelihoods(tail_logits(llm, prompt, nodes, tree))


def score_each(
    llm: LanguageModel, prompt: Prompt, answers: Sequence[Sequence[int]]
) -> Float[Tensor, "batch label"]:
    """Give every answer's log-likelihood from a forward of its own.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`.
        answers: token ids of each label, end of turn included.
    """
    scores = []
    for answer in answers:
        ids = torch.tensor([list(answer)], device=llm.device)
        logits = tail_logits(llm, prompt, ids[:, :-1]).float()
        targets = ids[..., None].expand(len(prompt), -1, -1)
        chosen = logits.gather(-1, targets).squeeze(-1) - logits.logsumexp(-1)
        scores.append(chosen.sum(-1))
    return torch.stack(scores, dim=1)
