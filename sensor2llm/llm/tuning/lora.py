"""LoRA: trained low-rank updates of a frozen LLM's linear maps, added from outside.

    lora = LoraWeights.start(LowRankConfig(rank=8), llm)
    with active(lora.hooks(llm)):
        logits = llm.model(inputs_embeds=vectors).logits

A linear map W gives W x + (alpha / rank) B A x [Hu et al. 2022, sec. 4.1]. The updates live in the
adapter and the LLM's tensors stay as they are, but what the LLM computes does not: an adapter with
LoRA is not one around a frozen LLM. The files are exactly PEFT's (adapter_config.json and
adapter_model.safetensors of LoRA), so that `peft.PeftModel.from_pretrained` gives the same logits.
"""

import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sensor2llm.errors import ArtefactError, ConfigError
from sensor2llm.llm.config import LowRankConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.hooks import Hook
from sensor2llm.llm.tuning.linear_maps import (
    family_targets,
    find_map,
    is_transposed,
    linear_maps,
    matching_maps,
)
from sensor2llm.llm.tuning.peft_files import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    read_peft_config,
    read_peft_tensors,
    write_peft_files,
)

KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<part>[AB])\.weight")
# What PEFT writes of plain LoRA. Its other kinds set one of the first settings, compute something
# else, and not all of them show in the tensors.
OTHER_KINDS: dict[str, Any] = {
    "alora_invocation_tokens": None, "alpha_pattern": {}, "arrow_config": None,
    "kasa_config": None, "layer_replication": None, "lora_bias": False, "modules_to_save": None,
    "monteclora_config": None, "rank_pattern": {}, "target_parameters": None,
    "trainable_token_indices": None, "use_bdlora": None, "use_dora": False, "use_qalora": False,
    "use_rslora": False, "velora_config": None,
}  # fmt: skip
PLAIN = OTHER_KINDS | {
    "bias": "none", "corda_config": None, "ensure_weight_tying": False, "eva_config": None,
    "exclude_modules": None, "init_lora_weights": True, "layers_pattern": None,
    "layers_to_transform": None, "loftq_config": {}, "lora_ga_config": None,
    "megatron_config": None, "megatron_core": "megatron.core", "peft_type": "LORA",
    "qalora_group_size": 16,
}  # fmt: skip


