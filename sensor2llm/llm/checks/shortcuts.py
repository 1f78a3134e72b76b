"""Which shortcuts give a language model's own numbers: cached text, padded rows, a label tree.

Families differ in what they take: a recurrent state reads padding as input, a sliding window counts
padding as text, a model with a mask of its own sees the whole label tree.
`sensor2llm.llm.checks.trial` tries each shortcut against the plain forward; what does not hold is
left out, so that an LLM is slower rather than wrong.
"""

from dataclasses import dataclass
from typing import Protocol

# Shortcuts are tried at these lengths; a prompt's own decides which trial counts.
LENGTHS = tuple(2**power for power in range(6, 18))


class SupportedShortcuts(Protocol):
    """Say which shortcuts may be taken; a trial says so, or `Shortcuts`."""

    @property
    def prefix(self) -> bool:
        """Say whether keys and values of what precedes the first slot can be computed once."""

    @property
    def padding(self) -> bool:
        """Say whether rows of different length can share a forward, padded on the left."""

    @property
    def padded_prefix(self) -> bool:
        """Say whether they can behind a cached prefix, where padding stands between both."""

    @property
    def tree(self) -> bool:
        """Say whether all labels can be scored in one forward, on rows of one length."""

    @property
    def padded_tree(self) -> bool:
        """Say whether they can on rows of different length."""

    @property
    def steps(self) -> bool:
        """Say whether a token that follows can be run on a cache of what came before."""

    @property
    def generate(self) -> bool:
        """Say whether transformers' `generate` computes what the plain forward computes."""


@dataclass(frozen=True, kw_only=True)
class Shortcuts:
    """Take the shortcuts that are named, without a trial; see `SupportedShortcuts`."""

    prefix: bool = True
    padding: bool = True
    padded_prefix: bool = True
    tree: bool = True
    padded_tree: bool = True
    steps: bool = True
    generate: bool = True


def trial_length(length: int, *limits: int | None) -> int:
    """Give the length at which shortcuts for a prompt are tried.

    Args:
        length: of the prompt and what follows it.
        limits: a trial at most so long says all, for prompts that are not longer (a context, a
            sliding window); None for no limit.
    """
    limits_above = [limit for limit in limits if limit is not None and length <= limit]
    edge = next((edge for edge in LENGTHS if length <= edge), length)
    return min([edge, *limits_above])
