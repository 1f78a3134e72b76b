"""Captions of held-out people, statement by statement, beside captions that nobody heard for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.output_parts.over_people import mean_over_people
from research.llm_ablation.judged import kept
from research.llm_ablation.training import TRAINED, Bench, train
from sensor2llm.adapter.batches import Request
from sensor2llm.evaluation.question_evaluation import other_people, spread
from sensor2llm.evaluation.task_evaluation import write_rows
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.asking import TaskPart, make_source
from sensor2llm.recipes.config import CAPTIONING, Recipe
from sensor2llm.signals.questions.claims import judge
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.captioning import (
    LONGEST_CAPTION,
    Captions,
    make_captions,
    truest_caption,
)
from sensor2llm.tasks.question_answering import facts_of_rows

HEARD, OTHER, CONSTANT, TAUGHT = "said", "swapped", "constant", "training"


@dataclass(frozen=True, kw_only=True)
class CaptionsPart:
    """Captions on a frozen encoder.

    Args:
        recipe: data, split, encoder, bridge, and how long is trained.
        windows: judged windows, spread evenly over the test people.
        out: folder of the run; what is there is not made again.
    """

    recipe: Recipe
    windows: int
    out: Path

    def run(self) -> dict[str, Any]:
        """Train and judge, unless that is done; give the shares with intervals over people."""
        return summary(kept(self.out / "run.json", self._judged))

    def _judged(self) -> dict[str, Any]:
        recipe = replace(self.recipe, out=self.out / "adapter")
        bench = Bench.open(recipe, self.windows)
        model = bench.untrained(TRAINED)
        part = TaskPart(bench.store, bench.positions("train"), bench.rows("train"), 0)
        source, _ = make_source(CAPTIONING, recipe.tasks[CAPTIONING], part, model.adapter)
        cost = train(model, [source], recipe.loop, self.out / "run", {"task": CAPTIONING})
        rows = bench.positions("test")
        items = make_captions(facts_of_rows(bench.store, rows), bench.store.spec, seed=0)
        texts = self._texts(bench, model)
        return {
            "cost": cost,
            "positions": model.tokens_per_window,
            "counts": {name: count(items, captions) for name, captions in texts.items()},
            "people": bench.subjects("test").tolist(),
            "examples": texts[HEARD][:5],
            "constant_caption": texts[CONSTANT][0],
        }

    def _texts(self, bench: Bench, model: SensorLanguageModel) -> dict[str, list[str]]:
        """Give what is said of each test window, as `evaluate_captions` has it."""
        rows = bench.positions("test")
        windows = AdapterWindows(bench.store, model.adapter)
        others = other_people(np.asarray(bench.store.subject_ids)[rows], 0)
        requests = [Request(CAPTIONING)] * len(rows)
        taught = facts_of_rows(bench.store, spread(bench.positions("train"), len(rows)))
        learned = make_captions(taught, bench.store.spec, seed=1)
        return {
            HEARD: write_rows(model, windows, rows, requests, LONGEST_CAPTION),
            OTHER: write_rows(model, windows, rows[others], requests, LONGEST_CAPTION),
            CONSTANT: [truest_caption(learned, bench.store.spec)] * len(rows),
            TAUGHT: [learned.captions[i % len(learned)] for i in range(len(rows))],
        }


def count(items: Captions, captions: Sequence[str]) -> dict[str, list[int]]:
    """Count true statements, parts that state nothing, and all, caption by caption."""
    verdicts = [judge(text, facts) for text, facts in zip(captions, items.facts, strict=True)]
    return {
        "true": [one.true for one in verdicts],
        "unparsed": [one.unparsed for one in verdicts],
        "all": [one.total for one in verdicts],
    }


def summary(run: Mapping[str, Any]) -> dict[str, Any]:
    """Give the shares of true statements, each with its interval, and how much is stated."""
    people = np.array(run["people"])
    rows = {}
    for name, counts in run["counts"].items():
        each = np.array(counts["all"], dtype=np.float64)
        share = np.array(counts["true"]) / np.maximum(each, 1)
        rows[name] = {
            **mean_over_people(share, people, each),
            "statements": float(each.mean()),
            "unparsed": float(sum(counts["unparsed"]) / max(each.sum(), 1)),
        }
    return {
        "rows": rows,
        "windows": len(people),
        "people": len(set(run["people"])),
        **{name: run[name] for name in ("cost", "positions", "examples", "constant_caption")},
    }
