"""What DeepSpeed is asked for: by the launcher in the environment, by a recipe in its loop."""

import os
from importlib.util import find_spec
from typing import Any

from accelerate.utils import parse_flag_from_env

from sensor2llm.errors import ConfigError
from sensor2llm.training.config import LoopConfig

SHARDED = "launch with benchmarks/accelerate/fsdp.yaml, which shards weights too"
# accelerate's variable, its name in a configuration, what can be, and what to do instead.
SETTINGS = (
    ("ACCELERATE_DEEPSPEED_ZERO_STAGE", "zero_stage", ("2", "1"), SHARDED),
    (
        "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE",
        "offload_optimizer_device",
        ("none",),
        "leave it out, as the moments are spread over the processes",
    ),
    ("ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "offload_param_device", ("none",), SHARDED),
    (
        "ACCELERATE_DEEPSPEED_CONFIG_FILE",
        "deepspeed_config_file",
        ("none",),
        "say zero_stage in the launcher's own file, and the rest in the recipe's loop",
    ),
    (
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS",
        "gradient_accumulation_steps",
        ("1", "auto"),
        "set the recipe's loop.gradient_accumulation",
    ),
    (
        "ACCELERATE_GRADIENT_CLIPPING",
        "gradient_clipping",
        ("auto",),
        "leave it out and set the recipe's loop.max_grad_norm",
    ),
)


def asks_for_zero() -> bool:
    """Say whether the launcher asks for DeepSpeed."""
    return parse_flag_from_env("ACCELERATE_USE_DEEPSPEED")


def zero_settings(config: LoopConfig) -> dict[str, Any]:
    """Give DeepSpeed's configuration for a run.

    Raises:
        ConfigError: DeepSpeed is not installed, or what it is asked for is not served.
    """
    for variable, name, served, advice in SETTINGS:
        if (given := os.environ.get(variable, served[0])).lower() not in served:
            raise ConfigError(
                f"DeepSpeed's {name} is {given}, and training takes {' or '.join(served)}; {advice}"
            )
    if config.optimizer == "muon":
        raise ConfigError(
            "the optimizer muon needs whole matrices, which DeepSpeed cuts up; take adamw or adam, "
            "or launch with --multi_gpu"
        )
    if find_spec("deepspeed") is None:
        raise ConfigError(
            "training with DeepSpeed needs deepspeed: pip install 'sensor2llm[deepspeed]'"
        )
    variable, _, served, _ = SETTINGS[0]
    return {
        "train_micro_batch_size_per_gpu": 1,  # it must be there; the loop makes the batches
        "gradient_accumulation_steps": 1,  # losses are sums, which nothing divides
        "gradient_clipping": config.max_grad_norm,
        "zero_optimization": {"stage": int(os.environ.get(variable, served[0]))},
        "zero_allow_untested_optimizer": True,  # its list lacks some of torch's
        "zero_force_ds_cpu_optimizer": False,
    }
