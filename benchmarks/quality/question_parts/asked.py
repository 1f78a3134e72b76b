"""Windows of some people that are asked about, and what each question is asked of."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.quality.question_parts.humans import HumanQuestion, draw_windows
from benchmarks.quality.question_parts.judging import AskedItem
from sensor2llm.signals.facts.facts import extract_facts
from sensor2llm.signals.questions.labels import with_label
from sensor2llm.signals.questions.naming import Facts
from sensor2llm.signals.window import Window


class AskedWindows:
    """Hold some windows of some people with their facts and labels.

    Args:
        store: of the adapter's spec.
        rows: of the people who are asked about; as many of each label are drawn.
        number: how many windows.
        seed: of the drawing.
    """

    def __init__(self, store: Any, rows: np.ndarray, number: int, seed: int) -> None:
        labels = np.asarray(store.labels)
        rows, rng = rows[labels[rows] >= 0], np.random.default_rng(seed)
        each = max(number // max(len(set(labels[rows].tolist())), 1), 1)
        chosen = [rng.permutation(rows[labels[rows] == n])[:each] for n in np.unique(labels[rows])]
        self.rows = np.concatenate(chosen)
        self.windows: list[Window] = [store[int(row)] for row in self.rows]
        names = tuple(store.label_names)
        self.labels = [names[labels[row]] for row in self.rows]
        self.facts: list[Facts] = [
            with_label(extract_facts(window, store.spec), label, names)
            for window, label in zip(self.windows, self.labels, strict=True)
        ]

    def swapped(self, rng: np.random.Generator) -> list[int]:
        """Give another person's window for each, whatever its label."""
        people = np.array([window.subject or "" for window in self.windows])
        choices = [np.flatnonzero(people != person) for person in people]
        return [int(rng.choice(c)) if len(c) else n for n, c in enumerate(choices)]


def make_items(
    questions: Sequence[HumanQuestion], asked: AskedWindows, each: int, seed: int
) -> list[AskedItem]:
    """Ask each question of some windows, or of some pairs."""
    items = []
    for number, question in enumerate(questions):
        rng = np.random.default_rng([seed, number])
        for places in draw_windows(question, asked.facts, each, rng):
            items.append(AskedItem(question, places, tuple(asked.facts[p] for p in places)))
    return items
