"""Judge folds of people by an adapter and by hand-made features, and keep each that is done.

A fold's probabilities lie in OUT/METHOD/foldN.npz with what they were made from, so that an
interrupted benchmark goes on, and a fold of other settings is made again. Everything is trained on
a fold's training people and chosen on its validation people; test people are judged once.
"""

import argparse
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import f1_score

from benchmarks.machine import write
from benchmarks.quality.pooled_scores import Fold, table
from sensor2llm.errors import ConfigError
from sensor2llm.evaluation.handcrafted_features import FeatureTable, handmade_features
from sensor2llm.evaluation.probe import FeatureSet, encoder_features, linear_probe
from sensor2llm.pretraining.config import ProbeConfig
from sensor2llm.pretraining.run import labelled
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.train import TrainedAdapter, train_adapter
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import PARTS, Split, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.classification import classify_store

logger = logging.getLogger(__name__)
Probabilities = Float[np.ndarray, "window label"]
Classify = Callable[[Float[np.ndarray, "window feature"]], Probabilities]

ADAPTER = "adapter"
TREES = 300


@dataclass(frozen=True)
class Classifier:
    """A classifier of hand-made features, and what validation people choose of it."""

    build: Callable[..., Any]
    choices: tuple[Mapping[str, Any], ...]


WEIGHTS = (None, "balanced")
CLASSIFIERS = {
    "gradient boosting": Classifier(
        partial(
            HistGradientBoostingClassifier,
            max_iter=TREES,
            learning_rate=0.05,
            early_stopping=False,
            random_state=0,
        ),
        tuple({"max_leaf_nodes": n, "class_weight": w} for n in (4, 15) for w in WEIGHTS),
    ),
    "random forest": Classifier(
        partial(RandomForestClassifier, n_estimators=TREES, random_state=0),
        tuple({"min_samples_leaf": n, "class_weight": w} for n in (1, 10) for w in WEIGHTS),
    ),
}


def kept(path: Path, identity: Mapping[str, Any], judge: Callable[[], Fold]) -> Fold:
    """Read a fold that was made with the same settings, or judge it and keep it."""
    key = json.dumps(identity, sort_keys=True, default=str)
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["identity"]) == key:
                return {name: stored[name] for name in stored.files if name != "identity"}
    fold = judge()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(file, identity=np.array(key), **fold)
    part.replace(path)
    return fold


