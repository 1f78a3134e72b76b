"""Score labels as answers: all in one forward over a tree, or each alone.

    scores = score_labels(llm, prompt, tree, answers)
    scores = score_likely_labels(llm, prompt, tree, answers, prior)     in use, of many labels

The two ways are equal wherever a family takes a tree's mask; `FrozenLLM.shortcuts` says whether it
does. A token's log-probability is over the whole vocabulary.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sensor2llm.llm.forward import Prompt, run_tail
from sensor2llm.llm.label_tree import LabelTree
from sensor2llm.llm.language_model import LanguageModel

LARGE_TREE = 128
"""Nodes from which on a tree is expanded best first in use."""
FIRST_NODES, MORE_NODES = 4, 2
"""Nodes of a window that are expanded first, and how many times as many in each further round."""
UNLIKELY_SHARE = 1e-3
"""Labels that have together at most this share of the probability are left as they are."""
MOST_POSITIONS = 2**14
"""Positions that windows with a large tree may take together."""


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
    if _takes_tree(llm, prompt, tree):
        return score_tree(llm, prompt, tree)
    return score_each(llm, prompt, answers)


@torch.no_grad()
def score_likely_labels(
    llm: LanguageModel,
    prompt: Prompt,
    tree: LabelTree,
    answers: Sequence[Sequence[int]],
    prior: Sequence[float],
    temperature: float = 1.0,
) -> Float[Tensor, "batch label"]:
    """Give the log-likelihood of the labels that matter, and of the others at least as much.

    Labels of a large tree are expanded best first, until the others have together at most
    `UNLIKELY_SHARE` of the probability and none of them can be the best. Those get what bounds
    them. Small trees, and what cannot be run in steps, are `score_labels`'.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`.
        tree: of all labels.
        answers: the same labels' token ids, end of turn included.
        prior: what is taken off each label's score before labels are compared.
        temperature: what their difference is divided by before they become probabilities.
    """
    large = len(tree) >= LARGE_TREE and prompt.layer_hooks.cross_attention is None
    if not (large and _takes_tree(llm, prompt, tree) and llm.shortcuts().steps):  # tried last
        return score_labels(llm, prompt, tree, answers)
    scores = torch.empty(len(prompt), len(prior), device=llm.device)
    for group in prompt.groups(llm, len(tree)):
        positions = prompt.vectors.shape[1] + len(tree)
        most = max(1, MOST_POSITIONS // positions) if prompt.mask is None else len(group)
        for start in range(0, len(group), most):
            rows = group[start : start + most]
            part = prompt if len(rows) == len(prompt) else prompt.select(rows)
            search = LabelSearch(llm, part, tree, scores.new_tensor(prior), temperature)
            scores[rows] = search.run()
    return scores


def _takes_tree(llm: LanguageModel, prompt: Prompt, tree: LabelTree) -> bool:
    able = llm.shortcuts(prompt.length + len(tree))
    return able.tree if prompt.mask is None else able.padded_tree


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
    nodes, (places, tokens) = torch.tensor([tree.tokens], device=llm.device), tree.edges
    edges, _ = next_log_probs(llm, prompt, nodes, places, tokens, tree)
    return tree.log_likelihoods(edges)


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
        steps, _ = next_log_probs(llm, prompt, ids[:, :-1], torch.arange(len(answer)), ids)
        scores.append(steps.sum(-1))
    return torch.stack(scores, dim=1)


def next_log_probs(
    llm: LanguageModel,
    prompt: Prompt,
    tail_ids: Int[Tensor, "row tail"],
    places: Int[Tensor, " edge"],
    tokens: Int[Tensor, "... edge"],
    tree: LabelTree | None = None,
    *,
    states: bool = False,
) -> tuple[Float[Tensor, "batch edge"], Float[Tensor, "batch place hidden"]]:
    """Give log-probabilities of tokens behind a prompt, and where wanted the last hidden states.

    Args:
        llm: the frozen LLM.
        prompt: of `assemble`.
        tail_ids: tokens after the prompt, as `sensor2llm.llm.forward.tail_logits` takes them.
        places: which position each token follows; 0 is the prompt's last.
        tokens: one row for all, or one a window.
        tree: of the tail; None for a plain, causal one.
        states: whether hidden states are wanted.
    """
    whole = llm.runner.fits_whole(len(prompt), 1 + tail_ids.shape[1])
    outputs, hidden = run_tail(llm, prompt, tail_ids, tree, states=states, head=whole)
    n, device = len(prompt), outputs.device
    places, tokens = places.to(device).expand(n, -1), tokens.to(device).expand(n, -1)
    return llm.runner.log_probs(outputs, places, tokens, whole), hidden


class LabelSearch:
    """Expand the labels of a tree best first, for all windows of a prompt together.

    What is not expanded has probability 1 at most: the sum of what is known of a label bounds its
    log-likelihood. Nodes are run behind the cached prompt; each sees it and its own ancestors.

    Args:
        llm: the frozen LLM, which takes a tree's mask and a cache.
        prompt: rows that may share a forward.
        tree: of all labels.
        prior: what is taken off each label's score before labels are compared.
        temperature: what their difference is divided by before they become probabilities.
    """

    def __init__(
        self, llm: LanguageModel, prompt: Prompt, tree: LabelTree, prior: Tensor, temperature: float
    ) -> None:
        self.llm, self.tree, self.prior, self.temperature = llm, tree, prior, temperature
        (self.places, self.edge_tokens), n = tree.edges.to(llm.device), len(prompt)
        self.members, self.visible = tree.members.to(llm.device), tree.visible.to(llm.device)
        paths = (torch.tensor([*tree.path(label), end]) for label, end in enumerate(tree.ends))
        self.paths = pad_sequence(list(paths), batch_first=True).to(llm.device)
        self.prompt, self.rows = prompt, torch.arange(n, device=llm.device)
        self.edges = self.prior.new_zeros(n, self.places.shape[0])
        self.expanded = torch.zeros(n, len(tree), dtype=torch.bool, device=llm.device)
        # The node at each position behind the prompt; -1 where a window has fewer than others.
        self.slots = self.rows.new_empty(n, 0)
        self.cache = prompt.prefix.cache(n) if prompt.prefix else llm.runner.new_cache()

    def run(self) -> Float[Tensor, "batch label"]:
        """Give every label's log-likelihood, or what bounds it."""
        scores = self.prior.new_empty(len(self.rows), len(self.prior))
        self._run_prompt()
        count = FIRST_NODES
        while len(self.rows):
            likely = self.tree.log_likelihoods(self.edges)
            opened = (~self.expanded)[:, None].logical_and(self.members).any(-1)
            going = ~_settled((likely - self.prior) / self.temperature, opened)
            scores[self.rows[~going]] = likely[~going]
            self._select(going)
            if len(self.rows):
                bounds = (likely - self.prior).masked_fill(~opened, -torch.inf)[going]
                self._expand(self._best_nodes(bounds, count))
            count *= MORE_NODES
        return scores

    def _best_nodes(
        self, bounds: Float[Tensor, "batch label"], count: int
    ) -> Bool[Tensor, "batch node"]:
        """Choose the nodes that come next on the paths of the labels with the highest bounds.

        A node that leads to one label alone is followed to its end.
        """
        done = (self.expanded.float() @ self.members.T.float()).long()
        following = self.paths.expand(len(bounds), -1, -1).gather(2, done[..., None])[..., 0]
        best = bounds.new_full(self.expanded.shape, -torch.inf)
        best = best.scatter_reduce(1, following, bounds, "amax")
        values, nodes = best.topk(min(count, len(self.tree)))
        chosen = torch.zeros_like(self.expanded).scatter(1, nodes, ~values.isneginf())
        alone = chosen & (self.members.sum(0) == 1)
        return chosen | ((alone.float() @ self.visible.T.float()) > 0)

    def _run_prompt(self) -> None:
        """Run the prompt itself; what follows it is known of every window."""
        prompt, (n, rest, _) = self.prompt, self.prompt.vectors.shape
        positions = prompt.positions[:, -rest:].expand(n, -1)
        mask = None if prompt.mask is None else prompt.mask.expand(n, -1)
        last = torch.tensor([rest - 1], device=self.llm.device)
        places = torch.where(self.places == 0, 0, -1).expand(n, -1)
        self._run(prompt.vectors, prompt.ids, mask, positions, last, places)

    def _expand(self, wanted: Bool[Tensor, "batch node"]) -> None:
        """Run nodes whose ancestors are run, or among them, for each window its own."""
        n, most = len(wanted), int(wanted.sum(1).max())
        nodes = wanted.int().argsort(dim=1, descending=True, stable=True)[:, :most]
        is_node = wanted.gather(1, nodes)
        self.expanded |= wanted
        self.slots = torch.cat([self.slots, torch.where(is_node, nodes, -1)], dim=1)
        tokens = torch.tensor(self.tree.tokens, device=self.llm.device)[nodes]
        depths = torch.tensor(self.tree.depths, device=self.llm.device)[nodes]
        # Where each edge begins among these positions: behind none, or behind one of the nodes.
        starts = self.slots.new_full((n, 1 + len(self.tree)), -1)
        starts.scatter_(1, 1 + nodes, torch.arange(most, device=nodes.device).where(is_node, -1))
        vectors = self.llm.embed(tokens).to(self.prompt.vectors.dtype)
        positions = self.prompt.positions[:, -1:] + 1 + depths
        last = torch.arange(most, device=nodes.device)
        mask = self._mask(nodes, vectors.dtype)
        self._run(vectors, tokens, mask, positions, last, starts[:, self.places])

    def _mask(
        self, nodes: Int[Tensor, "batch node"], dtype: torch.dtype
    ) -> Float[Tensor, "batch 1 node all"]:
        """Let each node see the prompt without its padding, its ancestors and itself."""
        prompt, (n, most) = self.prompt, nodes.shape
        ancestors = self.visible[nodes[:, :, None], self.slots.clamp(0)[:, None]]
        ancestors = ancestors & (self.slots >= 0)[:, None]
        before = torch.ones_like(prompt.positions) if prompt.mask is None else prompt.mask
        seen = torch.cat([before.bool()[:, None].expand(n, most, -1), ancestors], dim=2)
        mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return mask.masked_fill(~seen, torch.finfo(dtype).min)[:, None]

    def _run(
        self, vectors: Tensor, ids: Tensor | None, mask: Tensor | None, positions: Tensor,
        last: Tensor, starts: Int[Tensor, "batch edge"],
    ) -> None:  # fmt: skip
        """Run positions behind what is cached, and note the log-probabilities of their edges."""
        runner = self.llm.runner
        whole = runner.fits_whole(len(vectors), len(last))
        with self.prompt.layer_hooks.attached(self.llm):
            options = {"mask": mask, "positions": positions, "cache": self.cache}
            outputs = self.llm.run(vectors, ids, **options, places=last, head=whole).logits
        tokens = self.edge_tokens.expand(len(vectors), -1)
        self.edges = self.edges + runner.log_probs(outputs, starts, tokens, whole)

    def _select(self, going: Bool[Tensor, " batch"]) -> None:
        """Go on with some windows alone."""
        if bool(going.all()):
            return
        rows = going.nonzero()[:, 0]
        self.rows, self.edges, self.slots = self.rows[rows], self.edges[rows], self.slots[rows]
        self.expanded = self.expanded[rows]
        self.cache.batch_select_indices(rows)
        prompt, mask = self.prompt, self.prompt.mask
        if len(prompt.positions) > 1:
            mask = None if mask is None else mask[rows]
            prompt = replace(prompt, positions=prompt.positions[rows], mask=mask)
        self.prompt = replace(prompt, vectors=prompt.vectors[rows])


def _settled(
    scores: Float[Tensor, "batch label"], opened: Bool[Tensor, "batch label"]
) -> Bool[Tensor, " batch"]:
    """Say of which windows the labels that are still open, by their bounds, do not matter."""
    bounds, known = scores.masked_fill(~opened, -torch.inf), scores.masked_fill(opened, -torch.inf)
    share = (bounds.logsumexp(-1) - known.logsumexp(-1)).exp()
    return (share <= UNLIKELY_SHARE) & (bounds.amax(-1) < known.amax(-1))
