"""Score labels as answers: all in one forward over a tree, or each alone.

The two are equal wherever a family takes a tree's mask and a cached prefix; `choose_paths` tries
both on one row against plain scoring and leaves out what does not hold, so that an LLM with a
mask of its own is slower rather than wrong.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sensor2llm.llm.forward import Prompt, tail_logits
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.label_tree import LabelTree

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Paths:
    """Say which shortcuts give an LLM's own numbers.

    Args:
        prefix: keys and values of what precedes the first slot are computed once.
        tree: all labels are scored in one forward.
    """

    prefix: bool = True
    tree: bool = True


def score_tree(llm: FrozenLLM, prompt: Prompt, tree: LabelTree) -> Float[Tensor, "batch label"]:
    """Give every label's log-likelihood, end of turn included, from one forward."""
    nodes = torch.tensor([tree.tokens], device=llm.device)
    return tree.log_likelihoods(tail_logits(llm, prompt, nodes, tree))


def score_each(
    llm: FrozenLLM, prompt: Prompt, answers: Sequence[Sequence[int]]
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


@torch.no_grad()
def choose_paths(
    llm: FrozenLLM,
    plain: Prompt,
    cached: Prompt,
    tree: LabelTree,
    answers: Sequence[Sequence[int]],
) -> Paths:
    """Find the shortcuts that change nothing, on one row or two.

    Args:
        llm: the frozen LLM.
        plain: rows without a prefix.
        cached: the same rows with their prefix, where they have one.
        tree: of all labels.
        answers: the same labels' token ids, end of turn included.
    """
    # Half a nat is rounding of 16-bit types over a label's tokens; a wrong mask costs more.
    within = 1e-3 if plain.vectors.dtype == torch.float32 else 0.5
    expected = score_each(llm, plain, answers)

    def holds(shortcut: str, score: Callable[[], Tensor]) -> bool:
        try:
            found = score()
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            logger.info("%s goes without %s: %s", llm.name, shortcut, str(error).splitlines()[:1])
            return False
        far = float((found - expected[:, : found.shape[1]]).abs().max())
        if not far <= within:
            logger.info("%s goes without %s: it is %.3g nats off", llm.name, shortcut, far)
        return far <= within

    prefix = cached.prefix is not None and holds(
        "a cached prefix", lambda: score_each(llm, cached, answers[:1])
    )
    used = cached if prefix else plain
    return Paths(prefix=prefix, tree=holds("a label tree", lambda: score_tree(llm, used, tree)))