class LoraWeights(nn.Module):
    """Hold the low-rank updates of an LLM's linear maps.

    Example:
        >>> lora = LoraWeights({"layers.0.q_proj": (torch.randn(2, 8), torch.zeros(8, 2))}, alpha=4)
        >>> lora.rank, lora.scaling, lora.names
        (2, 2.0, ('layers.0.q_proj',))
    """

    def __init__(
        self,
        updates: Mapping[str, tuple[Float[Tensor, "rank given"], Float[Tensor, "out rank"]]],
        *,
        alpha: float = 16,
        dropout: float = 0.0,
        targets: tuple[str, ...] | str = (),
        fan_in_fan_out: bool = False,
    ) -> None:
        """Hold updates.

        Args:
            updates: A and B of each linear map, by its full name in the LLM; all of one rank.
            alpha: scales the updates, over the rank.
            dropout: share of an update's inputs that training drops.
            targets: what PEFT's configuration names to find the maps; nothing for the full names.
            fan_in_fan_out: noted for PEFT where maps are stored transposed, as GPT-2's are.
        """
        super().__init__()
        self.names = tuple(updates)
        self.alpha, self.dropout = alpha, dropout
        self.targets = targets or self.names
        self.fan_in_fan_out = fan_in_fan_out
        # No parameter's name may have a dot in it.
        self.down = nn.ParameterDict({_slashed(name): _own(a) for name, (a, _) in updates.items()})
        self.up = nn.ParameterDict({_slashed(name): _own(b) for name, (_, b) in updates.items()})

    @classmethod
    def start(cls, config: LowRankConfig, llm: FrozenLLM, seed: int = 0) -> "LoraWeights":
        """Start as PEFT does: A Kaiming-uniform by a seed and B zero, so that nothing changes yet.

        Raises:
            ConfigError: for rank 0.
            ModelError: the LLM has no linear map of a name, or its family no default in PEFT.
        """
        if config.rank < 1:
            raise ConfigError(f"LoRA needs a rank of at least 1, got {config.rank}")
        linears = linear_maps(llm.model)
        targets = config.modules or family_targets(llm, linears)
        chosen = matching_maps(targets, linears, llm)
        generator = torch.Generator().manual_seed(seed)
        updates = {}
        for name in chosen:
            in_width, out_width = linears[name]
            down = torch.empty(config.rank, in_width)
            nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=generator)
            updates[name] = (down, torch.zeros(out_width, config.rank))
        return cls(
            updates,
            alpha=config.alpha,
            dropout=config.dropout,
            targets=targets,
            fan_in_fan_out=any(is_transposed(llm.model.get_submodule(name)) for name in chosen),
        )

    @property
    def rank(self) -> int:
        """Give the rank of every update."""
        return len(next(iter(self.down.values())))

    @property
    def scaling(self) -> float:
        """Give what every update is multiplied with."""
        return self.alpha / self.rank

    def hooks(self, llm: FrozenLLM) -> list[Hook]:
        """Give the hooks that add the updates to the LLM's linear maps, for `active`.

        Keys and values that were computed without them, or with other weights, are not the LLM's
        own any more. With gradient checkpointing they must still be active in the backward pass.

        Raises:
            ModelError: the LLM has no such linear map, or one of other widths.
        """
        hooks = []
        for name in self.names:
            key = _slashed(name)
            widths = (self.down[key].shape[1], len(self.up[key]))
            hooks.append(Hook(find_map(llm, name, widths), after=partial(self._add, key)))
        return hooks

    def _add(self, key: str, states: Tensor, output: Tensor) -> Tensor:
        # PEFT's types: the update and the sum in the type of LoRA's weights, the result as it was.
        down, up = self.down[key], self.up[key]
        states = nn.functional.dropout(states.to(down.dtype), self.dropout, self.training)
        update = nn.functional.linear(nn.functional.linear(states, down), up)
        return (output + update * self.scaling).to(output.dtype)

    def save_peft(self, folder: Path | str, llm_name: str) -> None:
        """Write PEFT's two files; see `write_peft_files`."""
        whole = float(self.alpha).is_integer()
        config = PLAIN | {
            "r": self.rank,
            # An integer wherever it is one, as PEFT declares it.
            "lora_alpha": int(self.alpha) if whole else self.alpha,
            "lora_dropout": self.dropout,
            "target_modules": self.targets,
            "fan_in_fan_out": self.fan_in_fan_out,
        }
        tensors = {
            f"base_model.model.{name}.lora_{part}.weight": weights[_slashed(name)]
            for name in self.names
            for part, weights in (("A", self.down), ("B", self.up))
        }
        write_peft_files(folder, llm_name, config, tensors)

    @classmethod
    def load_peft(cls, folder: Path | str) -> "LoraWeights":
        """Read PEFT's two files; no LLM is needed.

        Raises:
            ArtefactError: for a missing or broken file, another PEFT type, another kind of LoRA
                than the plain one, or tensors that are not pairs of one rank.
        """
        folder = Path(folder)
        config = read_peft_config(folder / CONFIG_FILE, "LORA", "LoRA")
        other = [name for name in OTHER_KINDS if config.get(name)]
        other += ["bias"] if config.get("bias", "none") != "none" else []
        if other:
            raise ArtefactError(
                f"{folder / CONFIG_FILE} sets {', '.join(other)}; only plain LoRA is read here: "
                "train it without, or merge it into the language model with PEFT"
            )
        updates = _pairs(folder / WEIGHTS_FILE)
        ranks = sorted({len(down) for down, _ in updates.values()})
        if ranks != [config.get("r")]:
            raise ArtefactError(
                f"{folder / WEIGHTS_FILE} holds updates of rank {ranks}, but {CONFIG_FILE} says "
                f"{config.get('r')}; take both files from one adapter"
            )
        return cls(
            updates,
            alpha=config.get("lora_alpha", 8),
            dropout=config.get("lora_dropout", 0.0),
            targets=_stored_targets(config),
            fan_in_fan_out=bool(config.get("fan_in_fan_out")),
        )


def _own(weights: Tensor) -> nn.Parameter:
    return nn.Parameter(weights.detach().clone().float())


def _slashed(name: str) -> str:
    return name.replace(".", "/")


def _pairs(path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in read_peft_tensors(path, "LoRA").items():
        match = KEY.fullmatch(key)
        if match is None or tensor.ndim != 2:
            raise ArtefactError(
                f"{path} holds {key} of shape {tuple(tensor.shape)}; expected matrices named "
                "base_model.model.<module>.lora_A.weight and lora_B.weight and nothing else"
            )
        parts.setdefault(match["module"], {})[match["part"]] = tensor
    if not parts:
        raise ArtefactError(f"{path} holds no tensor; copy the adapter again")
    for module, pair in parts.items():
        if set(pair) != {"A", "B"} or len(pair["A"]) != pair["B"].shape[1]:
            shapes = {part: tuple(tensor.shape) for part, tensor in sorted(pair.items())}
            raise ArtefactError(
                f"{path} holds {shapes} for {module}; expected A of (rank, in) and B of (out, rank)"
            )
    return {module: (pair["A"], pair["B"]) for module, pair in parts.items()}


def _stored_targets(config: Mapping[str, Any]) -> tuple[str, ...] | str:
    # Names that PEFT narrows down by layers, or leaves some out of, say less than the full ones.
    if config.get("layers_to_transform") is not None or config.get("exclude_modules"):
        return ()
    targets = config.get("target_modules") or ()
    return targets if isinstance(targets, str) else tuple(sorted(targets))
