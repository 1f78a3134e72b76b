"""Part `questions`: asked in wordings, or with templates, that training left out.

Two trainings on each language model. `wordings` leaves the last wording of every template out of
training and asks it afterwards. `templates` leaves whole templates out whose parts training knows:
"is it above …" of a rate whose like was compared, "is it …" of a word that was an answer.

Without a language model there is a head for each question that training asked, at its key
(template, modality, limit); a question without a head is answered by its key's most frequent
training answer, as if somebody had told it, and `frequent` answers every question so.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from research.llm_ablation.judged import fit_probe, kept
from research.llm_ablation.training import LLMS, Bench, chunks, spread, train
from sensor2llm.adapter.request_table import RequestTable
from sensor2llm.evaluation.question_evaluation import other_people
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.config import QUESTION_ANSWERING, TaskMix
from sensor2llm.recipes.sources import BatchSource
from sensor2llm.signals.questions.checking import Verdict
from sensor2llm.signals.questions.questions import frequent_answer, most_frequent_answers
from sensor2llm.signals.questions.wordings import first_wordings
from sensor2llm.tasks.question_answering import (
    LONGEST_ANSWER,
    Facts,
    Items,
    differing,
    facts_of_rows,
    judge,
    make_items,
)

HELD_TEMPLATES = ("step_rate_above", "intensity_is")
STYLES = ("wordings", "templates")
PER_WINDOW = 4
TASKS = {QUESTION_ANSWERING: TaskMix()}


@dataclass(frozen=True, eq=False)
class Asked:
    """Hold questions about one part's windows: those that training knows, and those held out."""

    known: Items
    new: Items


def held_out(items: Items, style: str) -> np.ndarray:
    """Say of each item whether it is held out from training."""
    questions = items.questions
    if style == "templates":
        return np.array([q.asked.template in HELD_TEMPLATES for q in questions], dtype=bool)
    last = [len(first_wordings(q.asked.template, "")) - 1 for q in questions]
    return np.array([q.phrasing == n for q, n in zip(questions, last, strict=True)], dtype=bool)


