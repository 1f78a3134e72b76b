"""Compile what lies between a frozen LLM's matrix products, for training.

    compile_layers(llm.model, llm.device)
    loss.backward()                    the first step compiles, the others are faster

What torch compiles are the modules of a decoder layer that take hidden states alone (norms,
feed-forward). They know neither caches nor which layer they are in, so that one compilation serves
all layers, batch sizes and lengths, and takes a fraction of that of the whole model. What takes no
gradients (labelling, validation) runs as ever: there it does not pay.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from sensor2llm.errors import ConfigError, one_line
from sensor2llm.llm.tuning.hooks import decoder_layers

BACKEND = "inductor"
LONGEST_REASON = 90


def compile_layers(model: nn.Module, device: torch.device) -> None:
    """Let a model's layers compute by compiled code wherever gradients are taken.

    Raises:
        ConfigError: torch cannot compile on this machine: it has no compiler.
        ModelError: the model has no list of decoder layers.
    """
    modules = [part for layer in decoder_layers(model) for part in _parts(layer)]
    _try(device)
    for module in modules:
        compiled = torch.compile(module.forward, backend=BACKEND, dynamic=True)
        module.forward = _in_training(module.forward, compiled)


def _parts(layer: nn.Module) -> Iterator[nn.Module]:
    """Give a layer's modules that take hidden states alone; attention takes masks and caches."""
    modules = layer.children()
    return (m for m in modules if len(inspect.signature(m.forward).parameters) == 1)


def _in_training(plain: Callable[..., Any], compiled: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*inputs: Any, **named: Any) -> Any:
        return (compiled if torch.is_grad_enabled() else plain)(*inputs, **named)

    return forward


def _try(device: torch.device) -> None:
    """Compile next to nothing."""
    try:
        torch.compile(lambda x: x.sin() + 1, backend=BACKEND)(torch.ones(2, device=device))
    except Exception as error:  # whatever torch and its compilers raise means the same
        reason = one_line(error, LONGEST_REASON)
        raise ConfigError(
            f"torch cannot compile here ({type(error).__name__}: {reason}); install a C++ compiler "
            "(g++; for a GPU triton, too), or leave --compile out"
        ) from error
