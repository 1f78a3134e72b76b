"""The accelerator of a run: devices and processes are its business, precision is the config's."""

from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import parse_flag_from_env

from sensor2llm.errors import ConfigError
from sensor2llm.training.config import LoopConfig

# What accelerate's launcher can ask for beside processes that exchange gradients.
SHARDED = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DeepSpeed"}


def process_state() -> PartialState:
    """Give this process's place among those that were launched together.

    Raises:
        ConfigError: the launcher asks for weights in shards.
    """
    for variable, name in SHARDED.items():
        if parse_flag_from_env(variable):
            raise ConfigError(
                f"training spreads over processes without shards, and the launch asks for {name}; "
                "what is trained is small: launch with benchmarks/accelerate/ddp.yaml"
            )
    return PartialState(cpu=use_cpu())


def use_cpu() -> bool:
    """Say whether there is nothing but the CPU, or the launcher asks for it."""
    return parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()


def build_accelerator(config: LoopConfig, out: Path | None) -> Accelerator:
    """Build the accelerator: devices and processes are its business, precision is the config's.

    Raises:
        ConfigError: the launcher asks for weights in shards.
    """
    process_state()
    tracked = config.tracker == "tensorboard" and out is not None
    accelerator = Accelerator(
        cpu=use_cpu(),
        mixed_precision="no",  # its choice holds for the whole process: `autocast` is ours
        log_with="tensorboard" if tracked else None,
        project_dir=str(out) if tracked else None,
    )
    if tracked:
        accelerator.init_trackers("tensorboard")
    return accelerator


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Compute in bf16 for a while where the precision says so; weights stay as they are."""
    return torch.autocast(device.type, torch.bfloat16, enabled=use_bf16(precision))


def use_bf16(precision: str) -> bool:
    """Say whether to compute in bf16: as set, or where the hardware multiplies it."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported())
