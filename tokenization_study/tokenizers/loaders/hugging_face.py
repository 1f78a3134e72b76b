"""Hugging Face tokenizers: tokenizer.json, vocab.json + merges.txt, vocab.txt."""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from tokenization_study.tokenizers.encoded import LARGEST_ID, Encoded, Pieces, Spans
from tokenization_study.tokenizers.loaders.alignment import align
from tokenization_study.tokenizers.loaders.panics import library_call
from tokenization_study.tokenizers.loaders.ranks import read_json, show_bytes
from tokenization_study.tokenizers.loaders.split_patterns import PATTERN_OF_FILE, PATTERNS


class HuggingFaceTokenizer:
    """A tokenizer of the `tokenizers` library; special tokens are recognised, as it does."""

    def __init__(self, name: str, backend: tokenizers.Tokenizer) -> None:
        settings = json.loads(backend.to_str())
        added = backend.get_added_tokens_decoder()
        unknown = settings["model"].get("unk_token")
        self.name = name
        self.files: dict[str, str] = {}
        self.family = f"{settings['model'].get('type', 'other')} (Hugging Face)"
        self.vocabulary_size = int(backend.get_vocab_size())
        self.special_ids = frozenset(i for i, token in added.items() if token.special)
        self.unknown_ids = _unknown(backend, unknown)
        self._backend = backend
        self._added = {i: token.content for i, token in added.items()}
        self._is_bytes = '"ByteLevel"' in json.dumps(
            [settings["pre_tokenizer"], settings["decoder"]]
        )
        self._prefix = settings["model"].get("continuing_subword_prefix") or ""
        self._pieces = Pieces(self._piece)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Give the tokens of texts."""
        encodings = self._encodings(texts)
        return align(
            texts, [e.ids for e in encodings], self._pieces, lambda i: _spans(encodings[i])
        )

    def encode_bare(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids alone, as the library's own batch encoding does."""
        return [encoding.ids for encoding in self._encodings(texts)]

    def _encodings(self, texts: Sequence[str]) -> list[Any]:
        with library_call(f"{self.name} cannot encode: "):
            return list(self._backend.encode_batch(list(texts), add_special_tokens=False))

    def token_text(self, token: int) -> str:
        """Give what a token stands for; bytes of part of a character are shown as <0xNN>."""
        return show_bytes(self._pieces[token])

    def decode(self, ids: Sequence[int]) -> str:
        """Give the text of ids."""
        return str(self._backend.decode(list(ids), skip_special_tokens=False))

    def _piece(self, token: int) -> bytes:
        text = self._backend.id_to_token(token)
        if text is None or token in self._added:
            return self._added.get(token, "").encode()
        if self._is_bytes and all(character in byte_of_letter() for character in text):
            return bytes(byte_of_letter()[character] for character in text)
        if len(text) == 6 and text.startswith("<0x"):
            return bytes([int(text[3:5], 16)])
        return text.removeprefix(self._prefix).replace("▁", " ").encode()


@functools.cache
def byte_of_letter() -> dict[str, int]:
    """Give the byte behind each letter of the byte-level alphabet of GPT-2."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in printable)
    return {chr(byte): byte for byte in printable} | {
        chr(256 + n): byte for n, byte in enumerate(others)
    }


def _unknown(backend: tokenizers.Tokenizer, name: str | None) -> frozenset[int]:
    token = backend.token_to_id(name) if name else None
    return frozenset() if token is None else frozenset({token})


def _spans(encoding: Any) -> Spans:
    spans = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
    return spans[:, 0], spans[:, 1]


def tokenizer_json(path: Path, name: str, settings: dict[str, Any]) -> HuggingFaceTokenizer:
    """Read a tokenizer.json, already parsed; raises ModelError for a broken one.

    Its dropout, which splits a text in another way each time, is for training: it is switched off.
    """
    return HuggingFaceTokenizer(name, _built(path, lambda: _from(settings)))


def _from(settings: dict[str, Any]) -> tokenizers.Tokenizer:
    _check_ids(settings["model"].get("vocab"))
    # Trimmed offsets leave out the spaces that a token stands for; ids do not depend on it.
    whole = json.loads(json.dumps(settings), object_hook=_untrimmed)
    whole |= {"truncation": None, "padding": None}
    if "dropout" in whole["model"]:
        whole["model"]["dropout"] = None
    return tokenizers.Tokenizer.from_str(json.dumps(whole))


def _check_ids(vocabulary: Any) -> None:
    """Raise ValueError for an id that the library would make a table of gigabytes for."""
    ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else []
    for token in ids:
        if not isinstance(token, int) or not 0 <= token <= LARGEST_ID:
            raise ValueError(f"{token!r} is no id; expected 0 to {LARGEST_ID}")


def _untrimmed(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"trim_offsets": False} if "trim_offsets" in entry else entry


def vocabulary_and_merges(
    vocabulary: Path, merges: Path, name: str, pattern: str | None
) -> HuggingFaceTokenizer:
    """Read a byte-level BPE of two files; its split is GPT-2's unless the file is known."""
    encoding = PATTERN_OF_FILE.get(hashlib.sha256(vocabulary.read_bytes()).hexdigest(), "gpt2")
    pattern = pattern or PATTERNS[encoding]

    def build() -> tokenizers.Tokenizer:
        _check_ids(read_json(vocabulary))
        backend = tokenizers.Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        backend.decoder = decoders.ByteLevel()
        return backend

    return HuggingFaceTokenizer(name, _built(vocabulary, build))


def word_pieces(path: Path, name: str) -> HuggingFaceTokenizer:
    """Read BERT's vocab.txt; it writes small letters unless the vocabulary has capitals."""

    def build() -> tokenizers.Tokenizer:
        words = path.read_text(encoding="utf-8").split("\n")
        small = not any(word != word.lower() for word in words if not word.startswith("["))
        if "[UNK]" not in words:
            raise ValueError("no line [UNK]")
        backend = tokenizers.Tokenizer(models.WordPiece.from_file(str(path), unk_token="[UNK]"))
        backend.normalizer = normalizers.BertNormalizer(lowercase=small)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        backend.decoder = decoders.WordPiece()
        backend.encode("1")
        return backend

    return HuggingFaceTokenizer(name, _built(path, build))


def _built(path: Path, build: Callable[[], Any]) -> tokenizers.Tokenizer:
    with library_call(f"{path.name} is no tokenizer (", "); is the file whole?"):
        backend: tokenizers.Tokenizer = build()
    return backend
