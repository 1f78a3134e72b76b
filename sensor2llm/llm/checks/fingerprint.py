"""Show that nobody changed a language model in memory: a hash of all that it computes with.

Tensors, settings of every module (an attention's scaling, a norm's epsilon, dropout switched on),
the configuration, and whatever acts in its forward from outside: hooks, replaced forwards.
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from sensor2llm.llm.checks.identity import UNRELATED, digest, hash_tensors

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
# transformers leaves them behind when hidden states are first asked for; they change nothing.
CAPTURING = "transformers.utils.output_capturing"
# Where a model lies, how it is trained, and what a library notes down in its first forward.
PASSING = {"name_or_path", "gradient_checkpointing", "compute_type_is_set"}
# PEFT's own switches; other private attributes are notes.
SWITCHES = {"_disable_adapters", "_active_adapter"}
# Rotary embeddings that make these anew from their settings as sequences grow and shrink.
ADAPTIVE = ("dynamic", "longrope")
REMADE = ("inv_freq", "max_seq_len_cached", "attention_scaling")


def fingerprint(model: nn.Module) -> str:
    """Hash a model in memory: equal before and after means that it computes the same.

    Names, types, shapes and bytes of every parameter and buffer count (quantisation states too;
    a tied tensor once), and what modules and configuration say in plain values.
    """
    tensors: dict[str, Tensor] = dict(model.named_parameters()) | dict(model.named_buffers())
    addresses = {tensor.data_ptr() for tensor in tensors.values()}
    for name, value in model.state_dict().items():
        if isinstance(value, Tensor) and value.data_ptr() not in addresses:
            tensors.setdefault(name, value)
    for name, module in model.named_modules():
        if _is_adaptive(module):
            tensors = _as_set(name, module, tensors)
    hashed = hash_tensors(
        (name, partial(_offloaded, model, name) if tensor.is_meta else partial(_itself, tensor))
        for name, tensor in tensors.items()
    )
    return digest([hashed, *_settings(model), *_hooks(model)])


def _settings(model: nn.Module) -> Iterator[str]:
    """Give every module's plain values, and the configuration that forwards read."""
    for name, module in model.named_modules():
        plain = {key: value for key, value in vars(module).items() if _counts(module, key, value)}
        yield f"{name} {type(module).__name__} {json.dumps(plain, sort_keys=True, default=str)}"
    config: Any = getattr(model, "config", None)
    if config is not None:
        stated = {k: v for k, v in config.to_dict().items() if k not in UNRELATED}
        yield json.dumps(stated, sort_keys=True, default=str)
        yield str(getattr(config, "_attn_implementation", None))


def _counts(module: nn.Module, name: str, value: Any) -> bool:
    if name in PASSING or (name.startswith("_") and name not in SWITCHES):
        return False
    return _is_plain(value) and not (name.endswith(REMADE) and _is_adaptive(module))


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _is_adaptive(module: nn.Module) -> bool:
    kind = str(vars(module).get("rope_type", ""))
    return any(word in kind for word in ADAPTIVE)


def _as_set(name: str, module: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put the frequencies that a rotary embedding starts from in place of the present ones."""
    own = dict(module.named_buffers(recurse=False))
    remade = {f"{name}.{key}" for key in own if key.endswith(REMADE)}
    started = {k: v for k, v in (vars(module) | own).items() if k.endswith("original_inv_freq")}
    stable = {key: value for key, value in tensors.items() if key not in remade}
    return stable | {f"{name}.{k}": v for k, v in started.items() if isinstance(v, Tensor)}


def _hooks(model: nn.Module) -> Iterator[str]:
    """Name what acts in a forward, or on its gradients, from outside."""
    everywhere = {kind: getattr(torch_module, f"_global{kind}", {}) for kind in HOOKS}
    yield from (f"everywhere {kind} {n}" for kind, hooks in everywhere.items() for n in _of(hooks))
    for name, module in model.named_modules():
        for kind in HOOKS:
            yield from (f"{name} {kind} {hook}" for hook in _of(getattr(module, kind)))
        if "forward" in vars(module):
            yield f"{name} forward {_name(vars(module)['forward'])}"


def _of(hooks: dict[int, Any]) -> list[str]:
    return [_name(h) for h in hooks.values() if getattr(h, "__module__", None) != CAPTURING]


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def _offloaded(model: nn.Module, name: str) -> Tensor:
    """Load a tensor that accelerate keeps elsewhere."""
    from accelerate.utils import align_module_device

    owner, _, own_name = name.rpartition(".")
    module = model.get_submodule(owner)
    with align_module_device(module, execution_device="cpu"):
        tensor: Tensor = getattr(module, own_name)
        return tensor


def _itself(tensor: Tensor) -> Tensor:
    return tensor
