"""Questions as in a conversation: labels, facts, yes/no side by side, reasons, two windows.

    items = make_conversation(facts, spec, seed=0, per_window=6)

What belongs side by side (the same window with the right and with a wrong word) has one `unit`, and
so do two windows and the same two the other way round.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sensor2llm.signals.questions.labels import label_of
from sensor2llm.signals.questions.pairs import pair_facts
from sensor2llm.signals.questions.questions import QuestionAnswer, balanced, talk
from sensor2llm.signals.questions.templates import TEMPLATES
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.tasks.question_answering import Facts, Items, take_away

COMPARED_SHARE = 0.15
"""How many of a window's questions compare it with another one."""
SHARES = {"fact": 8, "missing": 2, "why": 2, "yes_no": 2}
"""How often a kind is asked, against 1 of the others: the chat asks an adapter for facts, and reads
most other answers off them and the label."""


class QuestionRow(NamedTuple):
    """Hold a question about a window, or two, and what is true of what is heard."""

    window: int
    second: int
    question: QuestionAnswer
    facts: Facts
    gone: tuple[str, ...]


Unit = list[QuestionRow]


def make_conversation(
    facts: Sequence[Facts],
    spec: SignalSpec,
    *,
    seed: int,
    per_window: int = 4,
    hide: float = 0.0,
    templates: Sequence[str] | None = None,
    held_out: float = 0.0,
) -> Items:
    """Draw questions about windows, in pairs where there are two answers; see `SHARES`.

    Args:
        facts: facts of each window, with its label where it has one.
        spec: of the windows.
        seed: of what is hidden, of the questions, their wordings and the second windows.
        per_window: so many questions a window; what belongs side by side counts as one.
        hide: share of the modalities that are taken away where one window is asked about.
        templates: which questions; all where None.
        held_out: share of the questions in wordings that never train an adapter.
    """
    units: list[Unit] = []
    partners = _partners(facts, np.random.default_rng([seed, len(facts), 1]))
    for number, whole in enumerate(facts):
        rng = np.random.default_rng([seed, number])
        for _ in range(per_window):
            new = bool(rng.random() < held_out)
            if len(facts) > 1 and rng.random() < COMPARED_SHARE:
                among = _compared(facts, (number, partners[number]), rng, templates, new)
            else:
                left, gone = take_away(whole, spec, hide, rng)
                asked = talk(left, rng, templates, held_out=new)
                among = [[QuestionRow(number, -1, pair, left, gone) for pair in u] for u in asked]
            if among:
                units.append(among[_choose(among, rng)])
    return _items(_balanced(units, np.random.default_rng([seed, len(facts)])), spec)


def _choose(units: Sequence[Unit], rng: np.random.Generator) -> int:
    """Draw one, kinds by their shares, and within a kind every template as often."""
    names = [unit[0].question.asked.template for unit in units]
    kinds = {name: TEMPLATES[name].kind for name in names}
    share = np.array([
        SHARES.get(kinds[name], 1) / (names.count(name) * list(kinds.values()).count(kinds[name]))
        for name in names
    ])  # fmt: skip
    return int(rng.choice(len(units), p=share / share.sum()))


def _compared(
    facts: Sequence[Facts],
    pair: tuple[int, int],
    rng: np.random.Generator,
    templates: Sequence[str] | None,
    held_out: bool,
) -> list[Unit]:
    """Compare two windows, and the same two the other way round."""
    seed = int(rng.integers(1 << 31))
    ways = []
    for first, second in (pair, pair[::-1]):
        both = pair_facts(facts[first], facts[second])
        units = talk(both, np.random.default_rng(seed), templates, held_out=held_out)
        ways.append([[QuestionRow(first, second, asked, both, ()) for asked in u] for u in units])
    return [[*one, *turned] for one, turned in zip(*ways, strict=True)]


def _partners(facts: Sequence[Facts], rng: np.random.Generator) -> list[int]:
    """Draw another window for each: of the same label half of the time."""
    labels = np.array([label_of(one) or "" for one in facts])
    alike = {label: np.flatnonzero(labels == label) for label in set(labels.tolist())}
    partners = []
    for number, label in enumerate(labels.tolist()):
        among = alike[label] if rng.random() < 0.5 else np.arange(len(facts))
        choice = int(among[rng.integers(len(among))])
        partners.append(choice if choice != number else (number + 1) % len(facts))
    return partners


def _balanced(units: Sequence[Unit], rng: np.random.Generator) -> list[Unit]:
    """Keep as many yes as no at each key, of questions that stand alone."""
    alone = [unit[0].question for unit in units if len(unit) == 1]
    chosen = {id(question) for question in balanced(alone, rng)}
    return [unit for unit in units if len(unit) > 1 or id(unit[0].question) in chosen]


def _items(units: Sequence[Unit], spec: SignalSpec) -> Items:
    rows = [row for unit in units for row in unit]
    hidden = np.array([[name in row.gone for name in spec.names] for row in rows], dtype=bool)
    return Items(
        np.array([row.window for row in rows], dtype=np.int64),
        tuple(row.question for row in rows),
        tuple(row.facts for row in rows),
        hidden.reshape(len(rows), len(spec.names)),
        np.array([row.second for row in rows], dtype=np.int64),
        np.repeat(np.arange(len(units)), [len(unit) for unit in units]),
    )
