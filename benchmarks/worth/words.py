"""Part `words`: labels called by words that training never said.

Three trainings on each language model. `own` says the data's label words, as `train_adapter` does.
`several` says one of several words for the label, drawn anew each time. `listed` does so too, and
its prompt names a word of every label to choose from, so that reading the list is enough.

Without a language model, the probe says the label that the new word is matched to (`matching`).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.worth.judged import difference, fit_probe, judge, kept, probabilities
from benchmarks.worth.label_words import LabelWords
from benchmarks.worth.matching import by_embedding, by_spelling, by_text, said_with
from benchmarks.worth.training import LLMS, RANDOM, TRAINED, Bench, train
from benchmarks.worth.word_scores import HEADLINE, PRIORS, Scored, score_words
from benchmarks.worth.word_sources import WordSource
from sensor2llm.model import SensorLanguageModel
from sensor2llm.recipes.sources import Source

LISTED_PROMPT = Path(__file__).resolve().parents[1] / "data" / "listed_activity.yaml"
STYLES = ("own", "several", "listed")


@dataclass(eq=False)
class WordsPart:
    """Measure unseen label words on one data set.

    Args:
        bench: the data set.
        words: of its labels.
        out: what is done is kept here.
    """

    bench: Bench
    words: LabelWords
    out: Path

    def run(self) -> dict[str, Any]:
        """Train and judge what is missing."""
        runs = {
            style: {llm: kept(self._file(style, llm), lambda: self.one(style, llm)) for llm in LLMS}  # noqa: B023
            for style in STYLES
        }
        return {
            "data": self.bench.store.source,
            "prior": HEADLINE,
            "words": {"train": self.words.train, "held_out": self.words.held_out},
            "runs": runs,
            "differences": {style: self._difference(runs[style]) for style in STYLES},
            "matching": kept(self.out / "matching.json", self.matching),
        }

    def one(self, style: str, llm: str) -> dict[str, Any]:
        """Train one bridge and judge it by its own and by unseen words."""
        prompt = str(LISTED_PROMPT) if style == "listed" else self.bench.recipe.prompt
        objective = self.bench.recipe.objective if style == "own" else "answer"
        model = self.bench.untrained(llm, prompt=prompt, objective=objective)
        identity = {"part": "words", "style": style, "words": self.words.train}
        run = self._file(style, llm).with_suffix("")
        cost = train(model, [self._source(style)], self.bench.recipe.loop, run, identity)
        own = self._score(model, [self.words.names], style)[0]
        unseen = self._score(model, self.words.sets, style)
        names = self.words.names
        return {
            "own": judge(self.bench, own.predict(), names),
            "unseen": [judge(self.bench, scored.predict(), names) for scored in unseen],
            "by_prior": {prior: self._mean(unseen, prior) for prior in PRIORS},
            "cost": cost,
        }

    def _source(self, style: str) -> Source:
        rows = self.bench.rows("train")
        if style == "own":
            return Source.of_labels(rows)
        at = np.arange(len(rows))
        return WordSource(rows, at, words=self.words, listed=style == "listed")

    def _score(
        self, model: SensorLanguageModel, sets: tuple[tuple[str, ...], ...] | list, style: str
    ) -> list[Scored]:
        """Score by each label set: alone where the prompt lists it, else all in one forward."""
        rows = self.bench.rows("test"), self.bench.rows("train")
        if style == "listed":
            return [score_words(model, words, *rows) for words in sets]
        every = [word for words in sets for word in words]
        scored, count = score_words(model, every, *rows), len(self.words.names)
        starts = range(0, len(every), count)
        return [scored.words(range(start, start + count)) for start in starts]

    def _mean(self, unseen: list[Scored], prior: str) -> float:
        true = self.bench.labels("test")
        scores = [f1_score(true, s.predict(prior), average="macro") for s in unseen]
        return float(np.mean(scores))

    def _difference(self, runs: dict[str, Any]) -> dict[str, Any]:
        return {
            "own": difference(self.bench, [runs[TRAINED]["own"]], [runs[RANDOM]["own"]]),
            "unseen": difference(self.bench, runs[TRAINED]["unseen"], runs[RANDOM]["unseen"]),
        }

    def matching(self) -> dict[str, Any]:
        """Judge the probe by words that are matched to labels without hearing a window."""
        names, sets = self.words.names, self.words.sets
        matchers = {
            "spelling": lambda new: by_spelling(new, self.words),
            **{
                f"{what}, {name}": lambda new, llm=llm, match=match, given=given: match(
                    llm, new, given
                )
                for name, llm in self.bench.llms.items()
                for what, match, given in (
                    ("word vectors", by_embedding, self.words),
                    ("reading", by_text, names),
                )
            },
        }
        found: dict[str, Any] = {"own": judge(self.bench, self._probed.argmax(1), names)}
        for name, match in matchers.items():
            # All words at once, as a label prior is taken off over the words.
            matched = match([word for words in sets for word in words]).reshape(len(sets), -1)
            found[name] = {
                "right": float((matched == np.arange(len(names))).mean()),
                "unseen": [judge(self.bench, said_with(self._probed, m), names) for m in matched],
            }
        return found

    @cached_property
    def _probed(self) -> np.ndarray:
        bench = self.bench
        probe = fit_probe(bench.pooled("train"), bench.labels("train"))
        return probabilities(probe, bench.pooled("test"), len(self.words.names))

    def _file(self, style: str, llm: str) -> Path:
        return self.out / f"{style}-{llm.replace(' ', '_')}.json"
