"""Which of an adapter's labels a question names, by their own words or by what people call them."""

import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property, lru_cache

from sensor2llm.tasks.dialogue.vocabulary import LABEL_GROUPS

ENDING = re.compile(r"(?:ing|ed|es|s|e)$")
_SMALL = "a an the of in on at to and or no not play playing ball rhythm level"
SMALL_WORDS = frozenset(_SMALL.split())
LEAST_STEM = 3
LAST_TEXTS = 8
"""Texts whose names are remembered: one text is looked through for several ends."""

Span = tuple[int, int, frozenset[int]]
"""Where a name begins and ends in a text, and the labels that it stands for."""


class LabelNames:
    """Find labels in plain words.

    Args:
        texts: the labels' texts.
        words: further words of each label, by its text.
    """

    def __init__(
        self, texts: Sequence[str], words: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.texts = tuple(text.casefold() for text in texts)
        self._words = {key.casefold(): tuple(more) for key, more in (words or {}).items()}
        self._groups = [
            (re.compile(rf"\b(?:{phrases})\b"), labels)
            for field in LABEL_GROUPS.values()
            for phrases, labels in self._of_field(field)
        ]
        self._spans = lru_cache(LAST_TEXTS)(self._find_spans)

    def _of_field(self, field: Sequence[tuple[str, str]]) -> list[tuple[str, frozenset[int]]]:
        """Give the phrases of a field; none where no label is of it."""
        groups = [
            (phrases, frozenset(i for i, text in enumerate(self.texts) if re.search(labels, text)))
            for phrases, labels in field
        ]
        return groups if any(labels for _, labels in groups) else []

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Give the single words that name a label, for mending of spelling."""
        own = {word for text in self.texts for word in re.findall(r"[a-z]+", text)}
        further = {w for more in self._words.values() for t in more for w in t.casefold().split()}
        return frozenset(own | further)

    def named(self, text: str) -> list[frozenset[int]]:
        """Give the sets of labels that plain words name, in their order in the text.

        The longest name counts where several stand at one place: `walking up` is not `walking`.
        A name of something that no label is (cycling) gives an empty set.
        """
        return [labels for _, _, labels in self._spans(text)]

    def marked(self, text: str) -> str:
        """Put `<label>` in the place of every name of a label in plain words."""
        for start, end, _ in reversed(self._spans(text)):
            text = f"{text[:start]}<label>{text[end:]}"
        return text

    def _find_spans(self, text: str) -> list[Span]:
        spans: list[Span] = [
            (match.start(), match.end(), labels)
            for pattern, labels in self._groups
            for match in pattern.finditer(text)
        ]
        for pattern, labels in self._names:
            if match := pattern.search(text):
                spans.append((match.start(), match.end(), labels))
        return _longest(spans)

    @cached_property
    def _names(self) -> list[tuple[re.Pattern[str], frozenset[int]]]:
        """Give what names each label: its text, its further words, a word that is its alone."""
        every = [
            (_stemmed_pattern(name), number)
            for number, label in enumerate(self.texts)
            for name in (label, *self._words.get(label, ()))
        ]
        return [(p, frozenset([number])) for p, number in (*every, *self._distinctive)]

    def exact(self, text: str) -> frozenset[int]:
        """Give the labels that a text names by their own texts; the longest at each place."""
        spans: list[Span] = [
            (match.start(), match.end(), frozenset([number]))
            for number, label in enumerate(self.texts)
            for match in re.finditer(rf"\b{re.escape(label)}\b", text.casefold())
        ]
        return frozenset().union(*(labels for _, _, labels in _longest(spans)))

    @property
    def _distinctive(self) -> list[tuple[re.Pattern[str], int]]:
        """Find words that belong to one label of several words only: `soup` of `eating soup`."""
        owners: dict[str, set[int]] = {}
        for number, label in enumerate(self.texts):
            for word in set(re.findall(r"[a-z]+", label)) - SMALL_WORDS:
                owners.setdefault(word, set()).add(number)
        alone = [(word, min(labels)) for word, labels in owners.items() if len(labels) == 1]
        several = [(word, label) for word, label in alone if len(self.texts[label].split()) > 1]
        return [(_stemmed_pattern(word), label) for word, label in several]


@cache
def _stemmed_pattern(name: str) -> re.Pattern[str]:
    words = re.findall(r"[a-z0-9]+", name.casefold())
    stems = " ".join(_stem(word) + r"\w*" for word in words)
    return re.compile(rf"\b{stems}\b" if words else r"(?!)")


def _stem(word: str) -> str:
    stem = ENDING.sub("", word)
    return stem if len(stem) > LEAST_STEM else re.escape(word)


def _longest(spans: list[Span]) -> list[Span]:
    """Keep, of names that overlap, the longest; of equally long ones the first that is a label."""
    kept: list[Span] = []
    for start, end, labels in sorted(spans, key=lambda span: (span[0] - span[1], not span[2])):
        if all(end <= other[0] or start >= other[1] for other in kept):
            kept.append((start, end, labels))
    return sorted(kept, key=lambda s: s[0])
