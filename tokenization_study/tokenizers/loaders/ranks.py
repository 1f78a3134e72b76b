"""Byte-pair ranks: tiktoken's encodings by name, rank files, Tekken and Claude files."""

import base64
import binascii
import hashlib
import json
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tiktoken

from sensor2llm.errors import ConfigError, ModelError, one_line
from tokenization_study.tokenizers.encoded import (
    LARGEST_ID,
    Encoded,
    Ids,
    Pieces,
    char_spans,
    flatten,
    in_parts,
    running_total,
    utf8,
)
from tokenization_study.tokenizers.loaders.panics import library_call
from tokenization_study.tokenizers.loaders.split_patterns import PATTERN_OF_FILE, PATTERNS

SHORT_TEXT = 1000
"""Characters from which handing texts to threads is worth it."""
_BROKEN = (" cannot be used as ranks: ", "; is the file whole?")
PROBE = "1 -2.5e3, é\n\t" + "".join(map(chr, range(33, 127)))
"""What every tokenizer must encode."""


class RankTokenizer:
    """Byte-pair encoding by ranks; lossless, so a token's characters follow from its length.

    Special tokens are not looked for: their names in a text are text.
    """

    family = "byte-pair ranks (tiktoken)"
    unknown_ids: frozenset[int] = frozenset()
    special_ids: frozenset[int] = frozenset()

    def __init__(self, name: str, encoding: tiktoken.Encoding, threads: int = 1) -> None:
        self.name = name
        self.files: dict[str, str] = {}
        self.vocabulary_size = int(encoding.n_vocab)
        self._encoding = encoding
        self._threads = threads
        self._pieces = Pieces(encoding.decode_single_token_bytes)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Give the tokens of texts."""
        data = [utf8(text) for text in texts]
        ids = self._ids(texts)
        return in_parts(texts, lambda part: self._lay_out(data[part], ids[part]))

    def _lay_out(self, data: Sequence[bytes], lists: Sequence[Ids]) -> Encoded:
        ids, bounds = flatten(lists)
        lengths = self._pieces.lengths(ids)
        size = np.array([len(part) for part in data], dtype=np.int64)
        total = running_total(lengths)
        spelt, starts, stops = np.diff(total[bounds]), total[:-1], total[1:]
        if (spelt != size).any():
            text = data[int(np.flatnonzero(spelt != size)[0])].decode()[:40]
            raise ModelError(f"{self.name}: its tokens do not spell {text!r}; is the file whole?")
        if not all(part.isascii() for part in data):
            starts, stops = char_spans(b"".join(data), starts, stops)
            size = np.array([len(part.decode()) for part in data], dtype=np.int64)
        if len(data) > 1:
            base = np.repeat(np.cumsum(size) - size, np.diff(bounds))
            starts, stops = starts - base, stops - base
        return Encoded(ids=ids, starts=starts, stops=stops, bounds=bounds)

    def _ids(self, texts: Sequence[str]) -> Sequence[Ids]:
        if self._threads > 1:
            return self.encode_bare(texts)
        # A list at a time: it is read while it is still in the processor's cache, and array is
        # twice as fast as numpy in reading a list of Python's numbers.
        with library_call(self.name + _BROKEN[0], _BROKEN[1]):
            return [array("q", self._encoding.encode_ordinary(text)) for text in texts]

    def encode_bare(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids alone, as the library's own batch encoding does."""
        many = self._threads > 1 and sum(map(len, texts)) >= SHORT_TEXT * len(texts)
        with library_call(self.name + _BROKEN[0], _BROKEN[1]):
            if many:
                batch = self._encoding.encode_ordinary_batch
                return list(batch(list(texts), num_threads=self._threads))
            return [self._encoding.encode_ordinary(text) for text in texts]

    @property
    def ranks(self) -> dict[bytes, int]:
        """Give every token's rank."""
        return dict(self._encoding._mergeable_ranks)

    def token_text(self, token: int) -> str:
        """Give what a token stands for; bytes of part of a character are shown as <0xNN>."""
        return show_bytes(self._pieces[token])

    def decode(self, ids: Sequence[int]) -> str:
        """Give the text of ids."""
        return str(self._encoding.decode(list(ids)))


