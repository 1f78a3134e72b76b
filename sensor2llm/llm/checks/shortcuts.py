"""Which shortcuts give a language model's own numbers: cached text, padded rows, a label tree.

Families differ in what they take: a recurrent state reads padding as input, a sliding window counts
padding as text, a model with a mask of its own sees the whole label tree.
`sensor2llm.llm.checks.trial` tries each shortcut against the plain forward; what does not hold is
left out, so that an LLM is slower rather than wrong.
"""

from dataclasses import dataclass

# Shortcuts are tried at these lengths; a prompt's own decides which trial counts.
LENGTHS = tuple(2**power for power in range(6, 18))


@dataclass(frozen=True, kw_only=True)
class Shortcuts:
    """Say which shortcuts are taken.

    Args:
        prefix: keys and values of what precedes the first slot are computed once.
        padding: rows of different length share a forward, padded on the left.
        padded_prefix: the same behind a cached prefix, where padding stands between both.
        tree: all labels are scored in one forward.
        padded_tree: the same, for rows of different length.
        steps: a token that follows is run on a cache of what came before.
        generate: transformers' own `generate` says what the plain forward says.
    """

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
