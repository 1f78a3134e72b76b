"""Any tokenizer behind one Protocol: bundled, tiktoken, Hugging Face, SentencePiece, Mistral.

    >>> load_tokenizer("bundled").encode(["0.5"]).ids.size > 0
    True

A tokenizer is named by
- `bundled`: the language model that ships with sensor2llm;
- a tiktoken encoding or a model that uses one: `r50k_base`, `cl100k_base`, `gpt-4o`;
- a file: tokenizer.json, vocab.json (merges.txt beside it), vocab.txt, a SentencePiece .model,
  a rank file (.tiktoken, .model), tekken.json; or a folder that holds one;
- `mistral:v1`, `mistral:v3`, `mistral:v7`, `mistral:tekken`, with sensor2llm[mistral];
- a name on the Hugging Face hub, where the network or its cache has it.

`LABEL=NAME` gives it another name in the report.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import sensor2llm
from sensor2llm.artefacts.hashing import hash_file
from sensor2llm.errors import ConfigError, ModelError, UserError
from tokenization_study.tokenizers.encoded import Encoded
from tokenization_study.tokenizers.places import MISTRAL, hub_file, mistral_file

FILES = (
    "tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "encoder.json",
    "tekken.json", "vocab.txt",
)  # fmt: skip
ENDINGS = (".json", ".model", ".tiktoken")
GENERIC = {Path(name).stem for name in FILES}


class Tokenizer(Protocol):
    """Turn text into ids, and say which characters each stands for."""

    @property
    def name(self) -> str:
        """Name in the report."""

    @property
    def family(self) -> str:
        """Kind of the tokenizer, in words."""

    @property
    def vocabulary_size(self) -> int:
        """Number of ids."""

    @property
    def unknown_ids(self) -> frozenset[int]:
        """Ids that stand for text that the vocabulary cannot write."""

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids with a meaning of their own (begin, end, padding)."""

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Give the tokens of texts, without begin and end."""

    def token_text(self, token: int) -> str:
        """Give what a token stands for; bytes of part of a character are shown as <0xNN>."""

    def decode(self, ids: Sequence[int]) -> str:
        """Give the text of ids."""


class LoadedTokenizer(Tokenizer, Protocol):
    """A tokenizer that knows its files: the sha256 of each by its name."""

    files: dict[str, str]


def load_tokenizer(source: str, pattern: str | None = None, threads: int = 1) -> Tokenizer:
    """Load a tokenizer by the name that was typed (see this module).

    Args:
        source: The name, `LABEL=NAME` for another label.
        pattern: Split pattern of a rank file that is not known.
        threads: How many threads encode, where the library leaves the choice.

    Raises:
        ModelError: If it is nowhere, or broken.
        ConfigError: For a rank file whose split pattern is not known.
    """
    # Imported here: a machine needs only the libraries of the tokenizers that it names.
    from tokenization_study.tokenizers.loaders.ranks import named_encoding

    label, _, spec = source.rpartition("=") if not Path(source).exists() else ("", "", source)
    if not spec:
        raise ConfigError("a tokenizer needs a name; try bundled, cl100k_base or a file")
    if spec == "bundled":
        folder = Path(str(sensor2llm.__file__)).parent / "llm" / "bundled"
        return _from_path(folder, label or spec, pattern, threads)
    path = Path(spec).expanduser()
    if path.exists():
        return _from_path(path, label or _name(path), pattern, threads)
    if spec.startswith(MISTRAL):
        return _from_file(mistral_file(spec), label or spec, pattern, threads)
    encoding = named_encoding(spec, threads)
    if encoding is not None:
        encoding.name = label or spec
        return encoding
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", spec) or path.suffix in (*ENDINGS, ".txt"):
        raise ModelError(f"no tokenizer at '{spec}': there is no such file")
    return _from_file(hub_file(spec), label or spec, pattern, threads)


def check_names(loaded: Sequence[Tokenizer]) -> None:
    """Raise ConfigError for two tokenizers of one name, or none at all."""
    names = [tokenizer.name for tokenizer in loaded]
    if not names:
        raise ConfigError("the audit needs at least one tokenizer")
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two tokenizers are called '{name}'; tell them apart: LABEL=NAME")


def default_tokenizers(pattern: str | None = None, threads: int = 1) -> list[Tokenizer]:
    """Load what this machine has without a hub: bundled, Mistral's two, OpenAI's encodings."""
    loaded = []
    for name in ("bundled", "mistral:v3", "mistral:tekken", "r50k_base", "cl100k_base"):
        if not name.startswith(MISTRAL) and name != "bundled" and not _is_cached(name):
            continue
        try:
            loaded.append(load_tokenizer(name, pattern, threads))
        except UserError:
            continue
    if not loaded:
        raise ConfigError("this machine has no tokenizer of its own; name one with --tokenizer")
    return loaded


def offline_tokenizers() -> dict[str, str]:
    """Say of each tokenizer that this machine has without a hub what it is, by name."""
    return {t.name: f"{t.family}, {t.vocabulary_size:,} tokens" for t in default_tokenizers()}


def _is_cached(encoding: str) -> bool:
    """Say whether tiktoken's files are named by the environment: a default audit fetches none."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    return bool(folder) and Path(str(folder)).is_dir() and bool(encoding)


