"""Make one cell's encoder and judge it in every way that the study asks for."""

import copy
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from sensor2llm.encoders.orientation import turn_free_names
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.evaluation.probe import FIXED_PROBES, FeatureSet, modality_embeddings, probe_metrics
from sensor2llm.pretraining.augment import body_site
from sensor2llm.pretraining.config import ProbeConfig
from sensor2llm.pretraining.multimodal_nce import MultimodalNCE
from sensor2llm.pretraining.run import finetune, fresh_encoder, labelled, pretrain, windows
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import Split, label_fraction
from sensor2llm.signals.store.windows import Windows
from sensor2llm.signals.transforms import Normaliser, fit_normaliser
from sensor2llm.studies.config import StudyConfig
from sensor2llm.studies.data import divide, joined_for, mark, open_data
from sensor2llm.studies.grid import (
    Cell,
    EvaluationProtocol,
    digest,
    encoder_config,
    judgements,
    loops,
    missing_subsets,
    objective_config,
    stores_of,
)
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.loop import FitResult

Pooled = Float[np.ndarray, "window modality width"]
RECALL_WINDOWS = 1000
Classify = Callable[[Pooled], Float[np.ndarray, "window label"]]


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """What a cell gives: plain JSON, and every judged window's label by judgement."""

    record: dict[str, Any]
    rows: Int[np.ndarray, " window"]
    predicted: Int[np.ndarray, "result window"]


@dataclass(frozen=True, kw_only=True)
class InitialEncoder:
    """An encoder before labels are learnt."""

    encoder: SignalEncoder
    normaliser: Normaliser
    result: FitResult | None
    recall: dict[str, dict[str, float]] | None = None
    """Cross-modal recall@k on the validation people, where the objective has common spaces."""


def run_cell(study: StudyConfig, cell: Cell) -> CellResult:
    """Make a cell's encoder and judge it."""
    start = time.monotonic()
    data = {name: mark(study.stores[name]) for name in stores_of(study, cell)}
    config = study.stores[cell.store]
    store = open_data(config)
    split = divide(config, store, cell.fold)
    made = make_encoder(study, cell, store, split)
    pretraining_s = time.monotonic() - start
    test = labelled(store, split.test)
    judge = _Judge(study, cell, store, split, made, test)
    judged = [
        line
        for judgement in judgements(study, cell, judge.subsets(study.missing.finetuning))
        for line in judge(judgement)
    ]
    record = {
        "store": cell.store,
        "method": cell.title,
        "base": cell.method,
        "options": cell.options,
        "fold": cell.fold,
        "seed": cell.seed,
        "digest": digest(study, cell),
        "data": data,
        "windows": {part: len(split[part]) for part in ("train", "validation", "test")},
        "test_people": list(split.subjects(store)["test"]),
        "pretraining": _pretraining(made.result),
        "pretraining_s": pretraining_s,
        "recall": made.recall,
        "seconds": time.monotonic() - start,
        "results": [line for line, _ in judged],
    }
    return CellResult(
        record=record, rows=test, predicted=np.stack([predicted for _, predicted in judged])
    )


def make_encoder(study: StudyConfig, cell: Cell, store: Windows, split: Split) -> InitialEncoder:
    """Pretrain as the cell's method says; without an objective the weights stay random."""
    method, (loop, _) = study.methods[cell.method], loops(study, cell)
    config = encoder_config(study, cell)
    objective = objective_config(study, cell)
    if objective is None:
        encoder = fresh_encoder(store, config, loop).eval()
        return InitialEncoder(
            encoder=encoder,
            normaliser=fit_normaliser(store, split.train, turn_free_names(store.spec, config)),
            result=None,
        )
    seen, taught = store, split
    if method.pretrain_on:
        seen, taught = joined_for(study, cell, store, split)
    trained = pretrain(seen, taught, config, objective, loop, progress_bar=False)
    normaliser = trained.normaliser
    if method.pretrain_on:
        normaliser = fit_normaliser(store, split.train, turn_free_names(store.spec, config))
    recall = None
    if isinstance(trained.objective, MultimodalNCE):
        held_out = WindowDataset(seen, taught.validation[:RECALL_WINDOWS], trained.normaliser)
        device = next(trained.encoder.parameters()).device
        recall = trained.objective.recall(windows(held_out, device))
    return InitialEncoder(
        encoder=trained.encoder, normaliser=normaliser, result=trained.result, recall=recall
    )


