"""Adapter training as the one loop wants it: one task, or several mixed by weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from sensor2llm.adapter.batches import CLASSIFICATION, RequestBatch
from sensor2llm.errors import DataError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.config import CAPTIONING, QUESTION_ANSWERING
from sensor2llm.recipes.sources import BatchSource, TaskBatch, draw_hidden, hide
from sensor2llm.training.loop import Validation

SCORED_AT_ONCE = 128
VALIDATION_ROWS = 2048
Judge = Callable[[SensorLanguageModel, BatchSource], Mapping[str, float]]
"""Gives figures of a task on its validation items; `score`, from 0 to 1, is the one that counts."""


class AdapterTask:
    """Train an adapter and validate it task by task.

    Args:
        model: adapter and frozen LLM; what takes gradients is trained.
        train: items of each task.
        validation: items of the validation people, task by task.
        batch_size: items an optimiser step; all of one task, and about as many windows each.
        seed: of the order of items.
        judges: how each task but classification is judged, by its name.
        modality_dropout: share of a window's modalities that training takes away; not where
            answers are computed from what is there (questions, captions: they have `hide`).

    Raises:
        DataError: a task has nothing to train on.
    """

    def __init__(
        self,
        model: SensorLanguageModel,
        train: Sequence[BatchSource],
        validation: Sequence[BatchSource],
        batch_size: int,
        seed: int,
        judges: Mapping[str, Judge] | None = None,
        modality_dropout: float = 0.0,
    ):
        for source in train:
            if not len(source):
                raise DataError(
                    f"the task {source.task} has no window to train on; choose other data, or "
                    "leave the task out"
                )
        self.module, self.validation = model, list(validation)
        self.train = [part for source in train for part in source.by_windows()]
        self.batch_size, self.seed = batch_size, seed
        self.judges: dict[str, Judge] = {CLASSIFICATION: judge_labels, **(judges or {})}
        self.modality_dropout = modality_dropout
        self.first = np.cumsum([0, *(len(source) for source in self.train)])
        self.epoch = 0

    def batches(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        """Give an epoch's batches.

        An epoch is a permutation of the first task's items, the rest that fills no batch left
        out; the others give batches by their weights against its own.
        """
        self.epoch = epoch
        lead = self.train[0]
        size = min(self.batch_size, len(lead))
        order = lead.order(np.random.default_rng([self.seed, epoch]))
        batches = lead.cut(order[: len(order) // size * size], size)
        if len(self.train) == 1 and lead.requests is None:
            return batches
        generator = np.random.default_rng([self.seed, epoch, 1])
        count = len(batches)
        for number, source in enumerate(self.train[1:], start=1):
            wanted = round(count * source.weight / lead.weight)
            batches += self._drawn(number, source, wanted, generator)
        return [batches[i] for i in generator.permutation(len(batches))]

    def _drawn(
        self, number: int, source: BatchSource, count: int, generator: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """Draw so many batches of a task; items come again once all have come."""
        size = min(self.batch_size, len(source))
        rounds = -(-count * size // len(source))
        if not rounds:
            return []
        order = np.concatenate([source.order(generator) for _ in range(rounds)])
        return [part + self.first[number] for part in source.cut(order[: count * size], size)]

    def collate(self, rows: NDArray[np.int64]) -> TaskBatch:
        """Read training items, which are of one task."""
        number = int(np.searchsorted(self.first, rows[0], side="right")) - 1
        generator = self._generator(int(rows[0]), len(rows))
        source = self.train[number]
        batch = source.batch(rows - self.first[number], generator)
        # An answer about a sensor that was taken away would be made up.
        if not self.modality_dropout or source.task in (QUESTION_ANSWERING, CAPTIONING):
            return batch
        present = batch.signals.present if isinstance(batch, RequestBatch) else batch.present
        assert present is not None
        # Drawn a row, so that it is the same however a batch is divided among processes.
        hidden = [
            draw_hidden(one[None], self.modality_dropout, self._generator(row))
            for one, row in zip(present.numpy(), rows.tolist(), strict=True)
        ]
        return hide(batch, torch.from_numpy(np.concatenate(hidden)))

    def _generator(self, *of: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch, *of])

    def validate(self) -> Validation | None:
        """Give each task's figures; the score is their mean, by the tasks' weights."""
        sources = [source for source in self.validation if len(source)]
        if not sources:
            return None
        scores: list[float] = []
        figures: dict[str, float] = {}
        for source in sources:
            measured = dict(self.judges[source.task](self.module, source))
            scores.append(measured.pop("score"))
            figures |= {f"validation_{name}": value for name, value in measured.items()}
        weights = [source.weight for source in sources]
        return Validation(float(np.average(scores, weights=weights)), figures)

    def prior_batches(self, windows: int = 256) -> Iterator[TaskBatch]:
        """Give some training windows to measure the label prior on."""
        labels = next(source for source in self.train if source.task == CLASSIFICATION)
        for part in spread_items(labels, windows):
            yield labels.batch(part).to(torch.device(self.module.llm.device))


def spread_items(source: BatchSource, most: int) -> Iterator[NDArray[np.int64]]:
    """Give batches of at most so many items, spread evenly over people and classes."""
    rows = np.linspace(0, len(source) - 1, min(most, len(source))).astype(np.int64)
    yield from (rows[i : i + SCORED_AT_ONCE] for i in range(0, len(rows), SCORED_AT_ONCE))


def judge_labels(model: SensorLanguageModel, source: BatchSource) -> dict[str, float]:
    """Give macro-F1 and the negative log-likelihood of the right label, by label scoring."""
    parts = list(spread_items(source, VALIDATION_ROWS))
    labels = source.labels[np.concatenate(parts)]
    device = model.llm.device
    probabilities = np.concatenate(
        [model.score(source.batch(part).to(device)).float().cpu().numpy() for part in parts]
    )
    macro_f1 = f1_score(labels, probabilities.argmax(1), average="macro", zero_division=0.0)
    right = np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)
    return {
        "score": float(macro_f1),
        "macro_f1": float(macro_f1),
        "loss": float(-np.log(right).mean()),
    }
