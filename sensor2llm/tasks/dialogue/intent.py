"""What a typed question wants: a label, yes or no, a fact, a comparison, reasons, or nothing here.

    Router(label_texts, fact_names).route("isn't he sitting?")
    Intent(kind="yes_no", labels=frozenset({3}), ...)

The kind is that of the known wordings that a question is most like, by its words and by cues: what
names a label or a fact, compares, or asks for yes or no. Rules over words read what the kind needs:
the labels that are named, the fact, what yes stands for.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal, cast

from sensor2llm.tasks.dialogue import vocabulary as words
from sensor2llm.tasks.dialogue.fact_claims import claims_something
from sensor2llm.tasks.dialogue.known_wordings import known_wordings
from sensor2llm.tasks.dialogue.label_names import LabelNames
from sensor2llm.tasks.dialogue.wording import plain_words, split_parts
from sensor2llm.tasks.dialogue.wording_kinds import WordingKinds

Kind = Literal[
    "label", "yes_no", "fact", "fact_yes_no", "comparison", "why", "describe", "unanswerable",
    "beyond",
]  # fmt: skip
EITHER = re.compile(r"\b(?:first|former|one|1)\b.* or .*\b(?:second|latter|other|2)\b")
OR = re.compile(r"\bor\b(?! (?:not|what|at least|so|false|no)\b)")
_MENDED = """
cadence rhythm activity steps sitting standing walking lying running upstairs downstairs stairs
frequency intensity gravity vertical missing second faster slower stronger posture movement
vigorous moderate doing irregular
"""
VOCABULARY = frozenset(_MENDED.split())
MOST_ROUTES, LONGEST_ROUTE = 256, 512
"""Questions of which it is remembered what they want: many windows are asked the same; and the
characters of the longest, since whoever asks chooses what is remembered."""


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
        self._unknowable_topics = tuple(unknowable)
        self._cached_route = lru_cache(MOST_ROUTES)(self._route)

    @cached_property
    def _wordings(self) -> list[tuple[str, str]]:
        """Give the known wordings in plain words, each with its kind."""
        known = known_wordings(self.names.texts, self.facts, self._unknowable_topics)
        return [(kind, plain_words(text)) for kind, text in known]

    @cached_property
    def _known_kinds(self) -> dict[str, str]:
        """Give the kind of each known wording, whoever it speaks of."""
        return {_of_him(text): kind for kind, text in self._wordings}

    @cached_property
    def _kinds(self) -> WordingKinds:
        """Learn the known wordings, at the first question that is none of them."""
        return WordingKinds(
            [(kind, self._generic(text), self._cues(text)) for kind, text in self._wordings]
        )

    def _kind(self, text: str, windows: int) -> str:
        """Give the kind of plain words: a known wording's own, else that of those it is like."""
        kind = self._known_kinds.get(_of_him(text))
        if kind and (windows > 1 or not kind.startswith("comparison")):
            return kind
        among = [k for k in self._kinds.kinds if windows > 1 or not k.startswith("comparison")]
        return self._kinds.likeliest(self._generic(text), self._cues(text), among)

    def route(self, question: str, *, windows: int = 1) -> tuple[Intent, ...]:
        """Give what each part of a question wants.

        Args:
            question: as typed.
            windows: how many are attached; with two or more, comparisons are of the last two.
        """
        route = self._cached_route if len(question) <= LONGEST_ROUTE else self._route
        return route(question, windows)

    def _route(self, question: str, windows: int) -> tuple[Intent, ...]:
        intents: list[Intent] = []
        for part in split_parts(question):
            intent = self._part(part, windows)
            if intents and intents[-1].fact and not intent.fact and _limit(plain_words(part)):
                intent = replace(intent, kind="fact_yes_no", fact=intents[-1].fact)
            intents.append(intent)
        return tuple(intents)

    def _part(self, part: str, windows: int) -> Intent:
        text = plain_words(part, self._words)
        if words.TWO_WINDOWS.search(text):
            windows = max(windows, 2)
        asks_meaning = self.names.marked(text) == "what is <label>"
        kind, _, fact = ("beyond" if asks_meaning else self._kind(text, windows)).partition(" ")
        bare = Intent(kind=cast(Kind, kind), text=part, fact=fact, plain=text)
        place = re.search(r"\b(first|former|second|latter)\b", text) if windows > 1 else None
        if kind == "comparison":
            return self._compared(bare, place)
        window = int(place[1] in ("second", "latter")) if place else None
        return replace(self._of_one(bare), window=window)

    def _of_one(self, bare: Intent) -> Intent:
        """Read whether a fact or label of one window is asked for, or claimed."""
        text, chosen = bare.plain, _is_choice(bare.plain)
        if bare.kind in ("fact", "fact_yes_no"):
            asked_for = words.ASKS_WHICH.match(_bare(text)) and not _limit(text)
            yes_no = not asked_for and (
                bare.kind == "fact_yes_no" or _limit(text) or _wants_yes_no(text)
            )
            claimed = yes_no and not chosen and claims_something(text, bare.fact)
            return replace(bare, kind="fact_yes_no" if claimed else "fact")
        if bare.kind == "yes_no" or (bare.kind == "label" and _wants_yes_no(text)):
            return replace(bare, kind="label") if chosen else self._claimed(bare)
        return bare

    def _compared(self, bare: Intent, place: re.Match[str] | None) -> Intent:
        """Read by what two windows are compared; `is the first sitting` is of one."""
        text = bare.plain
        alike = words.SAME.search(text) or words.DIFFERENT.search(text)
        labels = frozenset[int]() if alike or bare.fact else _union(self.names.named(text))
        yes_no = _wants_yes_no(text) or (_opens(text) and not EITHER.search(text))
        if labels and yes_no and place:
            one = int(place[1] in ("second", "latter"))
            return replace(self._claimed(bare), window=one)
        return replace(bare, yes_no=yes_no, labels=labels,
                       negated=bool(words.DIFFERENT.search(text)))  # fmt: skip

    def _claimed(self, bare: Intent) -> Intent:
        """Read which label is claimed; where none is named, the window's own is asked for."""
        text, named = bare.plain, self.names.named(bare.plain)
        if not named:
            return replace(bare, kind="label")
        negated = bool(
            words.OTHER_THAN.search(text)
            or (words.NEGATED.search(_without_tag(text)) and words.AGREES.search(text)
                and not _opens(text))
        )  # fmt: skip
        return replace(bare, kind="yes_no", labels=_union(named), negated=negated)

    def _generic(self, text: str) -> str:
        """Put one word for all labels, for all numbers, and for all people, in plain words."""
        return _of_him(re.sub(r"\b\d+(?:\.\d+)?\b", "<number>", self.names.marked(text)))

    def _cues(self, text: str) -> frozenset[str]:
        """Give what plain words have that tells of their kind."""
        cues = {
            f"labels {min(len(self.names.named(text)), 2)}": True,
            "unsensed": self._is_unknowable(text),
            "general": words.GENERAL.search(text),
            "limit": _limit(text),
            "yes or no": _wants_yes_no(text),
            "opens": _opens(text),
            "or": OR.search(text),
            "why": words.ASKS_WHY.search(text),
            "which": words.ASKS_WHICH.search(_bare(text)),
            "compares": words.COMPARING.search(text),
            "more": words.COMPARATIVE.search(text),
        } | {name: pattern.search(text) for name, pattern in words.FACTS.items()}
        return frozenset(cue for cue, there in cues.items() if there)

    def _is_unknowable(self, text: str) -> bool:
        """Say whether words name what no sensor tells, or others do: a pulse, of acceleration."""
        foreign = frozenset(("heart_rate", "rmssd")) - self.facts
        return bool(
            words.UNSENSED.search(text)
            or self._unknowable.search(text)
            or any(words.FACTS[name].search(text) for name in foreign)
        )


def _of_him(text: str) -> str:
    """Put one word for all people, in plain words."""
    return words.THEIRS.sub("his", words.PEOPLE.sub("he", text))


def _is_choice(text: str) -> bool:
    return bool(OR.search(_bare(text)) and not words.CLOSES_YES_NO.search(text))


def _bare(text: str) -> str:
    return words.POLITE.sub("", text, count=1)


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
    if _is_choice(text):
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