def fit_handmade(
    kind: str, table: FeatureTable, labels: Int[np.ndarray, " window"], split: Split
) -> Classify:
    """Fit a classifier of hand-made features and give what it says of others' features.

    Args:
        kind: a name in `CLASSIFIERS`.
        table: features of every window.
        labels: label of each, -1 for none.
        split: who teaches, and who chooses.
    """
    rows = {part: split[part][labels[split[part]] >= 0] for part in PARTS[:2]}
    best: tuple[float, Any] | None = None
    for choice in CLASSIFIERS[kind].choices:
        model = CLASSIFIERS[kind].build(**choice)
        model.fit(table.values[rows["train"]], labels[rows["train"]])
        guessed = model.predict(table.values[rows["validation"]])
        score = f1_score(labels[rows["validation"]], guessed, average="macro", zero_division=0.0)
        logger.info("%s %s: validation macro-F1 %.3f", kind, choice, score)
        if best is None or score > best[0]:
            best = score, model
    assert best is not None
    return best[1].predict_proba


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldRun:
    """One benchmark's folds: who is judged, by which recipe, and where what is done is kept."""

    recipe: Recipe
    store: WindowStore
    folds: tuple[int, ...]
    out: Path
    others: Mapping[str, WindowStore] = field(default_factory=dict)
    """Stores that every fold's models judge too, by name; nothing is learned from them."""
    made_of: Mapping[str, Any] = field(default_factory=dict)
    """What else a kept fold depends on."""

    def judge(self, method: str) -> list[Fold]:
        """Judge the folds that are not kept yet.

        Returns:
            A fold's `rows`, and probabilities by name: the method's, for the adapter also `probe`
            (logistic regression on its encoder's features); with ` of NAME` behind it those of
            another store's windows.
        """
        judges = {ADAPTER: self._adapter} | dict.fromkeys(CLASSIFIERS, self._handmade)
        if method not in judges:
            raise ConfigError(f"unknown method '{method}'; choose from {', '.join(judges)}")
        folder, identity = self.out / method.replace(" ", "_"), self.identity(method)
        return [
            kept(folder / f"fold{fold}.npz", identity, partial(judges[method], method, fold))
            for fold in self.folds
        ]

    def identity(self, method: str) -> dict[str, Any]:
        """Give what must be equal for a kept fold to be read again."""
        split = {**asdict(self.recipe.split), "kind": "fold", "fold": None}
        others = {name: store.fingerprint for name, store in self.others.items()}
        settings = {
            "data": self.store.fingerprint,
            "split": split,
            "others": others,
            **self.made_of,
        }
        if method == ADAPTER:
            return settings | {"recipe": asdict(self.recipe)}
        return settings | {"choices": list(CLASSIFIERS[method].choices), "trees": TREES}

    def split(self, fold: int) -> Split:
        """Make one fold's split."""
        return make_split(self.store, replace(self.recipe.split, kind="fold", fold=fold))

    @cached_property
    def tables(self) -> dict[str, FeatureTable]:
        """Compute the hand-made features of every window, also of the other stores'."""
        stores = {"": self.store, **self.others}
        return {name: handmade_features(s, np.arange(len(s))) for name, s in stores.items()}

    def _handmade(self, kind: str, fold: int) -> Fold:
        split, labels = self.split(fold), np.asarray(self.store.labels)
        classify = fit_handmade(kind, self.tables[""], labels, split)
        rows = labelled(self.store, split.test)
        arrays = {"rows": rows, kind: classify(self.tables[""].values[rows])}
        return arrays | {f"{kind} of {n}": classify(self.tables[n].values) for n in self.others}

    def train(self, fold: int) -> TrainedAdapter:
        """Train the recipe's adapter on a fold, or go on with what an interrupted run left."""
        split = replace(self.recipe.split, kind="fold", fold=fold)
        out = self.out / f"adapter-fold{fold}"
        recipe = replace(self.recipe, data=self.store.path, split=split, out=out)
        return train_adapter(recipe, resume=True)

    def _adapter(self, method: str, fold: int) -> Fold:
        trained = self.train(fold)
        rows = labelled(self.store, trained.split.test)
        judged = {"": (self.store, rows)}
        judged |= {f" of {n}": (s, np.arange(len(s))) for n, s in self.others.items()}
        arrays = {"rows": rows}
        probe, features = _probe(trained)
        for ending, (store, which) in judged.items():
            probabilities = classify_store(trained.model, store, which).probabilities
            assert probabilities is not None
            arrays[method + ending] = probabilities
            arrays["probe" + ending] = probe(features(store, which).features)
        return arrays


def _probe(trained: TrainedAdapter) -> tuple[Classify, Callable[..., FeatureSet]]:
    """Fit logistic regression on an adapter's encoder; give it, and what computes its features."""
    store, split, adapter = trained.store, trained.split, trained.model.adapter
    assert adapter.encoder is not None
    assert adapter.normaliser is not None
    features = partial(_features, adapter.encoder, adapter.normaliser)
    taught = [features(store, labelled(store, split[part])) for part in PARTS[:2]]
    return linear_probe(taught[0], taught[1], len(store.label_names), ProbeConfig())[0], features


def _features(encoder: Any, normaliser: Any, store: WindowStore, rows: np.ndarray) -> FeatureSet:
    return encoder_features(encoder, WindowDataset(store, rows, normaliser))


def parser(doc: str, methods: tuple[str, ...], results: Path, recipe: Path) -> Any:
    """Give the words that both benchmarks of pooled folds share."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--recipe", type=Path, default=recipe, help="the adapter's recipe file")
    made.add_argument("--methods", nargs="+", default=list(methods), help=", ".join(methods))
    made.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--out", type=Path, required=True, help="kept folds and adapters")
    report_help = "where the result goes once every fold is there"
    made.add_argument("--report", type=Path, default=results, help=report_help)
    return made


def tell(result: Mapping[str, Any], options: argparse.Namespace) -> None:
    """Write the result into OUT, and to the report once every fold is judged; print the table."""
    write(dict(result), options.out / "results.json")
    whole = sorted(options.folds) == list(range(SplitConfig().folds))
    if whole and ADAPTER in options.methods:
        write(dict(result), options.report)
    print(table(result["rows"]))
