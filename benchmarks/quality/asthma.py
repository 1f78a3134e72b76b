"""Asthma of simulated people from one sentence: values as text, a spirogram and a row heard [HeLM].

    python -m benchmarks.quality.asthma --out runs/asthma

The recipe (benchmarks/recipes/asthma.yaml) says who is simulated, from which seed, and how encoder
and bridge are made; test people teach nothing and choose nothing. A person's score is the mean of
the blows' probabilities of asthma. AUROC stands beside that of the true FEV1/FVC, which no model
sees, and of models without a language model. Parts that are in OUT/scores.json are not made again.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.machine import record
from sensor2llm.adapter.batches import hide_signals
from sensor2llm.command import read_recipe
from sensor2llm.datasets.simulation.simulate import simulate_with_truth
from sensor2llm.errors import run_verb
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.build import open_data
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.train import train_adapter
from sensor2llm.signals.splits.splits import Split, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.loading import load_model
from sensor2llm.training.record import write_json

HERE = Path(__file__).resolve().parents[1]
RECIPE, RESULTS = HERE / "recipes" / "asthma.yaml", HERE / "results" / "asthma"
PATIENT = "asthma"
HEARD: Mapping[str, tuple[str, ...]] = {
    "spirogram and row": (),
    "spirogram missing (tabular only)": ("spirogram",),
    "row missing": ("body",),
}
LLM, RANDOM = "adapter", "adapter, random-weight LLM"
WHOLE, TABULAR = (f"{LLM}: {heard}" for heard in list(HEARD)[:2])
ROW, PROBE, TRUTH = "logistic regression on the row", "encoder without an LLM", "true FEV1/FVC"
DRAWS = 2000
Scores = Mapping[str, Sequence[float]]


def train(recipe: Recipe) -> Scores:
    """Train a recipe's adapter, or go on with it, and score the test people in each condition."""
    trained = train_adapter(recipe, resume=True)
    model = load_model(str(recipe.out))
    return {
        heard: by_person(
            trained.store,
            trained.split.test,
            probabilities(model, trained.store, trained.split, gone),
        )
        for heard, gone in HEARD.items()
    }


def probabilities(
    model: SensorLanguageModel, store: WindowStore, split: Split, gone: Sequence[str]
) -> Float[np.ndarray, " window"]:
    """Give the probability of asthma of every test window, some modalities taken away."""
    hidden = torch.tensor([name in gone for name in model.adapter.spec.names])
    patient = model.adapter.label_names.index(PATIENT)
    batches = AdapterWindows(store, model.adapter).batches(split.test, 64)
    parts = [model.score(hide_signals(b, hidden.expand(len(b), -1)))[:, patient] for b in batches]
    return torch.cat(parts).float().cpu().numpy()


def by_person(
    store: WindowStore, rows: Int[np.ndarray, " window"], scores: Float[np.ndarray, " window"]
) -> list[float]:
    """Average windows' scores over each person, people in the order of their numbers."""
    people = np.asarray(store.subject_ids)[rows]
    return [float(scores[people == person].mean()) for person in np.unique(people)]


def true_ratios(recipe: Recipe, store: WindowStore, split: Split) -> list[float]:
    """Give each test person's true FEV1/FVC, lower for the ill, so with its sign turned."""
    ratios: dict[str, list[float]] = {}
    for simulated in simulate_with_truth(recipe.simulation):
        measured = (t.values["fev1_l"] / t.values["fvc_l"] for t in simulated.truths)
        ratios.setdefault(simulated.recording.subject, []).extend(measured)
    return [-float(np.mean(ratios[name])) for name in split.subjects(store)["test"]]


def without_llm(
    store: WindowStore, split: Split, features: Callable[[np.ndarray], np.ndarray]
) -> list[float]:
    """Fit logistic regression on the training people's features and score the test people."""
    patient = store.label_names.index(PATIENT)
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    fitted.fit(features(split.train), np.asarray(store.labels)[split.train] == patient)
    return by_person(store, split.test, fitted.decision_function(features(split.test)))


def baselines(recipe: Recipe, store: WindowStore, split: Split) -> Scores:
    """Score the test people by the row alone, by the encoder alone, and by the truth."""
    model = load_model(str(recipe.out))
    encoder, windows = model.adapter.encoder, AdapterWindows(store, model.adapter)
    assert encoder is not None

    def row(rows: np.ndarray) -> np.ndarray:
        return store.read(rows, ["body"])["body"][:, :, 0]

    @torch.no_grad()
    def heard(rows: np.ndarray) -> np.ndarray:
        parts = [encoder(batch).pooled.flatten(1) for batch in windows.batches(rows, 256)]
        return torch.cat(parts).numpy()

    return {
        ROW: without_llm(store, split, row),
        PROBE: without_llm(store, split, heard),
        TRUTH: true_ratios(recipe, store, split),
    }


