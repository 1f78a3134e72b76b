"""Reach into a frozen LLM's layers from outside: hooks that are there during one call only.

    with active([Hook(layer, before=change)]):
        logits = llm.model(inputs_embeds=vectors).logits

The model object is never changed: several adapters may share it, its tensors hash to the same
fingerprint, and nothing of a family's code is copied. What acts in it for a while acts for whoever
runs it, so threads take turns (`turn`).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sensor2llm.errors import ModelError

Change = Callable[[Tensor], Tensor]
Correct = Callable[[Tensor, Tensor], Tensor]
Lock = AbstractContextManager[object]
_TURNS: WeakKeyDictionary[nn.Module, Lock] = WeakKeyDictionary()


def turn(model: nn.Module) -> Lock:
    """Give the lock that a thread holds while something acts inside a model for its own forward."""
    return _TURNS.setdefault(model, RLock())


@dataclass(frozen=True)
class Hook:
    """Say what happens at one module of the LLM: a decoder layer or a linear map.

    `before` gives the module's first input (its hidden states) anew, `after` its output, from its
    first input and its output.
    """

    module: nn.Module
    before: Change | None = None
    after: Correct | None = None


@contextmanager
def active(hooks: Iterable[Hook]) -> Iterator[None]:
    """Let hooks act for a while; they are taken off again whatever happens.

    Where decoder layers are checkpointed, hooks at modules inside them must stay on until the
    backward pass is over, because it runs the layers once more; hooks at the layers need not.
    """
    with ExitStack() as stack:
        for hook in hooks:
            if hook.before is not None:
                handle = hook.module.register_forward_pre_hook(
                    _before(hook.before), with_kwargs=True
                )
                stack.callback(handle.remove)
            if hook.after is not None:
                handle = hook.module.register_forward_hook(_after(hook.after), with_kwargs=True)
                stack.callback(handle.remove)
        yield


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """Find an LLM's decoder layers, first to last, whatever its family calls them.

    Raises:
        ModelError: no list of modules is as long as the configuration says.
    """
    config: Any = getattr(model, "config", None)
    count = getattr(config.get_text_config(), "num_hidden_layers", None) if config else None
    # The tower that sees pictures may have as many layers as the decoder that speaks.
    decoder = model.get_decoder() if isinstance(model, PreTrainedModel) else model
    for module in decoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return list(module)
    raise ModelError(
        f"{type(model).__name__} has no list of {count} decoder layers to reach into; "
        "use a bridge that gives signal tokens"
    )


def input_device(model: Any) -> torch.device:
    """Give the device on which a model computes its first layers, wherever its weights lie."""
    embeddings = model.get_input_embeddings()
    # accelerate's: weights that are offloaded are nowhere until they are run.
    device = getattr(getattr(embeddings, "_hf_hook", None), "execution_device", None)
    return embeddings.weight.device if device is None else torch.device(device)


def _before(change: Change) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    def hook(
        module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if inputs:
            return (change(inputs[0]), *inputs[1:]), named
        name = _first(named)
        return inputs, {**named, name: change(named[name])}

    return hook


def _after(correct: Correct) -> Callable[..., Tensor]:
    def hook(
        module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Tensor
    ) -> Tensor:
        return correct(inputs[0] if inputs else named[_first(named)], output)

    return hook


def _first(named: dict[str, Any]) -> str:
    """Say under which name a decoder layer, or a linear map, got its input."""
    return "hidden_states" if "hidden_states" in named else next(iter(named))


def check_recomputable(model: Any, name: str) -> None:
    """Raise ModelError where a model has no list of decoder layers to recompute."""
    try:
        decoder_layers(model)
    except ModelError as error:
        raise ModelError(
            f"{name} ({type(model).__name__}) has no list of decoder layers to recompute; train "
            "without llm_checkpointing"
        ) from error
