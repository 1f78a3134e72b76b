"""What a language model's own tokenizer and chat template make of a conversation.

    chat = Chat(tokenizer)
    prompt = chat.render([{"role": "user", "content": "Activity?"}])
    ids = chat.encode(prompt) + chat.answer_ids(prompt, "walking")

The answer's ids end with the token that ends the assistant's turn.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2.exceptions import TemplateError as JinjaError

from sensor2llm.artefacts.types import is_text
from sensor2llm.errors import ConfigError, ModelError

SOFT, SIGNAL = "<|soft|>", "<|signal|>"
Message = Mapping[str, str]

# For base models: roles in plain words; the end of an answer is the tokenizer's end of text.
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}\n"
    "{% elif message['role'] == 'assistant' %}"
    "Assistant: {{ message['content'] }}{{ eos_token or '' }}\n"
    "{% else %}User: {{ message['content'] }}\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
PROBE = "Qx7"
# <think>, <seed:think>, <reasoning>, [THINK]: what opens a thought at the end of a prompt.
OPEN_THOUGHT = re.compile(r"([<\[])([\w:]*(?:think|thought|reason)\w*)([>\]])\s*\Z", re.IGNORECASE)


class Chat:
    """Render conversations with a model's template, and turn text into token ids.

    The two placeholder tokens are added to the tokenizer only: the model never sees their ids.

    Raises:
        ModelError: for a tokenizer with neither an end of turn nor an end of text, or a chat
            template that cannot be rendered or leaves answers out.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.vocabulary_size = len(tokenizer)
        self.soft_id, self.signal_id = add_placeholders(tokenizer)
        if not tokenizer.chat_template:
            tokenizer.chat_template = PLAIN_TEMPLATE
        first = tokenizer("").input_ids[:1]
        self.adds_bos = tokenizer.bos_token is not None and first == [tokenizer.bos_token_id]
        self.lead, tail = self._around_answer()
        self.end_of_turn_id = self._end_of_turn(tail)

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = True) -> str:
        """Write a conversation as the text that the model was trained on.

        The text begins with the begin-of-text token exactly once where the tokenizer wants one.
        A template that refuses a system message, or leaves it out without a word, gets it in front
        of the first user message. A thought that the template opens is closed.

        Raises:
            ModelError: where the chat template refuses the conversation, or leaves text out.
        """
        try:
            text = self._apply(list(messages), add_generation_prompt)
            whole = _holds_all(text, messages)
        except JinjaError:
            whole = False
        if not whole:
            text = self._apply_merged(messages, add_generation_prompt)
        bos = self.tokenizer.bos_token
        return bos + text if self.adds_bos and not text.startswith(bos) else text

    def _apply_merged(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        merged = merge_system(messages)
        try:
            text = self._apply(merged, add_generation_prompt)
        except JinjaError as error:
            roles = ", ".join(message["role"] for message in messages)
            raise ModelError(
                f"the chat template refuses a conversation of {roles}: {error}"
            ) from error
        if not _holds_all(text, merged):
            raise ModelError(
                "the chat template leaves out what the system or the user says; give the model "
                "another chat template (chat_template.jinja in its folder)"
            )
        return text

    def encode(self, text: str) -> list[int]:
        """Give the token ids of a text as it stands: nothing is added, specials are read."""
        # Not verbose: whoever needs the text to fit checks its length and says so in one line.
        return self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids

    def answer_ids(self, prompt: str, answer: str) -> list[int]:
        """Give the token ids that follow a rendered prompt when the answer is this text.

        The last one is the end of the turn. What the template writes between its generation
        prompt and the answer (often nothing, or a space) belongs to the answer.
        """
        before = self.encode(prompt)
        whole = self.encode(prompt + self.lead + answer)
        if whole[: len(before)] != before:
            # The answer's first letters merge with the prompt's last: keep the prompt as it is.
            return [*self.encode(self.lead + answer), self.end_of_turn_id]
        return [*whole[len(before) :], self.end_of_turn_id]

    def _apply(self, messages: list[Message], add_generation_prompt: bool) -> str:
        # Templates of reasoning models think first unless told otherwise; others ignore it.
        text: str = self.tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            enable_thinking=False,
        )
        return close_thought(text) if add_generation_prompt else text

    def _around_answer(self) -> tuple[str, str]:
        """Give what the template writes between its generation prompt and an answer, and after."""
        messages: list[Message] = [{"role": "user", "content": "?"}]
        try:
            prompt = self._apply(messages, True)
            whole = self._apply([*messages, {"role": "assistant", "content": PROBE}], False)
        except JinjaError as error:
            raise ModelError(f"the chat template cannot be rendered: {error}") from error
        before, probe, tail = whole.rpartition(PROBE)
        if not probe:
            raise ModelError("the chat template leaves the assistant's answer out; give another")
        return (before[len(prompt) :] if before.startswith(prompt) else ""), tail

    def _end_of_turn(self, tail: str) -> int:
        """Find the token that ends an answer: the first special one behind it, or end of text."""
        ids = self.encode(tail)
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}
        for token in ids:
            if token in special:
                return int(token)
        if self.tokenizer.eos_token_id is not None:
            return int(self.tokenizer.eos_token_id)
        if not ids:
            raise ModelError(
                "the tokenizer has no end-of-text token and the chat template ends no turn; "
                "set eos_token in tokenizer_config.json"
            )
        return int(ids[0])


def check_plain(text: str, what: str) -> None:
    """Look at a text of somebody else's before it goes into a prompt.

    Raises:
        ConfigError: it holds a placeholder's text, which stands for vectors, or no characters.
    """
    for word in (SOFT, SIGNAL):
        if word in text:
            raise ConfigError(
                f"{what} holds {word}, which stands for learned vectors in a prompt; write it in "
                "other words"
            )
    if not is_text(text) or "\ufffd" in text:
        raise ConfigError(f"{what} {text!r} holds bytes that are no UTF-8; write it again in UTF-8")


def add_placeholders(tokenizer: Any) -> tuple[int, int]:
    """Add the soft and signal placeholders to a tokenizer and give their ids."""
    from tokenizers import AddedToken

    for text in (SOFT, SIGNAL):
        tokenizer.add_tokens(
            [AddedToken(text, special=True, normalized=False)], special_tokens=True
        )
    soft, signal = tokenizer.convert_tokens_to_ids([SOFT, SIGNAL])
    return int(soft), int(signal)


def close_thought(prompt: str) -> str:
    r"""Close a thought that a prompt ends in: an answer is no thought.

    Example:
        >>> close_thought("<|assistant|><think>\n")
        '<|assistant|><think>\n\n</think>\n\n'
    """
    opened = OPEN_THOUGHT.search(prompt)
    if opened is None:
        return prompt
    left, name, right = opened.groups()
    return f"{prompt.rstrip()}\n\n{left}/{name}{right}\n\n"


def _holds_all(text: str, messages: Sequence[Message]) -> bool:
    """Say whether a rendered conversation has what the system and the user say."""
    contents = (m["content"].strip() for m in messages if m["role"] in ("system", "user"))
    return all(content in text for content in contents)


def merge_system(messages: Sequence[Message]) -> list[Message]:
    """Move a leading system message to the front of the user message that follows it."""
    if len(messages) < 2 or messages[0]["role"] != "system":
        return list(messages)
    system, user, *rest = messages
    return [{**user, "content": f"{system['content']}\n\n{user['content']}"}, *rest]
