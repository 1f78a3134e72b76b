"""Gradients of a batch, added up over parts and over processes."""

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch.optim import Optimizer

from sensor2llm.training.config import LoopConfig
from sensor2llm.training.devices import autocast
from sensor2llm.training.memory import MicrobatchSplitOnOOM, split_rows
from sensor2llm.training.seeding import seeded
from sensor2llm.training.task import TrainingTask


class BatchGradients:
    """Compute the gradients of whole batches: of this process's share, in parts."""

    def __init__(
        self,
        task: TrainingTask,
        accelerator: Accelerator,
        config: LoopConfig,
        optimizers: list[Optimizer],
    ):
        self.task, self.accelerator, self.config = task, accelerator, config
        self.module: Any = accelerator.prepare(task.module)
        self.processes = accelerator.num_processes
        self.split = MicrobatchSplitOnOOM(config.gradient_accumulation, optimizers, self.processes)

    def add(self, rows: NDArray[np.int64], step: int) -> tuple[float, float, dict[str, float]]:
        """Add up a batch's gradients; give its loss and weight, both summed, and figures to log."""
        loss, weight, metrics = self.split(
            lambda parts: self._share(rows, step, parts), -(-len(rows) // self.processes)
        )
        return self.sum(loss), self.sum(weight), metrics

    def _share(
        self, rows: NDArray[np.int64], step: int, count: int
    ) -> tuple[float, float, dict[str, float]]:
        """Add up gradients of this process's share of the batch, computed in so many parts."""
        rank, device = self.accelerator.process_index, self.accelerator.device
        seed = np.random.SeedSequence([self.config.seed, step, rank])
        generator = torch.Generator().manual_seed(int(seed.generate_state(1)[0]))
        parts = split_rows(rows, count, rank, self.processes)
        loss, weight, metrics = 0.0, 0.0, {}
        with seeded(int(seed.generate_state(2)[1])):
            for i, part in enumerate(parts):
                batch, last = self.task.collate(part).to(device), i == len(parts) - 1
                with self._exchange(last=last), autocast(device, self.config.precision):
                    result = self.module(batch, generator)
                    self.accelerator.backward(result.total)
                loss, weight = loss + float(result.total.detach()), weight + float(result.weight)
                metrics = {k: float(v) for k, v in result.metrics.items()}
        return loss, weight, metrics

    def _exchange(self, *, last: bool) -> AbstractContextManager[Any]:
        """Let processes exchange gradients with a batch's last part only."""
        return contextlib.nullcontext() if last else self.accelerator.no_sync(self.module)

    def sum(self, value: float) -> float:
        """Sum a number over all processes."""
        if self.processes == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.accelerator.device)
        return float(self.accelerator.reduce(tensor, reduction="sum"))
