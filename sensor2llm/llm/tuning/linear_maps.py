"""The linear maps of a language model: which there are, and which ones LoRA changes."""

import re
from collections.abc import Mapping

from torch import nn

from sensor2llm.errors import ModelError
from sensor2llm.llm.frozen import FrozenLLM


def linear_maps(model: nn.Module) -> dict[str, tuple[int, int]]:
    """List a model's linear maps by name, with the widths that they take and give.

    Quantised ones and GPT-2's transposed ones are among them.
    """
    widths = {}
    for name, module in model.named_modules():
        names = ("nx", "nf") if is_transposed(module) else ("in_features", "out_features")
        in_width, out_width = (getattr(module, attribute, None) for attribute in names)
        if isinstance(in_width, int) and isinstance(out_width, int):
            widths[name] = (in_width, out_width)
    return widths


def is_transposed(module: nn.Module) -> bool:
    """Say whether a linear map's weights are stored the other way round, as GPT-2's are."""
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf")


def family_targets(llm: FrozenLLM, linears: Mapping[str, tuple[int, int]]) -> tuple[str, ...] | str:
    """Give the names that PEFT changes by default in this LLM's family.

    Raises:
        ModelError: it has none.
    """
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as DEFAULTS

    family = llm.model.config.model_type
    if family not in DEFAULTS:
        raise ModelError(
            f"PEFT has no default LoRA modules for {llm.name} ({family}); name some of its linear "
            f"modules in lora modules: {_last_names(linears)}"
        )
    targets = DEFAULTS[family]
    return targets if isinstance(targets, str) else tuple(targets)


def matching_maps(
    targets: tuple[str, ...] | str, linears: Mapping[str, tuple[int, int]], llm: FrozenLLM
) -> list[str]:
    """Choose linear maps as PEFT does: by full name, by last names, or by one pattern.

    Raises:
        ModelError: the LLM has none of a name.
    """
    patterns = (
        (targets,) if isinstance(targets, str) else [rf"(.*\.)?{re.escape(t)}" for t in targets]
    )
    names = (targets,) if isinstance(targets, str) else targets
    for pattern, name in zip(patterns, names, strict=True):
        if not any(re.fullmatch(pattern, linear) for linear in linears):
            raise ModelError(
                f"LoRA was asked for '{name}', but {llm.name} ({llm.model.config.model_type}) has "
                f"no linear module of that name; name some of these in lora modules: "
                f"{_last_names(linears)}"
            )
    return [name for name in linears if any(re.fullmatch(p, name) for p in patterns)]


def _last_names(linears: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in linears))


def find_map(llm: FrozenLLM, name: str, widths: tuple[int, int]) -> nn.Module:
    """Find the linear map of this name and these widths.

    Raises:
        ModelError: the LLM has none.
    """
    try:
        module = llm.model.get_submodule(name)
    except AttributeError as error:
        raise ModelError(
            f"the adapter's LoRA changes {name}, which {llm.name} has not; load the language "
            "model that it was trained for"
        ) from error
    actual = linear_maps(module).get("")
    if actual != widths:
        raise ModelError(
            f"the adapter's LoRA changes {name} of widths {widths}, and {llm.name} has {actual} "
            "there; load the language model that it was trained for"
        )
    return module
