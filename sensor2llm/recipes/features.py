"""A frozen encoder's features, computed once and kept memory-mapped in bf16."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.batches import CLASSIFICATION, FeatureBatch
from sensor2llm.artefacts.atomic_write import replace_folder
from sensor2llm.artefacts.marks import is_marked
from sensor2llm.model.acceptance import measure_check_windows
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.recipes.sources import TrainingRows
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.training.record import write_json

ROWS_AT_ONCE = 256
CHECK_WINDOWS = 64


class FeatureStore:
    """Features of some of a store's windows: 2 bytes a value, read by the row.

    Args:
        folder: `steps.bf16`, `present.npy`, `features.json` and, where the adapter wants them,
            `scale.npy` and `given.json`, written by `write`.
        labels: the windows' labels, in the same order.
    """

    def __init__(self, folder: Path, labels: NDArray[np.int64]):
        self.present = np.load(folder / "present.npy", mmap_mode="r")
        size = (folder / "steps.bf16").stat().st_size // 2
        modalities = self.present.shape[1]
        shape = np.load(folder / "shape.npy").tolist()
        assert size == len(labels) * modalities * shape[0] * shape[1], "features do not fit labels"
        self.steps = np.memmap(
            folder / "steps.bf16", np.int16, "r", shape=(len(labels), modalities, *shape)
        )
        self.labels = labels
        scale, values = folder / "scale.npy", folder / "given.json"
        self.scale = np.load(scale, mmap_mode="r") if scale.is_file() else None
        self.template_values = None
        if values.is_file():
            self.template_values = json.loads(values.read_text(encoding="utf-8"))

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: NDArray[np.int64]) -> FeatureBatch:
        """Read rows by their position."""
        values = self.template_values
        steps = torch.from_numpy(self.steps[rows]).view(torch.bfloat16)
        return FeatureBatch(
            torch.from_numpy(self.labels[rows]),
            steps,
            torch.from_numpy(self.present[rows]),
            scale=None if self.scale is None else torch.from_numpy(self.scale[rows]),
            template_values=None if values is None else tuple(values[row] for row in rows),
        )

    @classmethod
    def write(
        cls, folder: Path, adapter: SensorAdapter, dataset: WindowDataset, key: dict[str, object]
    ) -> "FeatureStore":
        """Compute features, or take those that lie there for the same encoder and windows."""
        rows = np.ascontiguousarray(dataset.indices, dtype="<i8").tobytes()
        which = [len(dataset), hashlib.sha256(rows).hexdigest()]
        key = {"data": dataset.store.fingerprint, "rows": which} | key
        mark = folder / "features.json"
        if not is_marked(mark, key, f"features in {folder}"):
            with replace_folder(folder) as part:
                cls._compute(part, adapter, dataset)
                write_json(part / mark.name, key)
        return cls(folder, np.asarray(dataset.labels, dtype=np.int64))

    @staticmethod
    @torch.no_grad()
    def _compute(folder: Path, adapter: SensorAdapter, dataset: WindowDataset) -> None:
        device = next(adapter.parameters()).device
        present, shape, scale = [], (0, 0), []
        values: list[Mapping[str, Any]] = []
        with (folder / "steps.bf16").open("wb") as file:
            for start in range(0, len(dataset), ROWS_AT_ONCE):
                rows = np.arange(start, min(start + ROWS_AT_ONCE, len(dataset)))
                features = adapter.features(dataset.batch(rows).to(device))
                assert features.steps is not None
                assert features.present is not None
                steps = features.steps.to("cpu", torch.bfloat16).contiguous()
                steps.view(torch.int16).numpy().tofile(file)
                present.append(features.present.cpu().numpy())
                shape = (steps.shape[2], steps.shape[3])
                scale += [] if features.scale is None else [features.scale.cpu().numpy()]
                values += _with_placements(adapter, dataset, rows, features.template_values)
        np.save(folder / "present.npy", np.concatenate(present))
        np.save(folder / "shape.npy", np.array(shape))
        if scale:
            np.save(folder / "scale.npy", np.concatenate(scale))
        if values:
            write_json(folder / "given.json", values)


def takes_placement(adapter: SensorAdapter) -> bool:
    """Say whether any of an adapter's prompts may name where the device is worn."""
    return any(template.takes_placement for template in adapter.templates.values())


def _with_placements(
    adapter: SensorAdapter,
    dataset: WindowDataset,
    rows: NDArray[np.int64],
    values: Sequence[Mapping[str, Any]] | None,
) -> Sequence[Mapping[str, Any]]:
    """Add where the device is worn, of every other window: in use the word may be left out."""
    if not takes_placement(adapter):
        return values or []
    places = dataset.indices[rows].tolist()
    words = [(dataset.store.placement_of(row) or "") * (row % 2) for row in places]
    return [
        {**own, "placement": word} for own, word in zip(values or repeat({}), words, strict=False)
    ]


def keep_check_windows(
    model: SensorLanguageModel, validation: TrainingRows, train: TrainingRows
) -> None:
    """Keep some windows in an adapter that labels, spread evenly, with what the model says of them.

    They are validation people's where there are any.
    """
    if CLASSIFICATION not in model.adapter.templates:
        return
    rows = validation if len(validation) else train
    spread = np.linspace(0, len(rows) - 1, min(len(rows), CHECK_WINDOWS))
    batch = rows.batch(spread.astype(np.int64))
    model.adapter.check_windows = measure_check_windows(model.eval(), batch)