@dataclass(eq=False)
class QuestionsPart:
    """Measure questions that no head was trained for.

    Args:
        bench: the data set.
        out: what is done is kept here.
        windows: training windows that are asked about, spread evenly.
    """

    bench: Bench
    out: Path
    windows: int = 3000

    def run(self) -> dict[str, Any]:
        """Train and judge what is missing."""
        found: dict[str, Any] = {"data": self.bench.store.source, "held_out": HELD_TEMPLATES}
        for style in STYLES:
            runs = {
                llm: kept(self._file(style, llm), partial(self.one, style, llm)) for llm in LLMS
            }
            heads = kept(self._file(style, "no LLM"), partial(self.heads, style))
            found[style] = {**runs, **heads}
        return found

    def _kept(self, style: str, llm: str) -> dict[str, Any]:
        return kept(self._file(style, llm), partial(self.one, style, llm))

    def _file(self, style: str, method: str) -> Path:
        return self.out / f"{style}-{method.replace(' ', '_')}.json"

    def asked(self, part: str, style: str) -> Asked:
        """Give a part's questions, those held out apart."""
        facts = self._facts[part]
        items = make_items(
            facts, self.bench.store.spec, seed=int(part != "train"), per_window=PER_WINDOW
        )
        new = held_out(items, style)
        return Asked(items.take(np.flatnonzero(~new)), items.take(np.flatnonzero(new)))

    @cached_property
    def _facts(self) -> dict[str, list[Facts]]:
        parts = ("train", self.bench.judges)
        return {part: facts_of_rows(self.bench.store, self._rows(part)) for part in parts}

    def _rows(self, part: str) -> Int[np.ndarray, " window"]:
        return self.bench.positions(part)[self._at(part)]

    def _at(self, part: str) -> Int[np.ndarray, " window"]:
        count = np.arange(len(self.bench.positions(part)))
        return spread(count, self.windows) if part == "train" else count

    def one(self, style: str, llm: str) -> dict[str, Any]:
        """Train one bridge and ask it."""
        bench, train_items = self.bench, self.asked("train", style).known
        model = bench.untrained(llm, tasks=TASKS, objective="answer")
        at = self._at("train")[train_items.at]
        requests = RequestTable.build(train_items.requests)
        source = BatchSource(bench.rows("train"), at, QUESTION_ANSWERING, requests=requests)
        identity = {"part": "questions", "style": style, "items": len(train_items)}
        run = self._file(style, llm).with_suffix("")
        cost = train(model, [source], bench.recipe.loop, run, identity)
        test = self.asked(bench.judges, style)
        return {
            "known": self._judged(model, test.known),
            "new": self._judged(model, test.new),
            "cost": cost,
        }

    def _judged(self, model: SensorLanguageModel, items: Items) -> dict[str, Any]:
        """Ask about the right windows, and while the model hears another person's."""
        others = other_people(self.bench.subjects(self.bench.judges)[items.at], seed=0)
        elsewhere = [self._facts[self.bench.judges][items.at[i]] for i in others.tolist()]
        said, swapped = (self._say(model, items, at) for at in (items.at, items.at[others]))
        differs = differing(items, elsewhere)
        changed = np.array([a != b for a, b in zip(said, swapped, strict=True)])
        return {
            **_true(items, said),
            "swapped_true": _true(items, swapped)["true"],
            "follows": float(changed[differs].mean()) if differs.any() else None,
        }

    def _say(
        self, model: SensorLanguageModel, items: Items, at: Int[np.ndarray, " item"]
    ) -> list[str]:
        rows, requests, said = self.bench.rows(self.bench.judges), items.requests, []
        for chosen in chunks(len(items)):
            batch = rows.batch(at[chosen]).with_requests([requests[i] for i in chosen.tolist()])
            said += model.generate(batch.to(model.llm.device), max_new_tokens=LONGEST_ANSWER)
        return said

    def heads(self, style: str) -> dict[str, Any]:
        """Answer with a head for each question of training, and by frequency alone."""
        taught, test = self.asked("train", style), self.asked(self.bench.judges, style)
        frequent = most_frequent_answers([*taught.known.questions, *taught.new.questions])
        features = (
            self.bench.pooled("train")[self._at("train")],
            self.bench.pooled(self.bench.judges),
        )
        found: dict[str, Any] = {"no LLM": {}, "frequent": {}}
        for name, items in (("known", test.known), ("new", test.new)):
            usual = [frequent_answer(frequent, q.asked) for q in items.questions]
            said = answer_by_heads(taught.known, items, features, usual)
            found["no LLM"][name] = _true(items, said)
            found["frequent"][name] = _true(items, usual)
        return found


def answer_by_heads(
    taught: Items, items: Items, features: tuple[np.ndarray, np.ndarray], usual: Sequence[str]
) -> list[str]:
    """Answer each question by logistic regression over the answers that training saw at its key.

    Args:
        taught: training items.
        items: what is asked.
        features: of the training and of the judged windows.
        usual: the answer where there is no head.
    """
    said = list(usual)
    rows: dict[str, list[int]] = defaultdict(list)
    for i, question in enumerate(items.questions):
        rows[question.asked.key].append(i)
    learnt: dict[str, list[int]] = defaultdict(list)
    for i, question in enumerate(taught.questions):
        learnt[question.asked.key].append(i)
    for key in rows.keys() & learnt.keys():
        answers = np.array([taught.questions[i].answer for i in learnt[key]])
        if len(np.unique(answers)) > 1:
            head = fit_probe(features[0][taught.at[learnt[key]]], answers)
            for i, answer in zip(
                rows[key], head.predict(features[1][items.at[rows[key]]]), strict=True
            ):
                said[i] = str(answer)
    return said


def _true(items: Items, said: Sequence[str]) -> dict[str, Any]:
    """Give the share of true answers, in all and by template."""
    true = np.array([verdict == Verdict.TRUE for verdict in judge(items, said)])
    names = np.array([question.asked.template for question in items.questions])
    return {
        "true": float(true.mean()),
        "questions": len(items),
        "by_template": {n: float(true[names == n].mean()) for n in np.unique(names).tolist()},
    }
