"""Questions about windows whose answers are computed from the signal, and how true answers are.

    facts = facts_of_rows(store, rows)
    items = make_items(facts, seed=0, per_window=4)
    answers = [text for batch in batches for text in model.generate(batch)]
    shares(items, answers)["true"]                 share of true statements

An item is a question about one window, some of whose modalities may have been taken away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from sensor2llm.adapter.batches import Request
from sensor2llm.signals.facts.facts import Fact, extract_facts
from sensor2llm.signals.questions.checking import Verdict, check, differs
from sensor2llm.signals.questions.questions import (
    QuestionAnswer,
    ask,
    balanced,
    frequent_answer,
    most_frequent_answers,
)
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.store.windows import Windows

TASK = "question_answering"
LONGEST_ANSWER = 64
Facts = Mapping[str, Fact]


@dataclass(frozen=True, eq=False)
class Items:
    """Hold questions about windows.

    Args:
        at: each item's window, by its position among the windows they were made of.
        questions: with their true answers.
        facts: what is true of each item's window without what was taken away; of two windows
            side by side.
        hidden: modalities taken away from each item.
        second: each item's second window; -1 for none. None where no item has one.
        unit: items of one number belong side by side; None where none do.
    """

    at: Int[np.ndarray, " item"]
    questions: tuple[QuestionAnswer, ...]
    facts: tuple[Facts, ...]
    hidden: Bool[np.ndarray, "item modality"]
    second: Int[np.ndarray, " item"] | None = None
    unit: Int[np.ndarray, " item"] | None = None

    def __len__(self) -> int:
        return len(self.at)

    def take(self, chosen: Int[np.ndarray, " chosen"]) -> "Items":
        """Give some of the items."""
        places = chosen.tolist()
        return Items(
            self.at[chosen],
            tuple(self.questions[i] for i in places),
            tuple(self.facts[i] for i in places),
            self.hidden[chosen],
            None if self.second is None else self.second[chosen],
            None if self.unit is None else self.unit[chosen],
        )

    @property
    def requests(self) -> tuple[Request, ...]:
        """Give what the model is asked, with the true answers."""
        seconds = [-1] * len(self) if self.second is None else self.second.tolist()
        return tuple(
            request_of(item.question, item.answer, windows=1 + (second >= 0))
            for item, second in zip(self.questions, seconds, strict=True)
        )


def request_of(question: str, answer: str | None = None, *, windows: int = 1) -> Request:
    """Ask one window, or compare two."""
    values = {"question": question} | ({"windows": windows} if windows > 1 else {})
    return Request(TASK, values, answer)


def facts_of_rows(store: Windows, rows: Int[np.ndarray, " window"]) -> list[Facts]:
    """Compute the facts of some of a store's windows, in their order."""
    return [extract_facts(store[int(row)], store.spec) for row in rows]


def without(facts: Facts, spec: SignalSpec, gone: Sequence[str]) -> Facts:
    """Give what is true of a window after some modalities were taken away."""
    if not gone:
        return facts
    before = facts["missing"].value
    assert isinstance(before, tuple)
    names = tuple(name for name in spec.names if name in gone or name in before)
    text = f"missing: {', '.join(names)}"
    left = {key: fact for key, fact in facts.items() if fact.modality not in gone}
    return {**left, "missing": replace(facts["missing"], value=names, text=text)}


def make_items(
    facts: Sequence[Facts],
    spec: SignalSpec,
    *,
    seed: int,
    per_window: int = 4,
    hide: float = 0.0,
    templates: Sequence[str] | None = None,
) -> Items:
    """Draw questions about windows, from as many with the answer yes as with no at each key.

    Args:
        facts: facts of each window.
        spec: of the windows.
        seed: of what is hidden, and of the questions and their wording.
        per_window: at most so many questions a window.
        hide: share of the modalities that are taken away; one always stays.
        templates: which questions; all where None.
    """
    candidates, left, gone = [], [], []
    for number, whole in enumerate(facts):
        rng = np.random.default_rng([seed, number])
        remaining, away = take_away(whole, spec, hide, rng)
        candidates.append(ask(remaining, rng, templates))
        left.append(remaining)
        gone.append([name in away for name in spec.names])
    rng = np.random.default_rng([seed, len(facts)])
    balanced_ids = {
        id(pair) for pair in balanced([pair for pairs in candidates for pair in pairs], rng)
    }
    at, questions = [], []
    for number, pairs in enumerate(candidates):
        chosen = [pair for pair in pairs if id(pair) in balanced_ids]
        for choice in rng.permutation(len(chosen))[:per_window].tolist():
            at.append(number)
            questions.append(chosen[choice])
    hidden = np.array([gone[number] for number in at], dtype=bool)
    return Items(
        np.array(at, dtype=np.int64),
        tuple(questions),
        tuple(left[number] for number in at),
        hidden.reshape(len(at), len(spec.names)),
    )


def take_away(
    facts: Facts, spec: SignalSpec, share: float, rng: np.random.Generator
) -> tuple[Facts, tuple[str, ...]]:
    """Take each modality away with probability `share`; one that is drawn always stays.

    Returns:
        what is true of the window that is left, and the names that were taken away.
    """
    missing = facts["missing"].value
    assert isinstance(missing, tuple)
    there = [name for name in spec.names if name not in missing]
    lost = rng.random(len(there)) < share
    if len(there):
        lost[rng.integers(len(there))] = False
    gone = tuple(name for name, away in zip(there, lost, strict=True) if away)
    return without(facts, spec, gone), gone


def shares(items: Items, answers: Sequence[str]) -> dict[str, float]:
    """Give the shares of answers that are true, false and no answer to their question."""
    verdicts = judge(items, answers)
    return {v.value: float(np.mean([x == v for x in verdicts])) for v in Verdict}


def judge(items: Items, answers: Sequence[str]) -> list[Verdict]:
    """Say of each answer whether it is true of its item's window."""
    return [
        check(question, text, facts)
        for question, text, facts in zip(items.questions, answers, items.facts, strict=True)
    ]


def frequent_answers(train: Items, items: Items) -> list[str]:
    """Answer each question with what is most frequently true of training windows."""
    most_frequent = most_frequent_answers(train.questions)
    return [frequent_answer(most_frequent, question.asked) for question in items.questions]


def differing(items: Items, others: Sequence[Facts]) -> Bool[np.ndarray, " item"]:
    """Say of each item whether its question has clearly another answer for another window.

    Args:
        items: questions.
        others: facts of the other window of each item.
    """
    return np.array(
        [
            differs(question, facts, other)
            for question, facts, other in zip(items.questions, items.facts, others, strict=True)
        ],
        dtype=bool,
    )