def _name(path: Path) -> str:
    resolved = path.resolve()
    if path.is_dir():
        return resolved.name
    stem = path.name.removesuffix(path.suffix) if path.suffix in (*ENDINGS, ".txt") else path.name
    return resolved.parent.name if stem in GENERIC and resolved.parent.name else stem


def _from_path(path: Path, name: str, pattern: str | None, threads: int) -> Tokenizer:
    if path.is_file():
        return _from_file(path, name, pattern, threads)
    for file in FILES:
        if (path / file).is_file():
            return _from_file(path / file, name, pattern, threads)
    others = sorted(p for p in path.glob("*") if p.suffix in ENDINGS and "config" not in p.name)
    if len(others) == 1:
        return _from_file(others[0], name, pattern, threads)
    others_shown = f"several: {', '.join(p.name for p in others)}" if others else "none"
    raise ModelError(f"'{path}' should hold one tokenizer file and holds {others_shown}")


def _from_file(path: Path, name: str, pattern: str | None, threads: int) -> Tokenizer:
    """Read a tokenizer's file, and its merges where they stand in a file beside it."""
    tokenizer = _read_file(path, name, pattern, threads)
    tokenizer.files |= {path.name: hash_file(path)}
    return tokenizer


def _read_file(path: Path, name: str, pattern: str | None, threads: int) -> LoadedTokenizer:
    """Tell the format by what is in the file."""
    from tokenization_study.tokenizers.loaders import hugging_face, ranks, sentence_piece

    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head.strip():
        raise ModelError(f"{path.name} is empty; copy it again")
    if head.lstrip().startswith(b"{"):
        return _from_json(path, name, pattern, threads)
    if ranks.is_rank_line(head.splitlines()[0]):
        return ranks.rank_file(path, name, pattern, threads)
    if b"[UNK]" in path.read_bytes() and path.suffix == ".txt":
        return hugging_face.word_pieces(path, name)
    if path.suffix in (".txt", ".tiktoken"):
        raise ModelError(f"{path.name} is neither a WordPiece vocabulary nor a rank file")
    return sentence_piece.sentence_piece(path, name, threads)


def _from_json(path: Path, name: str, pattern: str | None, threads: int) -> LoadedTokenizer:
    from tokenization_study.tokenizers.loaders import hugging_face, ranks

    settings = ranks.read_json(path)
    if isinstance(settings.get("model"), dict):
        return hugging_face.tokenizer_json(path, name, settings)
    if "bpe_ranks" in settings or isinstance(settings.get("vocab"), list):
        return ranks.rank_json(path, name, settings, threads)
    for merges in ("merges.txt", "vocab.bpe"):
        if (path.parent / merges).is_file():
            beside = path.parent / merges
            tokenizer = hugging_face.vocabulary_and_merges(path, beside, name, pattern)
            tokenizer.files |= {merges: hash_file(beside)}
            return tokenizer
    raise ModelError(
        f"{path.name} is no tokenizer: expected tokenizer.json, tekken.json, or vocab.json with "
        "merges.txt beside it"
    )
