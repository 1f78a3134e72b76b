"""Numbers by text and by a head, with a window's scale told in three ways, and without an LLM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.output_parts.hearing import get_heard
from benchmarks.quality.output_parts.over_people import mean_over_people
from research.llm_ablation.judged import kept
from research.llm_ablation.training import TRAINED, Bench, chunks, train
from sensor2llm.evaluation.question_evaluation import other_people
from sensor2llm.evaluation.task_evaluation import estimate_rows
from sensor2llm.recipes.asking import TaskPart, make_head, make_source
from sensor2llm.recipes.build import open_data
from sensor2llm.recipes.config import REGRESSION, Recipe, TaskMix
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.regression import target_values

NONE, BRIDGE, TEXT = "not told", "through the bridge", "as text"
SCALES = (NONE, BRIDGE, TEXT)
SCALE_PROMPT = "estimate_with_scale"
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Of ridge regression; the validation people choose."""
WAYS = ("text", "head")


def telling(recipe: Recipe, scale: str) -> Recipe:
    """Give the recipe with a window's scale told in one of the ways of `SCALES`."""
    mix = recipe.tasks[REGRESSION]
    mix = replace(mix, prompt=SCALE_PROMPT if scale == TEXT else None)
    projector = replace(recipe.projector, scale=scale == BRIDGE)
    return replace(recipe, projector=projector, tasks={REGRESSION: mix})


@dataclass(frozen=True, kw_only=True)
class NumbersPart:
    """One target, heard with one normalisation.

    Args:
        recipe: data, split, encoder, bridge, the target, and how long is trained.
        normalised: one of `hearing.NORMALISED`.
        scales: of `SCALES`, the ways in which the scale is told.
        windows: judged windows, spread evenly over the test people.
        out: folder of the runs; what is there is not made again.
    """

    recipe: Recipe
    normalised: str
    scales: Sequence[str]
    windows: int
    out: Path

    @property
    def mix(self) -> TaskMix:
        """Give what is asked."""
        return self.recipe.tasks[REGRESSION]

    def run(self) -> dict[str, Any]:
        """Train and judge what is missing; give every figure with its interval over people."""
        runs = {
            scale: kept(self._folder(scale) / "run.json", lambda s=scale: self._adapter(s))
            for scale in self.scales
        }
        bare = kept(self.out / "no-llm" / "run.json", self._without_llm)
        return summary(runs, bare)

    def _folder(self, scale: str) -> Path:
        return self.out / scale.replace(" ", "-")

    def bench(self, scale: str) -> Bench:
        """Open the data and the encoder that all ways to tell the scale share."""
        shared = replace(self.recipe, out=self.out / "encoder")
        store = open_data(shared)
        split = make_split(store, self.recipe.split)
        heard = get_heard(shared, store, split, self.normalised)
        recipe = replace(telling(self.recipe, scale), out=self._folder(scale) / "adapter")
        return Bench(recipe, store, split, heard, self.windows)

    def _adapter(self, scale: str) -> dict[str, Any]:
        bench = self.bench(scale)
        mix = bench.recipe.tasks[REGRESSION]
        model = bench.untrained(TRAINED)
        part = TaskPart(bench.store, bench.positions("train"), bench.rows("train"), 0)
        model.adapter.head = make_head(mix, part, model.llm).to(model.llm.device)
        source, _ = make_source(REGRESSION, mix, part, model.adapter, model.adapter.head.target)
        folder = self._folder(scale) / "run"
        cost = train(model, [source], bench.recipe.loop, folder, {"target": mix.target})
        rows, windows = bench.positions("test"), AdapterWindows(bench.store, model.adapter)
        others = other_people(np.asarray(bench.store.subject_ids)[rows], 0)
        target = model.adapter.head.target
        return {
            "cost": cost,
            "target": target.to_dict(),
            "positions": model.tokens_per_window,
            "said": _plain(estimate_rows(model, windows, rows)),
            "swapped": _plain(estimate_rows(model, windows, rows[others])),
            **self._truth(bench),
        }

    def _truth(self, bench: Bench) -> dict[str, Any]:
        values, unit = target_values(bench.store, bench.positions("test"), str(self.mix.target))
        return {"true": values.tolist(), "people": bench.subjects("test").tolist(), "unit": unit}

    def _without_llm(self) -> dict[str, Any]:
        bench = self.bench(BRIDGE)
        values = {
            part: target_values(bench.store, bench.positions(part), str(self.mix.target))[0]
            for part in ("train", "validation")
        }
        predictions = {}
        for scale in (False, True):
            heard = {p: features(bench, p, scale) for p in ("train", "validation", "test")}
            predictions[NONE if not scale else BRIDGE] = fit_ridge(heard, values).predict(
                heard["test"]
            )
        return {
            "said": _plain(predictions),
            "mean": float(values["train"].mean()),
            **self._truth(bench),
        }


