"""The one training loop: everything that is trained here goes through `fit`.

A task gives a module whose forward returns a *summed* loss and the weight it sums over. The loop
divides gradients by the weight of the whole batch, over all processes and accumulation parts, so
that one process, several, and accumulation give the same step. Every step's randomness is a
function of the seed, the step and the process: resuming needs no random state.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sensor2llm.artefacts.renamed_tensors import rename_tensors
from sensor2llm.errors import ConfigError
from sensor2llm.library_output import log_library_output
from sensor2llm.training.bar import ProgressBar
from sensor2llm.training.checkpoint import (
    Checkpoint,
    RunState,
    drop_checkpoints,
    has_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from sensor2llm.training.config import LoopConfig, learning_rate_factor
from sensor2llm.training.devices import build_accelerator
from sensor2llm.training.gradients import BatchGradients
from sensor2llm.training.interrupt import HeldInterrupt
from sensor2llm.training.record import MetricsFile, versions, write_json
from sensor2llm.training.task import FitResult, StepLoss, TrainingTask, Validation
from sensor2llm.training.weights import (
    build_optimizers,
    checkpointed,
    copy_weights,
    follow,
    load_weights,
    move_states,
    take_step,
    trainable,
)

__all__ = ["FitResult", "StepLoss", "TrainingTask", "Validation", "fit"]

logger = logging.getLogger(__name__)


def fit(
    task: TrainingTask,
    config: LoopConfig,
    out: Path | None = None,
    *,
    resume: bool = False,
    identity: Mapping[str, Any] | None = None,
    progress_bar: bool = True,
) -> FitResult:
    """Train a task's module and leave the best weights in it.

    Args:
        task: what to train.
        config: how.
        out: run folder for metrics.jsonl, run.json and checkpoint/; None keeps nothing.
        resume: go on from `out`'s checkpoint where there is one.
        identity: what else must be equal for a checkpoint to fit (data, recipe).
        progress_bar: show one on stderr.

    Raises:
        ArtefactError: the checkpoint is broken or of another configuration.
        ConfigError: there is nothing to train.
        KeyboardInterrupt: after the checkpoint is saved.
    """
    return _Run(task, config, out, resume, dict(identity or {}), progress_bar).go()


class _Run:
    """One call of `fit`: its accelerator, optimisers, counters and files."""

    def __init__(
        self,
        task: TrainingTask,
        config: LoopConfig,
        out: Path | None,
        resume: bool,
        identity: dict[str, Any],
        progress_bar: bool,
    ):
        self.task, self.config, self.out = task, config, out
        self.accelerator = build_accelerator(config, out)
        self.main = self.accelerator.is_main_process
        if not any(p.requires_grad for p in task.module.parameters()):
            raise ConfigError("nothing to train: no parameter takes a gradient")
        self.optimizers = build_optimizers(task.module, config)
        self.identity = identity | {"loop": _resumable(config)}
        self.progress = RunState()
        self.best: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []
        self.average = copy_weights(trainable(task.module)) if config.ema_decay else {}
        if out and resume and has_checkpoint(out / "checkpoint"):
            self._load(out / "checkpoint")
        elif out:
            drop_checkpoints(out)  # of a run before: a resumed one would take it for its own
        self.gradients = BatchGradients(task, self.accelerator, config, self.optimizers)
        move_states(self.optimizers, self.accelerator.device)
        self.file = self._open_files(out) if out and self.main else None
        self.bar = ProgressBar(progress_bar and self.main)
        self.total = self._total_steps()
        self.saved_at = time.monotonic()
        self.interrupt = HeldInterrupt()

    def _open_files(self, out: Path) -> MetricsFile:
        log_library_output(out / "log.txt")
        processes = self.accelerator.num_processes
        record = {"versions": versions(), "processes": processes, **self.identity}
        write_json(out / "run.json", record)
        return MetricsFile(out / "metrics.jsonl", self.history)

    def go(self) -> FitResult:
        """Train to the end, an early stop or Ctrl-C, which is kept for the end of a step."""
        with self.interrupt:
            ended = self._trained()
            if final := self.best or self.average:
                load_weights(self.task.module, final)
            self._save()
        for tracker in self.accelerator.trackers:
            tracker.finish()  # the processes' group stays: another stage may follow
        self._stop_if_asked()
        p = self.progress
        return FitResult(p.step, p.rows, p.seconds, p.best_score, p.best_step, ended, self.history)

    def _trained(self) -> str:
        try:
            ended = self._epochs()
            if self.progress.validated_at != self.progress.step:
                self._validate()
            return ended
        except KeyboardInterrupt:
            if self.interrupt.asked < 2:  # a second Ctrl-C may have come in the midst of a step
                self._save()
            raise
        finally:
            self.bar.close()

    def _epochs(self) -> str:
        p = self.progress
        while p.epoch < self.config.epochs:
            batches = self.task.batches(p.epoch)
            while p.batch < len(batches):
                self._stop_if_asked()
                if reason := self._spent():
                    return reason
                self._timed_step(batches[p.batch])
                p.batch += 1
                due = self.config.validate_every and p.step % self.config.validate_every == 0
                if due and self._validate():
                    return "early"
                if time.monotonic() - self.saved_at > self.config.checkpoint_every_s:
                    self._save()
            p.epoch, p.batch = p.epoch + 1, 0
            if not self.config.validate_every and self._validate():
                return "early"
        return "finished"

    def _spent(self) -> str:
        """Name the limit that is reached, alike in every process."""
        config, p = self.config, self.progress
        if config.patience and p.worse >= config.patience:
            return "early"
        if config.steps is not None and p.step >= config.steps:
            return "steps"
        return "budget" if config.budget_s and p.seconds >= config.budget_s else ""

    def _stop_if_asked(self) -> None:
        """Stop between two steps, in every process after the same one."""
        if self.gradients.sum(float(self.interrupt.asked)):
            raise KeyboardInterrupt

    def _share(self) -> float:
        if self.config.budget_s:
            return self.progress.seconds / self.config.budget_s
        return self.progress.step / max(self.total, 1)

    def _timed_step(self, rows: NDArray[np.int64]) -> None:
        start = time.perf_counter()
        values = self._step(rows)
        p = self.progress
        seconds = time.perf_counter() - start
        if self.accelerator.num_processes > 1:
            seconds = float(self.gradients.sum(seconds)) / self.accelerator.num_processes
        p.seconds += seconds
        p.step += 1
        p.rows += len(rows)
        self.bar.update(self._share(), f"loss {values['loss']:.3f}")
        if p.step % self.config.log_every == 0 or p.step == 1:
            self._log(values | {"rows_per_s": len(rows) / seconds})

    def _step(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """Make one optimiser step on a whole batch."""
        factor = learning_rate_factor(self.config, self._share())
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
        self.task.module.train()
        loss, weight, metrics = self.gradients.add(rows, self.progress.step)
        values = {"loss": loss / max(weight, 1e-9), **metrics}
        scale = self.accelerator.num_processes / max(weight, 1e-9)
        limit = self.config.max_grad_norm
        norm = take_step(self.task.module, self.optimizers, scale, limit)
        if limit:
            values["grad_norm"] = norm
        follow(self.average, self.task.module, self.config.ema_decay)
        return values | {"learning_rate": self.config.learning_rate * factor}

    def _validate(self) -> bool:
        """Validate, keep the best weights, and say whether patience is at its end."""
        module, p = self.task.module, self.progress
        p.validated_at = p.step
        current = copy_weights(trainable(module)) if self.average else {}
        if self.average:
            load_weights(module, self.average)
        module.eval()
        with torch.no_grad():
            result = self.task.validate()
        if result is None:
            load_weights(module, current)
            return False
        if p.best_score is None or result.score > p.best_score:
            p.best_score, p.best_step, p.worse = result.score, p.step, 0
            self.best = copy_weights(checkpointed(module))
        else:
            p.worse += 1
        if current:
            load_weights(module, current)
        self._log({"validation_score": result.score, **result.metrics})
        return bool(self.config.patience and p.worse >= self.config.patience)

    def _log(self, values: Mapping[str, float]) -> None:
        line = {"epoch": self.progress.epoch, **values}
        self.history.append({"step": self.progress.step, **line})
        if self.file:
            self.file.write(self.progress.step, line)
            self.accelerator.log(line, step=self.progress.step)

    def _save(self) -> None:
        self.saved_at = time.monotonic()
        if not (self.out and self.main):
            return
        weights = {"module": copy_weights(checkpointed(self.task.module))}
        weights |= {"best": self.best, "average": self.average}
        weights = {name: tensors for name, tensors in weights.items() if tensors}
        states = [optimizer.state_dict() for optimizer in self.optimizers]
        checkpoint = Checkpoint(self.progress, weights, states, self.history)
        save_checkpoint(self.out / "checkpoint", checkpoint, self.identity)

    def _load(self, folder: Path) -> None:
        checkpoint = load_checkpoint(folder, self.identity)
        self.progress = checkpoint.progress
        self.history = [dict(line) for line in checkpoint.history]
        names = self.task.module.state_dict()
        weights = {name: rename_tensors(old, names) for name, old in checkpoint.weights.items()}
        load_weights(self.task.module, weights["module"])
        self.best, self.average = weights.get("best", {}), weights.get("average", self.average)
        for optimizer, state in zip(self.optimizers, checkpoint.states, strict=True):
            optimizer.load_state_dict(dict(state))
        logger.info("resumed %s at step %d", folder, self.progress.step)

    def _total_steps(self) -> int:
        planned = self.config.epochs * len(self.task.batches(0))
        return planned if self.config.steps is None else min(planned, self.config.steps)


def _resumable(config: LoopConfig) -> dict[str, Any]:
    """Give the settings that must be equal to go on; how often to log or save may change."""
    free = {"log_every", "checkpoint_every_s", "tracker", "epochs", "steps", "budget_s", "patience"}
    free |= {"gradient_accumulation", "min_steps"}  # the steps stay the same
    return {name: value for name, value in asdict(config).items() if name not in free}