def show_bytes(piece: bytes) -> str:
    """Give the text of bytes; those that are no whole character as <0xNN>."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "".join(chr(b) if b < 128 else f"<0x{b:02X}>" for b in piece)


def named_encoding(name: str, threads: int) -> RankTokenizer | None:
    """Give tiktoken's encoding of that name (or of a model of that name), or None."""
    encoding = tiktoken.model.MODEL_TO_ENCODING.get(name, name)
    if encoding not in tiktoken.list_encoding_names():
        return None
    try:
        tokenizer = RankTokenizer(name, tiktoken.get_encoding(encoding), threads)
        tokenizer.files = {f"{encoding}.tiktoken": _hash_ranks(tokenizer.ranks)}
        return tokenizer
    except Exception as error:  # requests raises a family of its own, tiktoken ValueError
        raise ModelError(
            f"tiktoken's {encoding!r} is neither in its cache nor to be had from the network "
            f"({type(error).__name__}); set TIKTOKEN_CACHE_DIR to a folder that has it, or give "
            "a rank file"
        ) from None


def _hash_ranks(ranks: dict[bytes, int]) -> str:
    """Give the sha256 of the rank file of these ranks, which tiktoken hides in its cache."""
    pairs = sorted(ranks.items(), key=lambda pair: pair[1])
    lines = (base64.b64encode(token) + b" %d\n" % rank for token, rank in pairs)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def is_rank_line(line: bytes) -> bool:
    """Say whether this is a line of a rank file: base64 and a number."""
    parts = line.split()
    if len(parts) != 2 or not parts[1].isdigit():
        return False
    try:
        return bool(base64.b64decode(parts[0], validate=True)) or parts[0] == b"="
    except binascii.Error:
        return False


def rank_file(path: Path, name: str, pattern: str | None, threads: int) -> RankTokenizer:
    """Read a file of base64 tokens and ranks; ConfigError where its split pattern is not known."""
    content = path.read_bytes()
    encoding = PATTERN_OF_FILE.get(hashlib.sha256(content).hexdigest())
    if pattern is None and encoding is None:
        raise ConfigError(
            f"the split pattern of {path.name} is not known (its sha256 is in no table); give it "
            "with --pattern"
        )
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token)] = int(rank)
        except ValueError:
            if line.strip():
                raise ModelError(
                    f"{path.name}: line {number} is no rank line (base64 and a number); "
                    "is the file whole?"
                ) from None
    return _build(name, pattern or PATTERNS[str(encoding)], ranks, threads, path)


def rank_json(path: Path, name: str, content: dict[str, Any], threads: int) -> RankTokenizer:
    """Read Mistral's tekken.json, or a JSON of `pat_str` and `bpe_ranks` (Claude 2023)."""
    try:
        if "pat_str" in content:
            return _build(name, content["pat_str"], _listed(content["bpe_ranks"]), threads, path)
        settings = content["config"]
        count = int(settings["default_vocab_size"]) - int(settings["default_num_special_tokens"])
        ranks = {base64.b64decode(e["token_bytes"]): int(e["rank"]) for e in content["vocab"]}
        ranks = {token: rank for token, rank in ranks.items() if rank < count}
        return _build(name, settings["pattern"], ranks, threads, path)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, ModelError):
            raise
        why = f"{type(error).__name__}: {one_line(error, 120)}"
        raise ModelError(
            f"{path.name} is no rank file in JSON ({why}); is the file whole?"
        ) from None


def _listed(text: str) -> dict[bytes, int]:
    """Read lines of `! FIRST_RANK TOKEN TOKEN …`."""
    ranks: dict[bytes, int] = {}
    for line in text.splitlines():
        _, first, *tokens = line.split()
        ranks |= {base64.b64decode(t): i for i, t in enumerate(tokens, start=int(first))}
    return ranks


def _build(
    name: str, pattern: str, ranks: dict[bytes, int], threads: int, path: Path
) -> RankTokenizer:
    if why := _unusable(ranks):
        raise ModelError(f"{path.name} cannot be used as ranks: {why}; is the file whole?")
    with library_call(path.name + _BROKEN[0], _BROKEN[1]):
        encoding = tiktoken.Encoding(
            name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={}
        )
        encoding.encode_ordinary(PROBE)
    return RankTokenizer(name, encoding, threads)


def _unusable(ranks: dict[bytes, int]) -> str:
    """Say why the library could not encode every text with these ranks; empty where it can."""
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        return f"it lacks {len(missing)} of the 256 bytes, the first is 0x{missing[0]:02X}"
    if len(set(ranks.values())) < len(ranks):
        return "two tokens have one rank"
    largest = max(ranks.values())
    return "" if largest <= LARGEST_ID else f"a rank is {largest}, expected {LARGEST_ID} at most"


def read_json(path: Path) -> Any:
    """Read a JSON file; raises ModelError for a broken one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        why = one_line(error, 120)
        raise ModelError(f"{path.name} is no JSON ({why}); is the file whole?") from None