def features(bench: Bench, part: str, scale: bool) -> Float[np.ndarray, "window feature"]:
    """Give the encoder's features averaged over steps, with the statistics the bridge is told."""
    pooled = bench.pooled(part)
    if not scale:
        return pooled
    rows = bench.rows(part)
    scales = [rows.batch(chunk).scale for chunk in chunks(len(rows), 512)]
    numbers = np.concatenate([one.flatten(1).numpy() for one in scales if one is not None])
    # As the bridge squashes them.
    return np.concatenate([pooled, np.sign(numbers) * np.log1p(np.abs(numbers))], axis=1)


def fit_ridge(
    heard: Mapping[str, np.ndarray], values: Mapping[str, Float[np.ndarray, " window"]]
) -> Pipeline:
    """Fit ridge regression to standardised features; the validation people choose the penalty."""
    fitted = [
        make_pipeline(StandardScaler(), Ridge(penalty)).fit(heard["train"], values["train"])
        for penalty in PENALTIES
    ]
    return min(
        fitted,
        key=lambda one: float(
            np.abs(one.predict(heard["validation"]) - values["validation"]).mean()
        ),
    )


def summary(runs: Mapping[str, Mapping[str, Any]], bare: Mapping[str, Any]) -> dict[str, Any]:
    """Give mean absolute errors in the target's unit, and what telling the scale takes off them.

    Args:
        runs: what `NumbersPart` kept of each way to tell the scale.
        bare: what it kept of ridge regression; `mean` is the training mean.

    Returns:
        `rows` by scale, each with `text`, `head`, `swapped` and `ridge`; `mean`, always saying it;
        `unit`, `windows`, `people`. `runs` of a way is the error less that of the scale not told.
    """
    true, people = np.array(bare["true"]), np.array(bare["people"])

    def off(predicted: list[float]) -> Float[np.ndarray, " window"]:
        # NaN, an answer without a number, is null in JSON; it counts as the training mean.
        values = np.array(predicted, dtype=np.float64)
        return np.abs(np.where(np.isnan(values), bare["mean"], values) - true)

    rows: dict[str, Any] = {}
    for scale, run in runs.items():
        row: dict[str, Any] = {"swapped": {}}
        for way in WAYS:
            mine = off(run["said"][way])
            row[way] = mean_over_people(mine, people)
            row[way]["unparsed"] = float(np.mean([one is None for one in run["said"][way]]))
            row["swapped"][way] = float(off(run["swapped"][way]).mean())
            if scale != NONE and NONE in runs:
                row[way]["told"] = mean_over_people(mine - off(runs[NONE]["said"][way]), people)
        ridge = bare["said"][NONE if scale == NONE else BRIDGE]
        row["ridge"] = mean_over_people(off(ridge), people)
        rows[scale] = row | {"cost": run["cost"], "positions": run["positions"]}
    return {
        "rows": rows,
        "mean": mean_over_people(np.abs(bare["mean"] - true), people),
        "unit": bare["unit"],
        "windows": len(true),
        "people": len(set(bare["people"])),
    }


def _plain(predictions: Mapping[str, np.ndarray]) -> dict[str, list[float | None]]:
    """Give plain JSON; NaN is null."""
    return {
        name: [None if np.isnan(value) else float(value) for value in values]
        for name, values in predictions.items()
    }
