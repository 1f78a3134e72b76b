"""Part `words`: labels called by words that training never said.

The bridge first learns to let its signal tokens stand for the label's name; then windows of all
labels are heard side by side, and many words a label each have to find theirs (`word_training`).
The trained bridge is kept: judging other windows or words trains nothing again.

Without a language model, the probe says the label that the new word is matched to (`matching`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from research.llm_ablation.judged import difference, fit_probe, judge, kept, probabilities
from research.llm_ablation.label_words import LabelWords
from research.llm_ablation.matching import by_embedding, by_spelling, by_text, said_with
from research.llm_ablation.training import LLMS, RANDOM, TRAINED, Bench, train
from research.llm_ablation.word_scores import HEADLINE, PRIORS, Scored, score_words
from research.llm_ablation.word_training import MatchedWords, NamedSignals
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.llm.config import SoftPromptConfig
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.sources import BatchSource

PROMPT = Path(__file__).resolve().parent / "data" / "person_is.yaml"
SPELLING = "spelling"
SIGNAL, SOFT = 2, SoftPromptConfig(tokens=2, init="text", text="Look:")
"""Signal tokens (K) and learned vectors (P)."""
NAMING_STEPS, NAMING_BATCH = 300, 64
"""Of the first training, in which the language model does not run."""


@dataclass(eq=False)
class WordsPart:
    """Measure unseen label words on one data set.

    Args:
        bench: the data set.
        words: of its labels; the unseen ones judge.
        out: what is done is kept here.
    """

    bench: Bench
    words: LabelWords
    out: Path

    def run(self) -> dict[str, Any]:
        """Train and judge what is missing."""
        runs = {
            llm: kept(self._judged(llm.replace(" ", "_")), partial(self.one, llm)) for llm in LLMS
        }
        return {
            "data": self.bench.store.source,
            "prior": HEADLINE,
            "words": {"train": self.words.train, "unseen": self.words.unseen},
            "runs": runs,
            "difference": difference(self.bench, runs[TRAINED]["unseen"], runs[RANDOM]["unseen"]),
            "matching": kept(self._judged("matching"), self.matching),
        }

    def _judged(self, method: str) -> Path:
        return self.out / f"{self.bench.judges}-{self.bench.windows}" / f"{method}.json"

    def one(self, llm: str) -> dict[str, Any]:
        """Judge a bridge by its own and by unseen words; train it where that is not done."""
        bench, names = self.bench, self.words.names
        folder = self.out / f"{llm.replace(' ', '_')}-adapter"
        cost = kept(folder.with_name(f"{folder.name}-cost.json"), partial(self._train, llm, folder))
        model = SensorLanguageModel(SensorAdapter.load(folder), bench.llms[llm])
        every = [word for words in (names, *self.words.sets) for word in words]
        scored = score_words(model, every, bench.rows(bench.judges), bench.rows("train"))
        starts = range(0, len(every), len(names))
        own, *unseen = [scored.words(range(at, at + len(names))) for at in starts]
        return {
            "own": judge(bench, own.predict(), names),
            "unseen": [judge(bench, part.predict(), names) for part in unseen],
            "by_prior": {prior: self._mean(unseen, prior) for prior in PRIORS},
            "cost": cost,
        }

    def _train(self, llm: str, folder: Path) -> dict[str, Any]:
        recipe = self.bench.recipe
        projector = replace(recipe.projector, tokens=SIGNAL)
        changes = {"prompt": str(PROMPT), "projector": projector, "soft_prompt": SOFT}
        model = self.bench.untrained(llm, objective="answer", **changes)
        sources = [BatchSource.of_labels(self.bench.rows("train"))]
        naming = replace(
            recipe.loop, steps=NAMING_STEPS, epochs=NAMING_STEPS, batch_size=NAMING_BATCH
        )
        steps = {
            "naming": (NamedSignals(model), naming),
            "matching": (MatchedWords(model, self.words.train), recipe.loop),
        }
        identity = {"part": "words", "words": self.words.train}
        costs = {
            name: train(
                model, sources, loop, folder.with_name(f"{folder.name}-{name}"), identity, module
            )
            for name, (module, loop) in steps.items()
        }
        model.adapter.save(folder)
        return costs

    def _mean(self, unseen: list[Scored], prior: str) -> float:
        true = self.bench.labels(self.bench.judges)
        scores = [f1_score(true, s.predict(prior), average="macro") for s in unseen]
        return float(np.mean(scores))

    def matching(self) -> dict[str, Any]:
        """Judge the probe by words that are matched to labels without hearing a window."""
        names, sets = self.words.names, self.words.sets
        matchers: dict[str, Callable[[list[str]], np.ndarray]] = {
            SPELLING: partial(by_spelling, words=self.words)
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
        return probabilities(probe, bench.pooled(bench.judges), len(self.words.names))
