"""The bundled model's tokenizer: byte-level BPE with GPT-2's split pattern, and a chat template.

Numbers are merged as in GPT-2, so that the pitfalls of number chunking are there to be studied;
the ten digits stand as single tokens with and without a leading space, so that digit spacing is a
fair remedy on the same weights. A space stands before each turn's text: a word that is answered is
then the same token as in the middle of the question, and copying it is easy to learn.
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, BEGIN, END = "<|pad|>", "<|begin|>", "<|end|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}
SPECIAL = (PAD, BEGIN, END, *ROLES.values())
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|> ' + message['content'] | trim + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
DIGITS = " 0 1 2 3 4 5 6 7 8 9"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train the tokenizer on a stream of texts.

    Args:
        texts: documents; a few tens of millions of characters are enough.
        vocabulary: tokens in all, the six special ones included.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_with_digits(texts), trainer)
    return _with_chat(tokenizer)


def _with_digits(texts: Iterable[str]) -> Iterable[str]:
    """Add so many spaced digits that each becomes a token of its own."""
    yield from texts
    yield from (DIGITS for _ in range(20_000))


def _with_chat(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=AddedToken(BEGIN, special=True),
        eos_token=AddedToken(END, special=True),
        pad_token=AddedToken(PAD, special=True),
        additional_special_tokens=list(ROLES.values()),
        model_max_length=2048,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load what `train_tokenizer` made and `save_pretrained` wrote."""
    return PreTrainedTokenizerFast.from_pretrained(folder)


def chat_text(messages: list[dict[str, str]]) -> str:
    """Render a conversation as `CHAT_TEMPLATE` does, without jinja's cost a call."""
    body = "".join(f"{ROLES[m['role']]} {m['content'].strip()}{END}" for m in messages)
    return BEGIN + body
