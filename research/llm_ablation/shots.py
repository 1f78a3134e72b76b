"""Part `shots`: one or five labelled windows a class, and nothing else that is labelled.

The encoder is pretrained without labels, on the training people: one that was fine-tuned on all
labels would make five of them look like many. Bridge and probe are fitted to the same windows.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from research.llm_ablation.judged import difference, fit_probe, judge, kept
from research.llm_ablation.training import LLMS, RANDOM, TRAINED, Bench, chunks, train
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.pretraining.recipe import make_encoder
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.sources import BatchSource
from sensor2llm.signals.splits.splits import few_shots

SHOTS = (1, 5)
PROBE = "probe"
UNWEIGHTED = 1.0
"""The probe's inverse penalty at so few windows: scikit-learn's own."""


def label_free_encoder(recipe: Recipe, out: Path, made: EncoderRecipe) -> str:
    """Pretrain an encoder on the recipe's training people without any label, once."""
    if not (out / "sensor2llm.json").is_file():
        assert recipe.data is not None
        assert not made.finetune
        make_encoder(replace(made, split=recipe.split), recipe.data, out, resume=True)
    return str(out)


@dataclass(eq=False)
class ShotsPart:
    """Measure few labelled windows a class.

    Args:
        bench: the data set, its encoder pretrained without labels.
        seeds: of the windows that are drawn, and of the bridge's first weights.
        out: what is done is kept here.
    """

    bench: Bench
    seeds: tuple[int, ...]
    out: Path

    def run(self) -> dict[str, Any]:
        """Train and judge what is missing."""
        found: dict[str, Any] = {"data": self.bench.store.source, "seeds": self.seeds, "shots": {}}
        for shots in SHOTS:
            runs = {
                method: [self._kept(method, shots, seed) for seed in self.seeds]
                for method in (*LLMS, PROBE)
            }
            found["shots"][str(shots)] = {
                "runs": runs,
                "against": {
                    other: difference(self.bench, runs[TRAINED], runs[other])
                    for other in (RANDOM, PROBE)
                },
            }
        return found

    def _kept(self, method: str, shots: int, seed: int) -> dict[str, Any]:
        path = self.out / f"{shots}-{method.replace(' ', '_')}-seed{seed}.json"
        return kept(path, lambda: self.one(method, shots, seed))

    def one(self, method: str, shots: int, seed: int) -> dict[str, Any]:
        """Fit one method to a draw of windows and judge it."""
        bench, names = self.bench, self.bench.store.label_names
        rows = bench.positions("train")
        chosen = np.searchsorted(rows, few_shots(bench.store, rows, shots, seed))
        if method == PROBE:
            features = bench.pooled("train")[chosen]
            probe = fit_probe(features, bench.labels("train")[chosen], UNWEIGHTED)
            return judge(bench, probe.predict(bench.pooled(bench.judges)), names)
        loop = replace(bench.recipe.loop, seed=seed)
        model = bench.untrained(method, loop=loop)
        run = self.out / f"{shots}-{method.replace(' ', '_')}-seed{seed}"
        identity = {"part": "shots", "windows": chosen.tolist()}
        cost = train(model, [BatchSource(bench.rows("train"), chosen)], loop, run, identity)
        return judge(bench, labelled_by(model, bench), names) | {"cost": cost}


def labelled_by(model: SensorLanguageModel, bench: Bench) -> np.ndarray:
    """Give the likeliest label of each judged window."""
    rows = bench.rows(bench.judges)
    batches = (rows.batch(i).to(model.llm.device) for i in chunks(len(rows)))
    return np.concatenate([model.score(batch).argmax(1).cpu().numpy() for batch in batches])
