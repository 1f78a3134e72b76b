"""Checkpoints of a run: one folder, replaced whole, read without unpickling code."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from sensor2llm.artefacts.atomic_write import repair, replace_folder, sole_writer
from sensor2llm.artefacts.manifest import check_files, hash_files
from sensor2llm.errors import ArtefactError
from sensor2llm.training.devices import process_state
from sensor2llm.training.record import write_json
from sensor2llm.training.weights import Weights

PROGRESS, STATES = "progress.json", "optimizers.pt"


@dataclass(kw_only=True)
class RunState:
    """Where a run stands; everything that resuming needs beside weights and optimiser state."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    """Batches of the present epoch that are done."""
    validated_at: int = -1
    """Step of the last validation."""
    seconds: float = 0.0
    rows: int = 0
    best_score: float | None = None
    best_step: int = 0
    worse: int = 0
    """Validations since the best one."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Args:
        progress: where the run stands.
        weights: named sets of tensors on the CPU, such as `module`, `best` and `average`.
        states: of the optimisers, with whole tensors.
        history: metrics up to here, as in the run's metrics file.
    """

    progress: RunState
    weights: Mapping[str, Weights]
    states: Sequence[Mapping[str, Any]]
    history: Sequence[Mapping[str, float]] = ()


def save_checkpoint(folder: Path, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Write a checkpoint; the old one stays whole until the new one is."""
    with replace_folder(folder) as part:
        for name, tensors in checkpoint.weights.items():
            save_file(dict(tensors), part / f"{name}.safetensors")
        torch.save(list(checkpoint.states), part / STATES)
        content = {
            "progress": vars(checkpoint.progress),
            "config": dict(config),
            "history": list(checkpoint.history),
            "files": hash_files(part, sorted(path.name for path in part.iterdir())),
        }
        write_json(part / PROGRESS, content)


def has_checkpoint(folder: Path) -> bool:
    """Say whether there is one to go on from."""
    repair(folder)
    return (folder / PROGRESS).is_file()


@contextmanager
def sole_run(run: Path) -> Iterator[None]:
    """Hold a run's folder for this run alone; of its processes the first does so.

    Raises:
        ArtefactError: another run holds it.
    """
    if not process_state().is_main_process:
        yield
        return
    with sole_writer(run):
        yield


def drop_checkpoints(run: Path) -> None:
    """Remove the checkpoints of all stages of runs before, which a new one must not go on from."""
    if not process_state().is_main_process:
        return
    for progress in list(run.rglob(PROGRESS)):
        progress.unlink()  # without it there is none, wherever a kill comes
        shutil.rmtree(progress.parent, ignore_errors=True)


def load_checkpoint(folder: Path, config: Mapping[str, Any]) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        ArtefactError: where there is none, it is broken, or another configuration wrote it.
    """
    if not has_checkpoint(folder):
        raise ArtefactError(f"{folder} holds no checkpoint; start without --resume")
    try:
        content = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        check_files(folder, content.get("files", {}), "checkpoint", "delete it")
        weights = {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
        states = torch.load(folder / STATES, weights_only=True)
        progress, written = RunState(**content["progress"]), dict(content["config"])
    except ArtefactError:
        raise
    except (OSError, LookupError, TypeError, ValueError, RuntimeError, SafetensorError,
            EOFError, AttributeError) as error:  # fmt: skip
        raise ArtefactError(f"the checkpoint {folder} is broken ({error}); delete it") from error
    wanted = json.loads(json.dumps(dict(config)))
    differing = sorted(key for key in wanted | written if wanted.get(key) != written.get(key))
    if differing:
        raise ArtefactError(
            f"the checkpoint {folder} was written with another configuration "
            f"({', '.join(differing)} differ); use the same, leave out --resume to begin anew, or "
            "choose another --out"
        )
    return Checkpoint(progress, weights, states, content.get("history", ()))
