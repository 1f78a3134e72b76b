"""What a typed question wants: a label, yes or no, a fact, a comparison, reasons, or nothing here.

    Router(label_texts, fact_names).route("isn't he sitting?")
    Intent(kind="yes_no", labels=frozenset({3}), ...)

Rules over words decide. What names a label, a fact or a comparison is about the window; what speaks
of the wearer beyond that cannot be told from these sensors; all else is beyond the window.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sensor2llm.tasks.dialogue import vocabulary as words
from sensor2llm.tasks.dialogue.label_names import LabelNames
from sensor2llm.tasks.dialogue.wording import plain_words, split_parts

Kind = Literal[
    "label", "yes_no", "fact", "fact_yes_no", "comparison", "why", "unanswerable", "beyond"
]
EITHER = re.compile(r"\b(?:first|former|one|1)\b.* or .*\b(?:second|latter|other|2)\b")
OR = re.compile(r"\bor\b(?! (?:not|what|at least|so|false|no)\b)")
_MENDED = """
cadence rhythm activity steps sitting standing walking lying running upstairs downstairs stairs
frequency intensity gravity vertical missing second faster slower stronger posture movement
vigorous moderate doing irregular
"""
VOCABULARY = frozenset(_MENDED.split())


@dataclass(frozen=True, kw_only=True)
class Intent:
    """Say what a question wants.

    Args:
        kind: what it is.
        text: the question, or its part, as typed.
        labels: of a yes/no question, the labels for which the named thing holds.
        negated: whether yes means that the named thing does not hold.
        fact: the fact that is asked for or compared; empty for none.
        yes_no: of a comparison, whether yes or no is wanted.
        window: which of two is asked about, 0 or 1; None for the last one, or for both.
        plain: the text in plain words.
    """

    kind: Kind
    text: str
    labels: frozenset[int] = frozenset()
    negated: bool = False
    fact: str = ""
    yes_no: bool = False
    window: int | None = None
    plain: str = ""


class Router:
    """Tell kinds of questions apart for one adapter.

    Args:
        label_texts: the adapter's labels.
        facts: names of the facts that its windows have.
        label_words: further words of each label.
        unknowable: what these windows cannot tell, as `the age`.
    """

    def __init__(
        self,
        label_texts: Sequence[str],
        facts: Collection[str],
        label_words: Mapping[str, Sequence[str]] | None = None,
        unknowable: Sequence[str] = (),
    ) -> None:
        self.names, self.facts = LabelNames(label_texts, label_words), frozenset(facts)
        own = " ".join(self.names.texts)
        topics = (topic.removeprefix("the ").casefold() for topic in unknowable)
        names = [
            plain_words(topic)
            for topic in topics
            if topic.rsplit(" ", 1)[-1] not in own and topic != "name"  # `name the activity`
        ]
        self._unknowable = re.compile(rf"\b(?:{'|'.join(map(re.escape, names)) or '(?!)'})\b")
        self._words = VOCABULARY | self.names.vocabulary

    def route(self, question: str, *, windows: int = 1) -> tuple[Intent, ...]:
        """Give what each part of a question wants.

        Args:
            question: as typed.
            windows: how many are attached; with two or more, comparisons are of the last two.
        """
        intents: list[Intent] = []
        for part in split_parts(question):
            intent = self._part(part, windows)
            if intents and intents[-1].fact and not intent.fact and _limit(plain_words(part)):
                intent = replace(intent, kind="fact_yes_no", fact=intents[-1].fact)
            intents.append(intent)
        return tuple(intents)

    def _part(self, part: str, windows: int) -> Intent:
        text = plain_words(part, self._words)
        return replace(self._intent(part, text, windows), plain=text)

    def _intent(self, part: str, text: str, windows: int) -> Intent:
        if words.GENERAL.search(text):
            return Intent(kind="beyond", text=part)
        if words.WHY.search(text):
            return Intent(kind="why", text=part)
        if windows > 1 and (comparison := self._comparison(part, text)):
            return comparison
        if self._is_unknowable(text):
            return Intent(kind="unanswerable", text=part)
        for rule in (self._choice, self._fact_claim, self._label_claim, self._fact, self._label):
            if intent := rule(part, text):
                return intent
        return Intent(kind="unanswerable" if words.WEARER.search(text) else "beyond", text=part)

    def _comparison(self, part: str, text: str) -> Intent | None:
        fact = self._fact_of(text)
        compares = words.COMPARING.search(text)
        comparative = words.COMPARATIVE.search(text) and not re.search(r"\d", text)
        if not compares and not (fact and comparative):
            return None
        if self._is_unknowable(text):
            return None
        alike = words.SAME.search(text) or words.DIFFERENT.search(text)
        labels = frozenset[int]() if alike else _union(self.names.named(text))
        yes_no = _wants_yes_no(text) or (_opens(text) and not EITHER.search(text))
        place = re.search(r"\b(first|former|second|latter)\b", text)
        if labels and yes_no and place and not comparative:
            claim = self._label_claim(part, text)
            number = int(place[1] in ("second", "latter"))
            return None if claim is None else replace(claim, window=number)
        return Intent(kind="comparison", text=part, fact=fact, yes_no=yes_no, labels=labels,
                      negated=bool(words.DIFFERENT.search(text)))  # fmt: skip

    def _fact_claim(self, part: str, text: str) -> Intent | None:
        """Read a claim about a fact: a limit, a word, whether it is there."""
        fact = self._fact_of(text)
        if not fact:
            return None
        limit = _limit(text)
        labelled = any(self.names.named(text)) and not limit
        if labelled or not (limit or _wants_yes_no(text)):
            return None
        return Intent(kind="fact_yes_no", text=part, fact=fact)

    def _label_claim(self, part: str, text: str) -> Intent | None:
        """Read a claim that the window has a label, or one of some."""
        named = self.names.named(text)
        if not named or (words.ASKS_WHICH.search(_bare(text)) and not words.WHETHER.search(text)):
            return None
        if words.NAMES_A_CHOICE.search(text) and not _wants_yes_no(text):
            return None
        negated = bool(
            words.OTHER_THAN.search(text)
            or (words.NEGATED.search(_without_tag(text)) and words.AGREES.search(text)
                and not _opens(text))
        )  # fmt: skip
        return Intent(kind="yes_no", text=part, labels=_union(named), negated=negated)

    def _fact(self, part: str, text: str) -> Intent | None:
        fact = self._fact_of(text)
        return Intent(kind="fact", text=part, fact=fact) if fact else None

    def _label(self, part: str, text: str) -> Intent | None:
        named = self.names.named(text)
        if named and self.names.named(_without_definition(text)) != named:
            return Intent(kind="beyond", text=part)
        cue = words.LABEL_CUES.search(text)
        return Intent(kind="label", text=part) if cue or named else None

    def _choice(self, part: str, text: str) -> Intent | None:
        """Read a choice between labels: `sitting or standing`."""
        if not re.search(OR, text) or len(self.names.named(text)) < 2:
            return None
        return Intent(kind="label", text=part)

    def _is_unknowable(self, text: str) -> bool:
        """Say whether words name what no sensor tells, or others do: a pulse, of acceleration."""
        foreign = frozenset(("heart_rate", "rmssd")) - self.facts
        return bool(
            words.UNSENSED.search(text)
            or self._unknowable.search(text)
            or any(words.FACTS[name].search(text) for name in foreign)
        )

    def _fact_of(self, text: str) -> str:
        """Give the fact that words name, of those that these windows have."""
        return next(
            (n for n, pattern in words.FACTS.items() if n in self.facts and pattern.search(text)),
            "",
        )


def _bare(text: str) -> str:
    return words.POLITE.sub("", text, count=1)


def _without_definition(text: str) -> str:
    return re.sub(r"^what (?:is|are) (?:a |an |the )?\w+(?: \w+)?$", "", text)


def _limit(text: str) -> bool:
    return bool(re.search(r"\d", text) and (words.ABOVE.search(text) or words.BELOW.search(text)))


def _opens(text: str) -> bool:
    return bool(words.OPENS_YES_NO.match(_bare(text)))


def _without_tag(text: str) -> str:
    return words.CLOSES_YES_NO.sub("", text)


def _wants_yes_no(text: str) -> bool:
    bare = _bare(text)
    if words.ASKS_WHICH.search(bare) and not words.WHETHER.search(text):
        return False
    if re.search(OR, bare) and not words.CLOSES_YES_NO.search(text):
        return False
    return bool(
        words.OPENS_YES_NO.match(bare)
        or words.STATES.match(bare)
        or words.CLOSES_YES_NO.search(text)
        or words.WHETHER.search(text)
        or re.match(r"(?:any|no|some)\b", bare)
    )


def _union(sets: Sequence[frozenset[int]]) -> frozenset[int]:
    return frozenset().union(*sets)
