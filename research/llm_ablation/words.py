"""Part `words`: labels called by words that training never said.

Three trainings on each language model. `own` has the data's label words, as `train_adapter` does.
`several` calls the labels by other words at every step. `listed` does so too, and its prompt names
a word of every label to choose from, so that reading the list is enough.

The loss is the cross-entropy over the labels' scores (objective `labels`): random weights can be
fitted to it. What they cannot learn is to say words, so that an answer's likelihood would judge
that and not what words mean.

Without a language model, the probe says the label that the new word is matched to (`matching`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from research.llm_ablation.drawn_words import DrawnWords, WordSet, draw_sets
from research.llm_ablation.judged import difference, fit_probe, judge, kept, probabilities
from research.llm_ablation.label_words import LabelWords
from research.llm_ablation.matching import by_embedding, by_spelling, by_text, said_with
from research.llm_ablation.training import LLMS, RANDOM, TRAINED, Bench, train
from research.llm_ablation.word_scores import (
    HEADLINE,
    OWN,
    PRIORS,
    Scored,
    score_training,
    score_words,
)
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.sources import BatchSource

LISTED_PROMPT = Path(__file__).resolve().parent / "data" / "listed_activity.yaml"
STYLES = ("own", "several", "listed")
DRAWN_SETS = 16


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
            style: {
                llm: kept(self._file(style, llm), partial(self.one, style, llm)) for llm in LLMS
            }
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

    def _kept(self, style: str, llm: str) -> dict[str, Any]:
        return kept(self._file(style, llm), partial(self.one, style, llm))

    def one(self, style: str, llm: str) -> dict[str, Any]:
        """Train one bridge and judge it by its own and by unseen words."""
        recipe, names = self.bench.recipe, self.words.names
        prompt = str(LISTED_PROMPT) if style == "listed" else recipe.prompt
        model = self.bench.untrained(llm, prompt=prompt)
        before = self._before(model, style)
        sets = self._training_sets(style)
        module = DrawnWords(model, sets, objective=recipe.objective)
        identity = {"part": "words", "style": style, "sets": [chosen.words for chosen in sets]}
        run = self._file(style, llm).with_suffix("")
        source = BatchSource.of_labels(self.bench.rows("train"))
        cost = train(module, [source], recipe.loop, run, identity)
        own, *unseen = self._score(model, style, before)
        return {
            "own": judge(self.bench, own.predict(OWN), names),
            "unseen": [judge(self.bench, scored.predict(), names) for scored in unseen],
            "by_prior": {prior: self._mean(unseen, prior) for prior in PRIORS},
            "cost": cost,
        }

    def _training_sets(self, style: str) -> tuple[WordSet, ...]:
        if style == "own":
            return (WordSet.of(self.words.names),)
        return draw_sets(
            self.words,
            DRAWN_SETS,
            shuffled=style == "listed",
            seed=self.bench.recipe.loop.seed,
        )

    def _asked_at_once(self, style: str) -> list[tuple[str, ...]]:
        """Give the label sets: alone where the prompt lists them, else all in one forward."""
        sets = [self.words.names, *self.words.sets]
        return sets if style == "listed" else [tuple(word for words in sets for word in words)]

    def _before(self, model: SensorLanguageModel, style: str) -> list[np.ndarray]:
        rows = self.bench.rows("train")
        return [score_training(model, w, rows).mean(0) for w in self._asked_at_once(style)]

    def _score(
        self, model: SensorLanguageModel, style: str, before: list[np.ndarray]
    ) -> list[Scored]:
        """Score by the labels' own names, then by each set of unseen words."""
        rows = self.bench.rows("test"), self.bench.rows("train")
        asked = zip(self._asked_at_once(style), before, strict=True)
        scored = [score_words(model, words, *rows, known) for words, known in asked]
        count = len(self.words.names)
        return [
            part.words(range(start, start + count))
            for part in scored
            for start in range(0, part.test.shape[1], count)
        ]

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
        matchers: dict[str, Callable[[list[str]], np.ndarray]] = {
            "spelling": partial(by_spelling, words=self.words)
        }
        for name, llm in self.bench.llms.items():
            matchers[f"word vectors, {name}"] = partial(by_embedding, llm, words=self.words)
            matchers[f"reading, {name}"] = partial(by_text, llm, names=names)
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
