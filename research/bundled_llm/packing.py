"""Token files: every domain's text as one memory-mapped array of uint16 tokens.

Rows are cut from the stream at fixed places; a domain's rows are drawn in a seeded order without
repetition until all are used, then again in another order.
"""

import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)
TEXTS_AT_ONCE = 512
BLOCK = 1024
"""Rows after which every domain has had its share exactly."""


def encode_stream(
    tokenizer: PreTrainedTokenizerFast, texts: Iterable[str]
) -> Iterator[NDArray[np.uint16]]:
    """Tokenise texts in batches; each text begins with its own begin token."""
    backend = tokenizer.backend_tokenizer
    texts = iter(texts)
    while batch := list(itertools.islice(texts, TEXTS_AT_ONCE)):
        encoded = backend.encode_batch_fast(batch, add_special_tokens=False)
        yield np.fromiter((i for e in encoded for i in e.ids), dtype=np.uint16)


def write_tokens(
    path: Path, tokenizer: PreTrainedTokenizerFast, texts: Iterable[str], max_tokens: int | None
) -> int:
    """Write a domain's token file; give the number of tokens.

    Args:
        path: the file, raw little-endian uint16.
        tokenizer: at most 65,536 tokens.
        texts: documents, each already beginning with the begin token.
        max_tokens: where to stop; None takes all.

    Raises:
        ConfigError: the vocabulary does not fit 16 bits.
    """
    if len(tokenizer) > 2**16:
        raise ConfigError(
            f"token files hold 65,536 tokens at most, the tokenizer has {len(tokenizer)}"
        )
    written = 0
    with replace_file(path) as part, part.open("wb") as file:
        for tokens in encode_stream(tokenizer, texts):
            tokens.astype("<u2").tofile(file)
            written += len(tokens)
            if max_tokens is not None and written >= max_tokens:
                break
    return written


class TokenFiles:
    """A folder of token files, `<domain>.train.bin` and `<domain>.held_out.bin`.

    `tokens.json` holds counts of tokens and bytes, so that losses become bits per byte.
    """

    def __init__(self, folder: Path):
        if not (folder / "tokens.json").is_file():
            raise DataError(f"{folder} holds no token files (tokens.json is missing)")
        self.folder = folder
        self.counts = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))

    def stream(self, domain: str, part: str) -> NDArray[np.uint16]:
        """Map a domain's tokens into memory."""
        return np.memmap(self.folder / f"{domain}.{part}.bin", dtype="<u2", mode="r")

    def domains(self, part: str = "train") -> list[str]:
        """Name the domains that have text."""
        return [d for d, count in self.counts[part].items() if count["tokens"] > 4096]

    def rows(self, domain: str, part: str, tokens: int) -> int:
        """Count rows of `tokens` inputs and their next tokens."""
        return max((self.counts[part][domain]["tokens"] - 1) // tokens, 0)

    def read(self, domain: str, part: str, tokens: int, row: int) -> NDArray[np.int64]:
        """Read one row of `tokens` + 1 tokens (inputs and, shifted, targets)."""
        start = row * tokens
        return np.asarray(self.stream(domain, part)[start : start + tokens + 1], dtype=np.int64)

    def write_counts(self) -> None:
        """Write the counts back."""
        write_json(self.folder / "tokens.json", self.counts)


class Mixture:
    """Draw rows of several domains by weights; no row twice before its domain is used up."""

    def __init__(self, files: TokenFiles, weights: Mapping[str, float], tokens: int, seed: int):
        present = [d for d in files.domains() if weights.get(d) and files.rows(d, "train", tokens)]
        if not present:
            raise DataError(f"{files.folder} holds no text of the domains {', '.join(weights)}")
        total = sum(weights[d] for d in present)
        self.domains = present
        self.shares = np.array([weights[d] / total for d in present])
        self.lengths = [files.rows(d, "train", tokens) for d in present]
        self.seed = seed
        self.orders: dict[tuple[int, int], NDArray[np.int64]] = {}
        self.slots = self._layout()
        self.ranks = np.array([np.sum(self.slots[:i] == d) for i, d in enumerate(self.slots)])
        self.counts = np.bincount(self.slots, minlength=len(present))

    def _layout(self) -> NDArray[np.int64]:
        """Give the domain of each of a block's rows, in seeded order and in the weights' shares."""
        points = (np.arange(BLOCK) + 0.5) / BLOCK
        domains = np.searchsorted(np.cumsum(self.shares), points, side="right")
        domains = np.minimum(domains, len(self.domains) - 1).astype(np.int64)
        return np.random.default_rng([self.seed, 1]).permutation(domains)

    def draw(self, first: int, count: int) -> NDArray[np.int64]:
        """Give rows `first` to `first + count` of the run, each as domain number and row number.

        A function of the seed and the position alone: a resumed run goes on where it was.
        """
        block, slot = np.divmod(np.arange(first, first + count), BLOCK)
        domains = self.slots[slot]
        nths = block * self.counts[domains] + self.ranks[slot]
        rows = [self._row(int(d), int(n)) for d, n in zip(domains, nths, strict=True)]
        return np.stack([domains, np.array(rows, dtype=np.int64)], axis=1)

    def _row(self, domain: int, nth: int) -> int:
        turn, place = divmod(nth, self.lengths[domain])
        return int(self._order(domain, turn)[place])

    def _order(self, domain: int, turn: int) -> NDArray[np.int64]:
        key = (domain, turn)
        if key not in self.orders:
            generator = np.random.default_rng([self.seed, 2, domain, turn])
            self.orders[key] = generator.permutation(self.lengths[domain])
        return self.orders[key]
