"""Which windows every row sees."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.evaluation.evaluation import checked_split
from sensor2llm.signals.splits.splits import Split, few_shots, label_fraction
from sensor2llm.signals.store.windows import Windows
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.metrics import Predictions
from tokenization_study.comparison.config import ComparisonConfig

Rows = Int[np.ndarray, " window"]


@dataclass
class ComparisonSample:
    """Draw labelled windows of each part of an adapter's own split, the same for every row."""

    adapter: SensorAdapter
    store: Windows
    config: ComparisonConfig

    def __post_init__(self) -> None:
        self.windows = AdapterWindows(self.store, self.adapter)

    @cached_property
    def split(self) -> Split:
        """Give the adapter's own split of the people."""
        return checked_split(self.adapter.recipe, self.windows.store, self.adapter.taught,
                             "the adapter")  # fmt: skip

    @cached_property
    def all_train(self) -> Rows:
        """Give the labelled windows that taught the adapter."""
        rows, recipe = self.windows.labelled(self.split.train), self.adapter.recipe or {}
        seed = recipe.get("loop", {}).get("seed", 0)
        if (share := recipe.get("label_fraction", 1.0)) < 1:
            rows = label_fraction(self.windows.store, rows, share, seed)
        shots = recipe.get("shots")
        return rows if shots is None else few_shots(self.windows.store, rows, shots, seed)

    @cached_property
    def train(self) -> Rows:
        """Give those of them that prompts, priors and probes of raw rows learn from."""
        return self._draw(self.all_train, self.config.train_windows or len(self.all_train))

    @cached_property
    def validation(self) -> Rows:
        """Give the windows that serialisers and soft prompts are chosen on."""
        return self._draw(self.split["validation"], self.config.validation_windows)

    @cached_property
    def test(self) -> Rows:
        """Give the windows that are judged."""
        return self._draw(self.split["test"], self.config.windows)

    def _draw(self, rows: Rows, count: int) -> Rows:
        rows = self.windows.labelled(rows)
        people = np.asarray(self.windows.store.subject_ids)[rows]
        return stratified_sample(rows, people, self.windows.labels[rows], count, self.config.seed)

    def draw_shots(self) -> tuple[list[int], list[int]]:
        """Draw training windows of labels in turn, and give their labels beside them."""
        generator = np.random.default_rng(self.config.seed)
        labels = self.windows.labels[self.train]
        orders = [generator.permutation(np.unique(labels)) for _ in range(self.config.shots)]
        chosen = np.concatenate(orders)[: self.config.shots]
        rows = [int(generator.choice(self.train[labels == label])) for label in chosen]
        return rows, chosen.tolist()

    def predictions(
        self, predicted: np.ndarray, probabilities: np.ndarray | None = None,
        rows: np.ndarray | None = None,
    ) -> Predictions:  # fmt: skip
        """Put the truth of the test windows, or of `rows`, beside what was predicted."""
        rows = self.test if rows is None else rows
        return Predictions(
            labels=self.adapter.label_names,
            true=self.windows.labels[rows],
            predicted=predicted,
            subjects=self.windows.store.subjects[rows],
            probabilities=probabilities,
        )


def stratified_sample(
    rows: Rows, people: Int[np.ndarray, " window"], labels: Int[np.ndarray, " window"],
    count: int, seed: int,
) -> Rows:  # fmt: skip
    """Draw windows so that every person and label keeps its share, to within one window.

    Shares that are no whole numbers are rounded by the largest remainder.

    Args:
        rows: windows to draw from.
        people: who each of them is from.
        labels: label of each of them.
        count: how many; all where there are no more.
        seed: of the draw.

    Example:
        >>> rows, people = np.arange(8), np.array([0, 0, 0, 0, 1, 1, 1, 1])
        >>> stratified_sample(rows, people, np.array([0, 0, 1, 1, 0, 0, 1, 1]), 4, 0).tolist()
        [1, 3, 5, 6]
    """
    if count >= len(rows):
        return rows
    cells = np.unique(np.stack([people, labels], axis=1), axis=0, return_inverse=True)[1].ravel()
    sizes = np.bincount(cells)
    exact = sizes * (count / len(rows))
    taken = np.floor(exact).astype(np.int64)
    rest = np.argsort(taken - exact, kind="stable")[: count - int(taken.sum())]
    taken[rest] += 1
    generator = np.random.default_rng(seed)
    chosen = [
        generator.choice(rows[cells == cell], size=taken[cell], replace=False)
        for cell in range(len(sizes))
    ]
    return np.sort(np.concatenate(chosen))
