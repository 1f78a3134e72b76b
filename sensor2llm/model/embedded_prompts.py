"""Prompts as input embeddings for other engines: whole, or the user's content alone.

An engine that takes embeddings within a chat (vLLM's `prompt_embeds` content part) writes the chat
template around the user's content itself. What it is given is then what stands between the marks of
the user's turn, soft prompt and signal tokens included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from jinja2.exceptions import TemplateError as JinjaError
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sensor2llm.adapter.batches import FeatureBatch
from sensor2llm.errors import ConfigError, ModelError
from sensor2llm.llm.chat import SIGNAL, SOFT, Message, merge_system
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.prompt_vectors import PromptBuilder

PromptPart = Literal["all", "user"]
EmbeddedPrompts = tuple[
    Float[Tensor, "batch length width"],
    Int[Tensor, "batch length"],
    Int[Tensor, "batch length"],
]
"""Vectors, attention mask and position ids, padded on the left."""


@dataclass(frozen=True)
class UserContent:
    """Say where the user's content stands among a prompt's tokens.

    Args:
        messages: what the engine is told; the last one's content is what is embedded.
        before: tokens before it.
        after: tokens behind it.
    """

    messages: tuple[Message, ...]
    before: int
    after: int


def embed_prompts(
    build: PromptBuilder,
    features: FeatureBatch,
    question: str | None,
    messages: Sequence[Message] | None,
    part: PromptPart = "all",
) -> EmbeddedPrompts:
    """Give the input embeddings of prompts, or of the user's content in them.

    Args:
        build: of the adapter and its LLM.
        features: of the windows.
        question: the template's `question`.
        messages: a whole conversation instead of the template's.
        part: `all`, or `user`; position ids stay those that the whole prompt has.

    Raises:
        ModelError: embeddings do not hold all that the LLM gets, or the user's content does not
            hold all that the adapter learned, or its tokens are not its own.
        ConfigError: there is no such part.
    """
    if part not in get_args(PromptPart):
        raise ConfigError(f"unknown part {part!r}; choose from {', '.join(get_args(PromptPart))}")
    build.check_embeddable()
    prompt = build.for_messages(features, question, messages)
    n, vectors = len(prompt), prompt.vectors
    mask = torch.ones_like(prompt.positions) if prompt.mask is None else prompt.mask
    mask, positions = mask.expand(n, -1), prompt.positions.expand(n, -1)
    if part == "all":
        return vectors, mask, positions
    contents = user_contents(build, features, question, messages)
    contents = contents * n if len(contents) == 1 else contents
    length = vectors.shape[1]
    spans = [
        (row, slice(length - real + content.before, length - content.after))
        for row, (real, content) in enumerate(zip(mask.sum(1).tolist(), contents, strict=True))
    ]

    def cut(values: Tensor) -> Tensor:
        rows = [values[row, span] for row, span in spans]
        return pad_sequence(rows, batch_first=True, padding_side="left")

    return cut(vectors), cut(mask), cut(positions)


def user_contents(
    build: PromptBuilder,
    features: FeatureBatch,
    question: str | None,
    messages: Sequence[Message] | None,
) -> list[UserContent]:
    """Find the user's content in the prompt of each window; one for all where they share it."""
    if messages is not None:
        return [find_user_content(build.llm, messages)]
    shared_question = None if features.requests else question
    rows = build.prompting.row_messages(features, shared_question)
    rows = rows[:1] if features.shares_prompt else rows
    return [find_user_content(build.llm, row) for row in rows]


def find_user_content(llm: FrozenLLM, messages: Sequence[Message]) -> UserContent:
    """Find the tokens of the last message's content in a rendered conversation.

    Raises:
        ModelError: the last message is not the user's, others hold placeholders, the LLM's own
            template writes another text, or tokens reach over the content's ends.
    """
    whole = llm.render(messages)
    plain = next((m for m in (messages, merge_system(messages)) if _writes(llm, m, whole)), None)
    if plain is None:
        raise ModelError(
            f"the chat template of {llm.name} does not write this prompt by itself, so an engine "
            "would not; give it whole prompts (part='all')"
        )
    if plain[-1]["role"] != "user" or any(SOFT in m["content"] or SIGNAL in m["content"]
                                          for m in plain[:-1]):  # fmt: skip
        raise ModelError(
            "soft prompt and signal tokens stand outside of the last user message; give the engine "
            "whole prompts (part='all')"
        )
    content = plain[-1]["content"]
    content = content if content in whole else content.strip()  # some templates trim it
    start = whole.rfind(content)
    ids, before = llm.encode(whole), llm.encode(whole[:start])
    after = llm.encode(whole[start + len(content) :])
    if ids[: len(before)] != before or ids[len(ids) - len(after) :] != after:
        raise ModelError(
            f"the tokenizer of {llm.name} joins the user's content to what stands around it; give "
            "the engine whole prompts (part='all')"
        )
    return UserContent(tuple(plain), len(before), len(after))


def _writes(llm: FrozenLLM, messages: Sequence[Message], text: str) -> bool:
    """Say whether the LLM's own template alone writes a text."""
    options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    try:
        return bool(llm.tokenizer.apply_chat_template(list(messages), **options) == text)
    except JinjaError:
        return False
