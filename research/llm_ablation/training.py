"""What every part shares: a data set's features, an untrained bridge on either LLM, its training.

    bench = Bench.open(recipe)
    model = bench.untrained("random-weight LLM")
    cost = train(model, [Source.of_labels(bench.rows("train"))], loop, folder, {"part": "words"})

Nothing is chosen on any label here: training runs for a fixed number of steps and its last weights
are judged, so that no method sees more labels than another.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import nn

from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.pretraining.run import labelled
from sensor2llm.recipes.build import build_adapter, load_llm, open_data
from sensor2llm.recipes.config import Recipe
from sensor2llm.recipes.encoder import LoadedEncoder, get_encoder
from sensor2llm.recipes.features import FeatureStore
from sensor2llm.recipes.sources import BatchSource
from sensor2llm.recipes.task import AdapterTask
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import Split, make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.training.config import LoopConfig
from sensor2llm.training.loop import fit
from sensor2llm.training.seeding import seeded

TRAINED, RANDOM = "trained LLM", "random-weight LLM"
PRIOR_WINDOWS = 64
LLMS: Mapping[str, bool] = {TRAINED: False, RANDOM: True}
"""The language model as it is, and with weights that are random: the bridge is trained on each."""


@dataclass(eq=False)
class Bench:
    """Hold one data set as its frozen encoder hears it.

    Args:
        recipe: data, split, encoder, bridge and prompt; features are kept in its run folder.
        store: the windows.
        split: who teaches and who judges.
        heard: the frozen encoder.
        windows: of a part's labelled windows, at most so many judge, spread evenly.
        judges: the part whose windows judge; what is chosen is chosen on `validation`.
    """

    recipe: Recipe
    store: WindowStore
    split: Split
    heard: LoadedEncoder
    windows: int = 1000
    judges: str = "test"

    @classmethod
    def open(cls, recipe: Recipe, windows: int = 1000, judges: str = "test") -> "Bench":
        """Open the recipe's data and encoder.

        Raises:
            UserError: the data or the encoder cannot be used as given.
        """
        store = open_data(recipe)
        split = make_split(store, recipe.split)
        heard = get_encoder(recipe, store, split, True)
        return cls(recipe, store, split, heard, windows, judges)

    @cached_property
    def llms(self) -> dict[str, FrozenLLM]:
        """Load both language models."""
        return {
            name: load_llm(replace(self.recipe, llm_random_weights=random))
            for name, random in LLMS.items()
        }

    def untrained(self, llm: str, **changes: Any) -> SensorLanguageModel:
        """Build the recipe's bridge on one of the LLMs, its weights drawn from the loop's seed.

        Args:
            llm: a name of `LLMS`.
            **changes: of the recipe: prompt, objective, loop.
        """
        recipe, frozen = replace(self.recipe, **changes), self.llms[llm]
        with seeded(recipe.loop.seed):
            adapter = build_adapter(recipe, self.store, self.split, self.heard, frozen)
        return SensorLanguageModel(
            adapter,
            frozen,
            encoder_trainable=recipe.train_encoder,
            objective=recipe.objective,
        )

    def positions(self, part: str) -> Int[np.ndarray, " window"]:
        """Give a part's labelled windows by their place in the store; of judges some, spread."""
        rows = labelled(self.store, self.split[part])
        return rows if part == "train" else spread(rows, self.windows)

    def rows(self, part: str) -> FeatureStore:
        """Give the encoder's features of `positions(part)`; they are computed once."""
        if part not in self._kept:
            self._kept[part] = self._write(part)
        return self._kept[part]

    @cached_property
    def _kept(self) -> dict[str, FeatureStore]:
        return {}

    def _write(self, part: str) -> FeatureStore:
        adapter, rows = self.untrained(TRAINED).adapter, self.positions(part)
        key: dict[str, object] = {"encoder": self.heard.encoder.fingerprint()}
        dataset = WindowDataset(self.store, rows, adapter.normaliser)
        return FeatureStore.write(self.recipe.run / "features" / part, adapter, dataset, key)

    def labels(self, part: str) -> Int[np.ndarray, " window"]:
        """Give the labels of `positions(part)`."""
        return np.asarray(self.store.labels)[self.positions(part)]

    def subjects(self, part: str) -> np.ndarray:
        """Give who the windows of `positions(part)` are from."""
        return np.asarray(self.store.subjects)[self.positions(part)]

    def pooled(self, part: str) -> Float[np.ndarray, "window feature"]:
        """Give what a probe takes: each modality's features averaged over its steps."""
        rows = self.rows(part)
        parts = [rows.batch(i).steps for i in chunks(len(rows), 512)]
        means = [steps.float().mean(2).flatten(1).numpy() for steps in parts if steps is not None]
        return np.concatenate(means)


def train(
    model: SensorLanguageModel,
    sources: Sequence[BatchSource],
    loop: LoopConfig,
    run: Path,
    identity: Mapping[str, Any],
    module: nn.Module | None = None,
) -> dict[str, Any]:
    """Train for the loop's steps, going on where an earlier call was interrupted.

    Args:
        model: is trained in place.
        sources: items of each task.
        loop: how; its epochs are only a limit.
        run: checkpoints go here.
        identity: what else must be equal for a checkpoint to fit.
        module: gives the loss of a batch, and holds the model; None for the model's own objective.

    Returns:
        steps, items seen, the last loss, and CPU seconds of this process.
    """
    task = AdapterTask(model, sources, [], loop.batch_size, loop.seed)
    encoder = model.adapter.encoder
    known = {"llm": model.llm.identity, "encoder": encoder.fingerprint() if encoder else None}
    known["objective"] = model.objective
    before = time.process_time()
    # As train_adapter does; a run that is gone on with starts from the same weights.
    if model.objective == "labels":
        model.measure_prior(task.prior_batches(PRIOR_WINDOWS))
    task.module = module or model
    result = fit(task, loop, run, resume=True, identity=known | dict(identity))
    model.eval()
    return {
        "steps": result.steps,
        "items": result.rows,
        "loss": [line["loss"] for line in result.history if "loss" in line][-1],
        "cpu_s": round(time.process_time() - before, 1),
    }


def spread(rows: Int[np.ndarray, " window"], most: int) -> Int[np.ndarray, " window"]:
    """Take at most so many rows, evenly over their order."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def chunks(count: int, size: int = 32) -> list[Int[np.ndarray, " row"]]:
    """Cut 0 … count - 1 into batches."""
    return [np.arange(start, min(start + size, count)) for start in range(0, count, size)]
