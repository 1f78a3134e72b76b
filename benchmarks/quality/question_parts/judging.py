"""Whether an answer to a question as people type them is true of its windows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.quality.question_parts.humans import HumanQuestion, holds
from sensor2llm.signals.questions.checking import Verdict, check
from sensor2llm.signals.questions.forms import read_choice, read_verdict
from sensor2llm.signals.questions.labels import label_of
from sensor2llm.signals.questions.naming import Facts
from sensor2llm.signals.questions.template import Question
from sensor2llm.signals.questions.wordings import label_words
from sensor2llm.tasks.dialogue.label_names import LabelNames
from sensor2llm.tasks.dialogue.wording import plain_words

REFUSAL = re.compile(
    r"\b(?:can ?not|can't|unable|not able|impossible|no way|do not know|don't know|unknown|"
    r"not trained|not (?:tell|possible|available|known|provided|mentioned|specified))\b"
)


@dataclass(frozen=True, eq=False)
class AskedItem:
    """Hold a question and the facts of its windows, with their labels."""

    question: HumanQuestion
    places: tuple[int, ...]
    facts: tuple[Facts, ...]

    @property
    def truth(self) -> bool | str | None:
        """Give what is true, where the question has two answers."""
        return holds(self.question, *self.facts)


def is_refusal(answer: str) -> bool:
    """Say whether an answer says that it cannot be told."""
    return bool(REFUSAL.search(answer.casefold()))


def is_right(item: AskedItem, answer: str, labels: Sequence[str]) -> bool:
    """Judge an answer.

    A label is right where it is named and no other, or as the likeliest; yes and no, `first` and
    `second` where they are the answer's verdict; a fact within the tolerance of its template;
    reasons where the label is right and every reason is true; what no sensor tells where it is
    refused.
    """
    kind, facts = item.question.kind, item.facts[0]
    if kind == "unanswerable":
        return is_refusal(answer)
    if kind == "label":
        return labels_in(likeliest(answer), labels) == {label_of(facts)}
    if kind == "why":
        return check(Question("why"), answer, facts) == Verdict.TRUE
    if kind == "fact":
        return _fact_is_right(str(item.question.truth["fact"]), answer, facts)
    said = read_which(answer) if isinstance(item.truth, str) else read_yes_no(answer)
    return said is not None and said == item.truth


def likeliest(answer: str) -> str:
    """Leave out what an answer calls less likely: `sitting 62 %, or standing 31 %`."""
    return re.sub(r"(\d+ %)(?:, or .+? \d+ %)+", r"\1", answer)


def labels_in(answer: str, labels: Sequence[str]) -> set[str | None]:
    """Give the labels that an answer names, in their own words or others."""
    names = LabelNames(labels, {label: label_words(label) for label in labels})
    return {labels[i] for named in names.named(plain_words(answer)) for i in named}


def read_yes_no(answer: str) -> bool | None:
    """Read yes or no at the beginning of an answer, or as what follows from its evidence."""
    verdict = read_verdict(answer)
    if verdict is not None:
        return verdict
    match = re.match(r"\W*(yes|no)\b", answer.casefold())
    return match[1] == "yes" if match else None


def read_which(answer: str) -> str | None:
    """Read which of two windows an answer names; None for both, or neither."""
    choice = read_choice(answer)
    if choice is not None:
        return choice
    named = set(re.findall(r"\b(first|second)\b", answer.casefold().rsplit("so ", 1)[-1]))
    return named.pop() if len(named) == 1 else None


def _fact_is_right(name: str, answer: str, facts: Facts) -> bool:
    template = "which_missing" if name == "missing" else name
    sensors = [fact.modality for fact in facts.values() if fact.name == name]
    text = answer.strip().rstrip(".")
    return any(check(Question(template, sensor), text, facts) == Verdict.TRUE for sensor in sensors)


def contradicts(answer: str, shown: str, labels: Sequence[str]) -> bool:
    """Say whether an answer names labels, and not the one that is shown."""
    named = {label for label in labels if re.search(rf"\b{re.escape(label)}\b", answer.casefold())}
    # `walking upstairs` names `walking` too; the longest counts.
    longest = {n for n in named if not any(n != other and n in other for other in named)}
    return bool(longest) and shown not in longest
