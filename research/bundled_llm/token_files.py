"""From a corpus folder and the text generators to a tokenizer and token files."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from research.bundled_llm import instructions, sensing_text
from research.bundled_llm.config import SIZES, PretrainConfig
from research.bundled_llm.corpus import (
    corpus_files,
    document_text,
    domain_of,
    is_held_out,
    records,
)
from research.bundled_llm.packing import TokenFiles, write_tokens
from research.bundled_llm.tokenizer import BEGIN, chat_text, load_tokenizer, train_tokenizer
from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)
CHAT_DOMAIN = "instruct_chat"
HELD_OUT_TOKENS = 20_000
HELD_OUT_SEED = 1_000_003
"""Added to the seed for generated text that is held out."""
TOKENIZER_CHARACTERS = 6_000_000
"""Characters a domain that the tokenizer is trained on."""


def prepare_tokens(corpus: Path, out: Path, config: PretrainConfig) -> TokenFiles:
    """Train the tokenizer and write token files below `out`, each where it is not there yet.

    Raises:
        DataError: the corpus folder is missing, empty or not to be read.
    """
    folder, tokenizer_folder = out / "tokens", out / "tokenizer"
    if (folder / "tokens.json").is_file():
        return TokenFiles(folder)
    corpus_files(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    if not (tokenizer_folder / "tokenizer.json").is_file():
        logger.info("training the tokenizer")
        texts = _sample(corpus, config)
        train_tokenizer(texts, SIZES[config.size].vocabulary).save_pretrained(tokenizer_folder)
    tokenizer = load_tokenizer(tokenizer_folder)
    write_json(folder / "tokens.json", _write_domains(corpus, folder, tokenizer, config))
    return TokenFiles(folder)


def _sample(corpus: Path, config: PretrainConfig) -> Iterator[str]:
    """Give what the tokenizer is trained on: the start of each domain, and generated text."""
    characters = min(TOKENIZER_CHARACTERS, config.max_characters)
    for path in corpus_files(corpus):
        yield from _up_to((document_text(r) for r in records(path)), characters)
    yield from _up_to(_generated(config.seed), characters)


def _generated(seed: int) -> Iterator[str]:
    paragraphs = sensing_text.paragraphs(seed)
    conversations = sensing_text.conversations(seed)
    while True:
        yield next(paragraphs)
        yield "\n".join(m["content"] for m in next(conversations))


def _up_to(texts: Iterable[str], characters: int) -> Iterator[str]:
    for text in texts:
        if characters <= 0:
            return
        characters -= len(text)
        yield text


def _write_domains(
    corpus: Path, folder: Path, tokenizer: PreTrainedTokenizerFast, config: PretrainConfig
) -> dict[str, dict[str, dict[str, int]]]:
    counts: dict[str, dict[str, dict[str, int]]] = {"train": {}, "held_out": {}}
    broken: Counter[str] = Counter()
    for path in corpus_files(corpus):
        domain = domain_of(path)
        if domain == "instruct":
            continue
        for part in counts:
            texts = _part_of(path, part == "held_out", config, broken)
            counts[part][domain] = _write(folder, domain, part, tokenizer, texts, None)
    for part, held_out in (("held_out", True), ("train", False)):
        for domain, texts in _chats(corpus, config.seed, held_out).items():
            most = HELD_OUT_TOKENS if held_out else config.generated_tokens
            limit = None if domain == CHAT_DOMAIN else most
            counts[part][domain] = _write(folder, domain, part, tokenizer, texts, limit)
    if broken:
        logger.warning("broken corpus lines skipped: %s", dict(broken))
    return counts


def _part_of(
    path: Path, held_out: bool, config: PretrainConfig, broken: Counter[str]
) -> Iterator[str]:
    """Give the documents of one part; broken lines are counted once, with the training part."""
    counted = None if held_out else broken
    texts = (document_text(record) for record in records(path, counted))
    for text in _up_to(texts, config.max_characters):
        if is_held_out(text) == held_out:
            yield text


def _chats(corpus: Path, seed: int, held_out: bool) -> dict[str, Iterator[str]]:
    """Give the texts that are generated or rendered: sensing text, talks, instructions."""
    seed += HELD_OUT_SEED if held_out else 0
    conversations = instructions.conversations(corpus, held_out=held_out)
    return {
        "sensing_text": (BEGIN + p for p in sensing_text.paragraphs(seed)),
        "sensing_chat": (chat_text(c) for c in sensing_text.conversations(seed)),
        CHAT_DOMAIN: (chat_text(c) for c in conversations),
    }


def _write(
    folder: Path,
    domain: str,
    part: str,
    tokenizer: PreTrainedTokenizerFast,
    texts: Iterable[str],
    limit: int | None,
) -> dict[str, int]:
    """Write one file and count its tokens and UTF-8 bytes."""
    size = 0

    def counted() -> Iterator[str]:
        nonlocal size
        for text in texts:
            size += len(text.removeprefix(BEGIN).encode())
            yield text if text.startswith(BEGIN) else BEGIN + text

    tokens = write_tokens(folder / f"{domain}.{part}.bin", tokenizer, counted(), limit)
    logger.info("%s %s: %d tokens, %d bytes", domain, part, tokens, size)
    return {"tokens": tokens, "bytes": size}
