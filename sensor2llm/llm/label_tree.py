"""A prefix tree over all labels, so that one forward scores every label.

Each label ends in the end-of-turn token: without it "walking" would always beat "walking upstairs".
A node is one token of one or several labels; it sees the prompt, its ancestors and itself, at the
position that it would have in a plain row. The end-of-turn token is predicted, never fed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sensor2llm.errors import ConfigError


@dataclass(frozen=True)
class LabelTree:
    """Hold the nodes of a prefix tree; a parent stands before its children.

    Args:
        tokens: the token of each node.
        parents: the node before it; -1 for the prompt itself.
        depths: how many tokens come before it in its label.
        ends: the last node of each label.
        end_id: the end-of-turn token.

    Example:
        >>> tree = LabelTree.build([[5], [5, 6]], end_id=2, names=("walking", "walking upstairs"))
        >>> tree.tokens, tree.parents, tree.ends
        ((5, 6), (-1, 0), (0, 1))
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]
    ends: tuple[int, ...]
    end_id: int

    @classmethod
    def build(
        cls, labels: Sequence[Sequence[int]], end_id: int, names: Sequence[str] | None = None
    ) -> "LabelTree":
        """Merge the labels' tokens (without the end-of-turn token) into a tree.

        Raises:
            ConfigError: a label has no token, or two labels have the same tokens.
        """
        names = [str(i) for i in range(len(labels))] if names is None else list(names)
        _check_distinct(labels, names)
        nodes: dict[tuple[int, ...], int] = {}
        for ids in labels:
            for i in range(1, len(ids) + 1):
                nodes.setdefault(tuple(ids[:i]), len(nodes))
        return cls(
            tokens=tuple(path[-1] for path in nodes),
            parents=tuple(nodes.get(path[:-1], -1) for path in nodes),
            depths=tuple(len(path) - 1 for path in nodes),
            ends=tuple(nodes[tuple(ids)] for ids in labels),
            end_id=end_id,
        )

    def __len__(self) -> int:
        return len(self.tokens)

    def path(self, label: int) -> list[int]:
        """Return the nodes of a label, first token first."""
        node, nodes = self.ends[label], []
        while node >= 0:
            nodes.append(node)
            node = self.parents[node]
        return nodes[::-1]

    @cached_property
    def visible(self) -> Bool[Tensor, "node node"]:
        """Return which node (column) each node (row) sees: its ancestors and itself."""
        seen = torch.eye(len(self), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen

    def log_likelihoods(self, edges: Float[Tensor, "batch edge"]) -> Float[Tensor, "batch label"]:
        """Sum log-probabilities along each label's path, its end-of-turn token included.

        Args:
            edges: log-probability of each of `edges`, float32.
        """
        return edges @ self._paths.to(edges.device)

    @cached_property
    def edges(self) -> Int[Tensor, "2 edge"]:
        """Return the place and the token of each edge: to every node, then each label's end.

        Place 0 is the prompt's last position, place 1 + node a node.
        """
        places = [parent + 1 for parent in self.parents] + [end + 1 for end in self.ends]
        return torch.tensor([places, [*self.tokens, *[self.end_id] * len(self.ends)]])

    @cached_property
    def members(self) -> Bool[Tensor, "label node"]:
        """Return which nodes each label consists of."""
        return self.visible[list(self.ends)]

    @cached_property
    def _paths(self) -> Float[Tensor, "edge label"]:
        """Return which edges belong to each label: those to its nodes, and its end."""
        return torch.cat([self.members.T, torch.eye(len(self.ends), dtype=torch.bool)]).float()


def _check_distinct(labels: Sequence[Sequence[int]], names: Sequence[str]) -> None:
    seen: dict[tuple[int, ...], str] = {}
    for ids, name in zip(labels, names, strict=True):
        if not ids:
            raise ConfigError(f"label {name!r} is empty as text; give it a text in label_texts")
        if tuple(ids) in seen:
            raise ConfigError(
                f"labels {seen[tuple(ids)]!r} and {name!r} are the same text to the LLM; "
                "give one of them another text in label_texts"
            )
        seen[tuple(ids)] = name
