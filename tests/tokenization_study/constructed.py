"""Tokenizers made for one fault each, and one that has none."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from tokenization_study.tokenizers.encoded import Encoded

NUMBER = r"[+\-−]?\d+(?:\.\d+)?"


class RuleTokenizer:
    """Split by a rule; every different piece is an id of its own."""

    family = "made for a test"
    vocabulary_size = 1000

    def __init__(
        self,
        split: Callable[[str], list[str]],
        name: str = "rule",
        unknown: str = "",
        forget: str = "",
        decodes: bool = True,
    ) -> None:
        self.name = name
        self.unknown_ids = frozenset({0})
        self.special_ids = frozenset({1})
        self._split = split
        self._pieces = ["<unk>", "<s>"]
        self._ids: dict[str, int] = dict.fromkeys(unknown, 0)
        self._forget = forget
        self._decodes = decodes

    def encode(self, texts: Sequence[str]) -> Encoded:
        ids, starts, stops, bounds = [], [], [], [0]
        for text in texts:
            place = 0
            for piece in self._split(text):
                if piece not in self._forget:
                    ids.append(self._id(piece))
                    starts.append(place)
                    stops.append(place + len(piece))
                place += len(piece)
            assert place == len(text), (text, self._split(text))
            bounds.append(len(ids))
        return Encoded(*(np.array(x, dtype=np.int64) for x in (ids, starts, stops, bounds)))

    def _id(self, piece: str) -> int:
        if piece not in self._ids:
            self._ids[piece] = len(self._pieces)
            self._pieces.append(piece)
        return self._ids[piece]

    def token_text(self, token: int) -> str:
        return self._pieces[token]

    def decode(self, ids: Sequence[int]) -> str:
        if not self._decodes:
            raise NotImplementedError("no way back")
        return "".join(self._pieces[i] for i in ids)


def by_pattern(pattern: str, **options) -> RuleTokenizer:
    """Split at a pattern's matches; what lies between is split into characters."""
    compiled = re.compile(pattern)

    def split(text: str) -> list[str]:
        pieces, place = [], 0
        for match in compiled.finditer(text):
            pieces += [*text[place : match.start()], match.group()]
            place = match.end()
        return [piece for piece in [*pieces, *text[place:]] if piece]

    return RuleTokenizer(split, **options)


def characters(**options) -> RuleTokenizer:
    """Give every character its own token: no fault of grouping."""
    return RuleTokenizer(list, **options)


def whole_numbers(**options) -> RuleTokenizer:
    """Give every number one token."""
    return by_pattern(NUMBER, **options)


def blocks(width: int, **options) -> RuleTokenizer:
    """Cut text every few characters, wherever that falls."""
    return RuleTokenizer(
        lambda text: [text[i : i + width] for i in range(0, len(text), width)], **options
    )


class Strokes(RuleTokenizer):
    """Write a whole number as so many strokes: distance in value is distance in tokens."""

    def __init__(self) -> None:
        super().__init__(lambda text: re.findall(r"\d+|\D", text), name="strokes")

    def encode(self, texts: Sequence[str]) -> Encoded:
        plain = super().encode(texts)
        times = np.array([self._strokes(token) for token in plain.ids.tolist()], dtype=np.int64)
        ids = np.where(np.repeat(times, times) > 1, self._id("|"), np.repeat(plain.ids, times))
        bounds = np.concatenate([[0], np.cumsum(times)])[plain.bounds]
        return Encoded(ids, np.repeat(plain.starts, times), np.repeat(plain.stops, times), bounds)

    def _strokes(self, token: int) -> int:
        piece = self.token_text(token)
        return int(piece) if piece.isdigit() else 1
