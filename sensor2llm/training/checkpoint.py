"""Checkpoints of a run: one folder, replaced whole, read without unpickling code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sensor2llm.errors import ArtefactError
from sensor2llm.training.record import replace_folder, write_json
from sensor2llm.training.weights import Weights


@dataclass(kw_only=True)
class RunState:
    """Where a run stands; everything that resuming needs beside weights and optimiser state."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    """Batches of the present epoch that are done."""
    seconds: float = 0.0
    rows: int = 0
    best_score: float | None = None
    best_step: int = 0
    worse: int = 0
    """Validations since the best one."""


def save_checkpoint(
    folder: Path,
    progress: RunState,
    config: Mapping[str, Any],
    weights: Mapping[str, Weights],
    states: Sequence[Mapping[str, Any]],
) -> None:
    """Write a checkpoint; the old one stays whole until the new one is.

    Args:
        folder: where it goes.
        progress: where the run stands.
        config: what must be equal to go on from here.
        weights: named sets of tensors on the CPU, such as `module`, `best` and `average`.
        states: of the optimisers, with whole tensors.
    """
    with replace_folder(folder) as part:
        for name, tensors in weights.items():
            save_file(dict(tensors), part / f"{name}.safetensors")
        torch.save(list(states), part / "optimizers.pt")
        write_json(part / "progress.json", {"progress": vars(progress), "config": dict(config)})


def load_checkpoint(
    folder: Path, config: Mapping[str, Any]
) -> tuple[RunState, dict[str, dict[str, Tensor]], list[dict[str, Any]]]:
    """Read a checkpoint.

    Raises:
        ArtefactError: where there is none, it is broken, or another configuration wrote it.
    """
    if not (folder / "progress.json").is_file():
        raise ArtefactError(f"{folder} holds no checkpoint; start without --resume")
    try:
        content = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
        weights = {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
        states = torch.load(folder / "optimizers.pt", weights_only=True)
        progress, written = RunState(**content["progress"]), dict(content["config"])
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, SafetensorError,
            EOFError) as error:  # fmt: skip
        raise ArtefactError(f"the checkpoint {folder} is broken ({error}); delete it") from error
    wanted = json.loads(json.dumps(dict(config)))
    differing = sorted(key for key in wanted | written if wanted.get(key) != written.get(key))
    if differing:
        raise ArtefactError(
            f"the checkpoint {folder} was written with another configuration "
            f"({', '.join(differing)} differ); use the same, or start without --resume, or with "
            "another --out"
        )
    return progress, weights, states
