"""Settings of the one training loop; torch-free, so that `--help` stays quick."""

import logging
import math
from dataclasses import dataclass, replace
from typing import Literal

from sensor2llm.errors import ConfigError

Optimizer = Literal["adamw", "adam", "muon"]
Schedule = Literal["cosine", "wsd", "constant"]
Precision = Literal["auto", "float32", "bf16"]

SMALLEST_BATCH = 16
"""Below it, means over a batch say too little; fewer rows than that are one batch."""
AVERAGES_A_RUN = 5
"""The running average looks back over at most this part of a short run."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How a module is trained: length, batches, optimiser, schedule, stopping, checkpoints."""

    epochs: int = 10
    """Passes over the training rows. Early stopping may end sooner."""
    steps: int | None = None
    """Optimiser steps at most, whatever `epochs` says."""
    min_steps: int = 0
    """Optimiser steps at least: few rows get smaller batches and more epochs; 0 asks for none."""
    budget_s: float | None = None
    """Seconds of training at most. The schedule then follows the time spent."""
    batch_size: int = 64
    """Rows an optimiser step. All processes and accumulation steps share them."""
    gradient_accumulation: int = 1
    """Parts a batch is computed in, to save memory; the result stays the same."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices."""
    optimizer: Optimizer = "adamw"
    """adamw, adam, or muon (hidden matrices by Muon, everything else by AdamW)."""
    muon_learning_rate: float = 0.01
    """Peak learning rate of Muon's matrices."""
    beta2: float = 0.999
    """Adam's second-moment decay."""
    schedule: Schedule = "cosine"
    """cosine to `final_share`, wsd (warm-up, stable, linear decay) or constant."""
    warmup_share: float = 0.03
    """Share of the run in which the learning rate rises from zero."""
    decay_share: float = 0.2
    """Share of the run in which wsd decays."""
    final_share: float = 0.0
    """Learning rate at the end as a share of the peak."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm; 0 switches it off."""
    ema_decay: float = 0.0
    """Decay of the running average of weights that is validated and kept; 0 keeps none."""
    precision: Precision = "auto"
    """auto takes bf16 where the hardware multiplies it, else float32."""
    patience: int = 0
    """Validations without a better score before the run stops; 0 never stops early."""
    validate_every: int = 0
    """Steps between validations; 0 validates after each epoch."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl."""
    checkpoint_every_s: float = 300.0
    """Seconds between checkpoints."""
    tracker: Literal["none", "tensorboard"] = "none"
    """Where accelerate also logs the metrics."""
    seed: int = 0
    """Seed of weights, order and every draw."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "gradient_accumulation", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.min_steps < 0:
            raise ConfigError(f"min_steps must not be negative, got {self.min_steps}")
        for name in ("learning_rate", "muon_learning_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("warmup_share", "decay_share", "final_share", "ema_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if self.batch_size % self.gradient_accumulation:
            raise ConfigError(
                f"batch_size {self.batch_size} is not a multiple of "
                f"gradient_accumulation {self.gradient_accumulation}"
            )


def config_for_rows(config: LoopConfig, rows: int) -> LoopConfig:
    """Give the settings for so many training rows, so that `min_steps` steps are made.

    Where epochs of whole batches give fewer, batches get smaller and epochs more. There are as
    many validations as there would have been epochs, so that `patience` is the same share of the
    run, and the running average looks back over a part of it. Learning rates follow the square
    root of the batch size [Malladi et al. 2022, arXiv:2205.10287]. Settings that give enough steps
    stay as they are.
    """
    least = min(config.min_steps, config.steps or config.min_steps)
    if config.epochs * max(rows // config.batch_size, 1) >= least:
        return config
    parts, wanted = config.gradient_accumulation, -(-least // config.epochs)
    size = min(max(rows // wanted, SMALLEST_BATCH), config.batch_size)
    size = max(size // parts, 1) * parts
    epochs = -(-least // max(rows // size, 1))
    logger.info(
        "%d training rows are few: %d epochs of batches of %d, so that there are %d steps",
        *(rows, epochs, min(size, rows), least),
    )
    slower = math.sqrt(size / config.batch_size)
    return replace(
        config,
        learning_rate=config.learning_rate * slower,
        muon_learning_rate=config.muon_learning_rate * slower,
        epochs=epochs,
        batch_size=size,
        validate_every=config.validate_every or wanted,
        ema_decay=min(config.ema_decay, max(1 - AVERAGES_A_RUN / least, 0.0)),
    )


def learning_rate_factor(config: LoopConfig, progress: float) -> float:
    """Give the learning rate at `progress` (0 to 1 of the run) as a share of the peak.

    wsd is the warm-up, stable, decay schedule [MiniCPM, arXiv:2404.06395, sec. 4].
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < config.warmup_share:
        return max(progress / config.warmup_share, 1e-3)
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "wsd":
        left = (1 - progress) / config.decay_share if config.decay_share else 1.0
        return config.final_share + (1 - config.final_share) * min(1.0, left)
    span = (progress - config.warmup_share) / max(1 - config.warmup_share, 1e-9)
    return config.final_share + (1 - config.final_share) * 0.5 * (1 + math.cos(math.pi * span))