def measured(ill: Int[np.ndarray, " person"], scores: Scores, seed: int = 0) -> dict[str, Any]:
    """Give every AUROC and the two differences that count, each with its 95 % interval.

    People are drawn with replacement, the same ones for every row.
    """
    draws = np.random.default_rng(seed).integers(len(ill), size=(DRAWS, len(ill)))
    draws = draws[(ill[draws].min(1) == 0) & (ill[draws].max(1) == 1)]
    value = {name: float(roc_auc_score(ill, one)) for name, one in scores.items()}
    drawn = {name: aurocs(ill[draws], np.asarray(one)[draws]) for name, one in scores.items()}
    rows = {name: {"auroc": value[name], "interval": _interval(drawn[name])} for name in scores}
    differences = {
        f"{WHOLE} - {other}": {
            "difference": value[WHOLE] - value[other],
            "interval": _interval(drawn[WHOLE] - drawn[other]),
        }
        for other in (TABULAR, TRUTH)
    }
    return {"rows": rows, "differences": differences}


def aurocs(
    ill: Int[np.ndarray, "draw person"], scores: Float[np.ndarray, "draw person"]
) -> Float[np.ndarray, " draw"]:
    """Give the AUROC of every draw, from ranks [Mann and Whitney 1947]."""
    count = ill.sum(1)
    above = (rankdata(scores, axis=1) * ill).sum(1) - count * (count + 1) / 2
    return above / (count * (ill.shape[1] - count))


def _interval(values: Float[np.ndarray, " draw"]) -> list[float]:
    return [float(value) for value in np.quantile(values, (0.025, 0.975))]


def table(result: Mapping[str, Any]) -> str:
    """Write the figures as Markdown."""
    lines = ["| who is asked | AUROC (95 % over people) |", "|---|---|"]
    rows = {name: (row["auroc"], row) for name, row in result["rows"].items()}
    rows |= {name: (row["difference"], row) for name, row in result["differences"].items()}
    for name, (value, row) in rows.items():
        low, high = row["interval"]
        lines.append(f"| {name} | {value:.3f} ({low:.3f} to {high:.3f}) |")
    people = f"{result['test_people']} test people, {result['ill']} of them ill"
    return "\n".join([*lines, "", f"    {result['command']}    # {people}"])


def make(recipe: Recipe, path: Path) -> dict[str, Any]:
    """Make the parts that are not in `path`, and give every test person's scores."""
    finished = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    store = open_data(recipe)
    split = make_split(store, recipe.split)
    control = replace(
        recipe,
        data=store.path,
        encoder=str(recipe.run / "encoder"),
        llm_random_weights=True,
        out=recipe.out.with_name(f"{recipe.out.name}-random"),
    )
    parts: Mapping[str, Callable[[], Scores]] = {
        LLM: lambda: {f"{LLM}: {name}": one for name, one in train(recipe).items()},
        RANDOM: lambda: {f"{RANDOM}: {name}": one for name, one in train(control).items()},
        "baselines": lambda: baselines(recipe, store, split),
    }
    for name, part in parts.items():
        if name not in finished:
            before = time.process_time()
            scores = part()
            finished[name] = {"scores": scores, "cpu_s": round(time.process_time() - before, 1)}
            write_json(path, finished)
    ids, labels = np.asarray(store.subject_ids)[split.test], np.asarray(store.labels)[split.test]
    ill = [int(labels[ids == person][0]) for person in np.unique(ids)]
    return {"ill": ill, "people": split.subjects(store)["test"], "parts": finished}


def main() -> None:
    """Make what is missing; write figures and table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="recipe file")
    parser.add_argument("--out", type=Path, default=Path("runs/asthma"), help="runs go here")
    parser.add_argument("--results", type=Path, default=RESULTS, help="results.json and table.md")
    options = parser.parse_args()
    started = os.getloadavg()
    recipe = replace(read_recipe(options.recipe, Recipe), out=options.out / "adapter")
    options.out.mkdir(parents=True, exist_ok=True)
    made = make(recipe, options.out / "scores.json")
    scores = {k: v for part in made["parts"].values() for k, v in part["scores"].items()}
    ill = np.array(made["ill"])
    figures = {
        **measured(ill, scores),
        "test_people": len(ill),
        "ill": int(ill.sum()),
        "cpu_s": {name: part["cpu_s"] for name, part in made["parts"].items()},
        "simulation": asdict(recipe.simulation),
        "split": asdict(recipe.split),
    }
    result = record("quality.asthma", figures, started)
    options.results.mkdir(parents=True, exist_ok=True)
    write_json(options.results / "results.json", result)
    (options.results / "table.md").write_text(table(result) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    raise SystemExit(run_verb(main))
