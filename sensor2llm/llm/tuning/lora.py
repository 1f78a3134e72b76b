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
from safetensors.torch import save_file
from torch import Tensor, nn

from sensor2llm.errors import ArtefactError, ConfigError, ModelError
from sensor2llm.llm.checkpoint import quiet
from sensor2llm.llm.config import LowRankConfig
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.llm.tuning.hooks import Hook
from sensor2llm.llm.tuning.peft_files import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    read_peft_config,
    read_peft_tensors,
)

KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<part>[AB])\.weight")
# PEFT's other kinds of LoRA compute something else, and not all of them show in the tensors.
OTHER_KINDS = (
    "use_dora", "use_rslora", "use_qalora", "use_bdlora", "lora_bias", "rank_pattern",
    "alpha_pattern", "modules_to_save", "layer_replication", "target_parameters",
    "trainable_token_indices", "alora_invocation_tokens", "arrow_config", "kasa_config",
    "velora_config", "monteclora_config",
)  # fmt: skip


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
        targets = config.modules or _family_targets(llm, linears)
        chosen = _matching(targets, linears, llm)
        generator = torch.Generator().manual_seed(seed)
        updates = {}
        for name in chosen:
            given, out = linears[name]
            down = torch.empty(config.rank, given)
            nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=generator)
            updates[name] = (down, torch.zeros(out, config.rank))
        return cls(
            updates,
            alpha=config.alpha,
            dropout=config.dropout,
            targets=targets,
            fan_in_fan_out=any(_transposed(llm.model.get_submodule(name)) for name in chosen),
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
            hooks.append(Hook(_linear(llm, name, widths), after=partial(self._add, key)))
        return hooks

    def _add(self, key: str, given: Tensor, output: Tensor) -> Tensor:
        # PEFT's types: the update and the sum in the type of LoRA's weights, the result as it was.
        down, up = self.down[key], self.up[key]
        given = nn.functional.dropout(given.to(down.dtype), self.dropout, self.training)
        update = nn.functional.linear(nn.functional.linear(given, down), up)
        return (output + update * self.scaling).to(output.dtype)

    def save_peft(self, folder: Path | str, llm_name: str) -> None:
        """Write PEFT's two files.

        Args:
            folder: where to; made if it is not there.
            llm_name: `bundled` or a hub name, never a path.
        """
        with quiet():
            from peft import LoraConfig

        whole = float(self.alpha).is_integer()
        targets = self.targets if isinstance(self.targets, str) else list(self.targets)
        config = LoraConfig(
            task_type="CAUSAL_LM",
            base_model_name_or_path=llm_name,
            inference_mode=True,
            r=self.rank,
            # An integer wherever it is one, as PEFT declares it.
            lora_alpha=int(self.alpha) if whole else self.alpha,
            lora_dropout=self.dropout,
            target_modules=targets,
            fan_in_fan_out=self.fan_in_fan_out,
        )
        # PEFT makes a set of a list, whose order changes from run to run.
        config.target_modules = targets
        config.save_pretrained(str(folder))
        tensors = {}
        for name in self.names:
            for part, weights in (("A", self.down), ("B", self.up)):
                tensor = weights[_slashed(name)].detach().cpu().contiguous()
                tensors[f"base_model.model.{name}.lora_{part}.weight"] = tensor
        save_file(tensors, Path(folder) / WEIGHTS_FILE, metadata={"format": "pt"})

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


def linear_maps(model: nn.Module) -> dict[str, tuple[int, int]]:
    """List a model's linear maps by name, with the widths that they take and give.

    Quantised ones and GPT-2's transposed ones are among them.
    """
    found = {}
    for name, module in model.named_modules():
        names = ("nx", "nf") if _transposed(module) else ("in_features", "out_features")
        given, out = (getattr(module, attribute, None) for attribute in names)
        if isinstance(given, int) and isinstance(out, int):
            found[name] = (given, out)
    return found


def _own(weights: Tensor) -> nn.Parameter:
    return nn.Parameter(weights.detach().clone().float())


def _slashed(name: str) -> str:
    return name.replace(".", "/")


def _transposed(module: nn.Module) -> bool:
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf")


def _family_targets(
    llm: FrozenLLM, linears: Mapping[str, tuple[int, int]]
) -> tuple[str, ...] | str:
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as DEFAULTS

    family = llm.model.config.model_type
    if family not in DEFAULTS:
        raise ModelError(
            f"PEFT has no default LoRA modules for {llm.name} ({family}); name some of its linear "
            f"modules in lora modules: {_last_names(linears)}"
        )
    found = DEFAULTS[family]
    return found if isinstance(found, str) else tuple(found)


def _matching(
    targets: tuple[str, ...] | str, linears: Mapping[str, tuple[int, int]], llm: FrozenLLM
) -> list[str]:
    """Choose linear maps as PEFT does: by full name, by last names, or by one pattern."""
    patterns = (
        (targets,) if isinstance(targets, str) else [rf"(.*\.)?{re.escape(t)}" for t in targets]
    )
    asked = (targets,) if isinstance(targets, str) else targets
    for pattern, name in zip(patterns, asked, strict=True):
        if not any(re.fullmatch(pattern, linear) for linear in linears):
            raise ModelError(
                f"LoRA was asked for '{name}', but {llm.name} ({llm.model.config.model_type}) has "
                f"no linear module of that name; name some of these in lora modules: "
                f"{_last_names(linears)}"
            )
    return [name for name in linears if any(re.fullmatch(p, name) for p in patterns)]


def _last_names(linears: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in linears))


def _linear(llm: FrozenLLM, name: str, widths: tuple[int, int]) -> nn.Module:
    try:
        module = llm.model.get_submodule(name)
    except AttributeError as error:
        raise ModelError(
            f"the adapter's LoRA changes {name}, which {llm.name} has not; load the language "
            "model that it was trained for"
        ) from error
    found = linear_maps(module).get("")
    if found != widths:
        raise ModelError(
            f"the adapter's LoRA changes {name} of widths {widths}, and {llm.name} has {found} "
            "there; load the language model that it was trained for"
        )
    return module


def _pairs(path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in read_peft_tensors(path, "LoRA").items():
        found = KEY.fullmatch(key)
        if found is None or tensor.ndim != 2:
            raise ArtefactError(
                f"{path} holds {key} of shape {tuple(tensor.shape)}; expected matrices named "
                "base_model.model.<module>.lora_A.weight and lora_B.weight and nothing else"
            )
        parts.setdefault(found["module"], {})[found["part"]] = tensor
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