class _Judge:
    """Judge one encoder: train a head, or all of it, and classify the test people's windows."""

    def __init__(
        self,
        study: StudyConfig,
        cell: Cell,
        store: Windows,
        split: Split,
        made: InitialEncoder,
        test: Int[np.ndarray, " window"],
    ) -> None:
        self.study, self.cell, self.store, self.split = study, cell, store, split
        self.made, self.test = made, test
        self.names = store.spec.names
        self.kept: dict[str, tuple[Pooled, Pooled, Pooled]] = {}

    def subsets(self, kind: Any) -> list[tuple[str, ...]]:
        """List the sets of modalities that are taken away."""
        sites = tuple(body_site(name) for name in self.names)
        return missing_subsets(self.names, sites, kind)

    def __call__(self, judgement: EvaluationProtocol) -> list[tuple[dict[str, Any], np.ndarray]]:
        """Give a line, and the labels said, for nothing missing and for each set missing."""
        start = time.monotonic()
        teach = Split(train=self._taught(judgement), validation=self.split.validation,
                      test=self.split.test)  # fmt: skip
        judge = self._fixed if judgement.use == "fixed" else self._finetuned
        classify, pooled, chosen = judge(judgement, teach)
        seconds = time.monotonic() - start
        gone = [judgement.without]
        if not judgement.without:
            gone += self.subsets(self.study.missing.inference)
        results = []
        for missing in gone:
            probabilities = classify(self._cover(pooled, missing))
            facts = {"missing": list(missing), "chosen": chosen, "seconds": seconds,
                     "labelled": len(teach.train)}  # fmt: skip
            results.append(self._line(judgement, probabilities, facts))
        return results

    def _line(
        self, judgement: EvaluationProtocol, probabilities: np.ndarray, facts: dict[str, Any]
    ) -> tuple[dict[str, Any], np.ndarray]:
        true = np.asarray(self.store.labels)[self.test]
        predicted = probabilities.argmax(1)
        with warnings.catch_warnings():
            # A person who did not do everything is no fault of the predictions.
            warnings.filterwarnings("ignore", "y_pred contains classes not in y_true")
            measured = probe_metrics(true, probabilities)
        line = {**asdict(judgement), **facts, **measured}
        return line, predicted.astype(np.int16)

    def _taught(self, judgement: EvaluationProtocol) -> Int[np.ndarray, " window"]:
        rows = labelled(self.store, self.split.train)
        if judgement.share == 1:
            return rows
        return label_fraction(self.store, rows, judgement.share, judgement.draw, by=judgement.by)

    def _fixed(
        self, judgement: EvaluationProtocol, teach: Split
    ) -> tuple[Classify, Pooled, dict[str, Any]]:
        """Train the study's probe, the released head by default, on a frozen encoder's features."""
        rows = labelled(self.store, self.split.train)
        if "fixed" not in self.kept:
            parts = (rows, labelled(self.store, teach.validation), self.test)
            train, validation, test = (self._pooled(self.made.encoder, part) for part in parts)
            self.kept["fixed"] = train, validation, test
        train, validation, test = self.kept["fixed"]
        some = np.isin(rows, teach.train)
        config = ProbeConfig(loop=replace(self.study.probe_loop, seed=self.cell.seed))
        classify, chosen = FIXED_PROBES[self.study.probe](
            self._features(self._cover(train[some], judgement.without), rows[some]),
            self._features(
                self._cover(validation, judgement.without),
                labelled(self.store, teach.validation),
            ),
            len(self.store.label_names),
            config,
        )
        return lambda pooled: classify(self._read(pooled)), test, chosen

    def _finetuned(
        self, judgement: EvaluationProtocol, teach: Split
    ) -> tuple[Classify, Pooled, dict[str, Any]]:
        """Train a copy of the encoder together with a head."""
        _, loop = loops(self.study, self.cell)
        tuned = finetune(
            copy.deepcopy(self.made.encoder).requires_grad_(True), self.store, teach,
            self.study.finetune, planned(loop, len(teach.train), self.study.finetune_min_steps),
            normaliser=self.made.normaliser, without=judgement.without, progress_bar=False,
        )  # fmt: skip
        head = tuned.classifier.head

        @torch.no_grad()
        def classify(pooled: Pooled) -> np.ndarray:
            device = next(head.parameters()).device
            logits = head(torch.from_numpy(pooled).to(device).flatten(1))
            return logits.softmax(-1).cpu().numpy()

        chosen = {"step": tuned.result.best_step, "validation_macro_f1": tuned.result.best_score}
        return classify, self._pooled(tuned.encoder, self.test), chosen

    def _features(self, pooled: Pooled, rows: np.ndarray) -> FeatureSet:
        labels = np.asarray(self.store.labels)[rows]
        return FeatureSet(features=self._read(pooled), labels=labels)

    @torch.no_grad()
    def _read(self, pooled: Pooled) -> Float[np.ndarray, "window feature"]:
        """Give what a fixed encoder's head reads."""
        if self.study.features == "concatenated":
            return pooled.reshape(len(pooled), -1)
        aggregator = self.made.encoder.aggregator
        device = next(aggregator.parameters()).device
        return aggregator(torch.from_numpy(pooled).to(device)).cpu().numpy()

    def _pooled(self, encoder: SignalEncoder, rows: np.ndarray) -> Pooled:
        return modality_embeddings(encoder, WindowDataset(self.store, rows, self.made.normaliser))

    def _cover(self, pooled: Pooled, missing: Sequence[str]) -> Pooled:
        """Take modalities away: an absent one's embedding is zeros."""
        if not missing:
            return pooled
        present = np.array([name not in missing for name in self.names])
        return pooled * present[None, :, None].astype(pooled.dtype)


def planned(loop: LoopConfig, rows: int, min_steps: int) -> LoopConfig:
    """Give a loop that makes at least `min_steps` steps and validates as often as planned."""
    per_epoch = max(rows // loop.batch_size, 1)
    epochs = max(loop.epochs, -(-min_steps // per_epoch))
    if epochs == loop.epochs:
        return loop
    # Few labels make short epochs: validating after each would cost more than training.
    every = max(per_epoch, min_steps // loop.epochs)
    return replace(loop, epochs=epochs, validate_every=every)


def _pretraining(result: FitResult | None) -> dict[str, Any] | None:
    if result is None:
        return None
    losses = [line["validation_loss"] for line in result.history if "validation_loss" in line]
    return {
        "steps": result.steps,
        "best_step": result.best_step,
        "seconds": result.seconds,
        "windows_per_s": result.rows_per_s,
        "ended": result.ended,
        "validation_loss": losses,
    }
