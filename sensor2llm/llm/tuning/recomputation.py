"""Recompute decoder layers in the backward pass, so that training holds their inputs alone.

    with recomputed(llm.model, hooks):
        logits = llm.model(inputs_embeds=vectors).logits
    logits.sum().backward()

What transformers has for this acts in train mode only, where some families' dropout would act too,
and takes cached keys and values away. Here the LLM stays in eval mode, a cached or learned prefix
stays where it is, and the model is as it was once the forward is over.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import Cache

from sensor2llm.llm.tuning.hooks import Hook, Lock, active, decoder_layers, turn

Forward = Callable[..., Any]


@contextmanager
def recomputed(model: nn.Module, hooks: Iterable[Hook] = ()) -> Iterator[None]:
    """Checkpoint decoder layers for a while, and let hooks act there and in the backward pass.

    A layer holds what it is given and nothing else. Hooks at modules inside one act each time that
    it is computed; what those at a layer itself compute, before it, is held.
    """
    outside = list(hooks)
    with ExitStack() as stack:
        for layer in decoder_layers(model):
            within = set(layer.modules()) - {layer}
            inside = [hook for hook in outside if hook.module in within]
            outside = [hook for hook in outside if hook.module not in within]
            stack.enter_context(replaced(layer, _checkpointed(layer.forward, inside, turn(model))))
        stack.enter_context(active(outside))
        yield


def _checkpointed(forward: Forward, hooks: Sequence[Hook], alone: Lock) -> Forward:
    def compute(*inputs: Any, **named: Any) -> Any:
        own = [_own_copy(value) for value in inputs]
        with alone, active(hooks):
            return forward(*own, **{name: _own_copy(value) for name, value in named.items()})

    def run(*inputs: Any, **named: Any) -> Any:
        return checkpoint(partial(compute, **named), *inputs, use_reentrant=False)

    return run


def _own_copy(value: Any) -> Any:
    """Give a cache that a layer may append to once more; its tensors are not copied."""
    if not isinstance(value, Cache):
        return value
    cache = copy(value)
    cache.layers = [copy(layer) for layer in value.layers]
    return cache


@contextmanager
def replaced(module: nn.Module, forward: Forward) -> Iterator[None]:
    """Let a module compute by another function for a while."""
    before = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        if before is None:
            del module.forward
        else:
            module.forward = before
