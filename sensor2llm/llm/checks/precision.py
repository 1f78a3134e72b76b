"""Compute a 16-bit model in float32 for a while, where rounding would hide what is compared."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sensor2llm.errors import ModelError
from sensor2llm.llm.tuning.hooks import decoder_layers, input_device

PLAIN = (torch.float32, torch.float16, torch.bfloat16)


@contextmanager
def in_float32(model: nn.Module) -> Iterator[bool]:
    """Compute in float32 for a while; yields whether all weights are, quantised ones are not.

    A decoder layer is converted while it runs, so that a large model needs little more memory. The
    tensors themselves are put back.
    """
    # A training step may compute in 16 bits whatever the weights are.
    with torch.autocast(input_device(model).type, enabled=False), _float32(model) as exact:
        yield exact


@contextmanager
def _float32(model: nn.Module) -> Iterator[bool]:
    tensors = list(_tensors(model))
    if all(tensor.dtype == torch.float32 for tensor in tensors):
        yield True
        return
    # What is offloaded is loaded anew for each layer that runs, in its own type.
    if any(parameter.dtype not in PLAIN or parameter.is_meta for parameter in model.parameters()):
        yield False
        return
    try:
        layers = decoder_layers(model)
    except ModelError:
        layers = []
    inside = {id(tensor) for layer in layers for tensor in _tensors(layer)}
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_converted_while_run(layer))
        stack.enter_context(_converted(t for t in tensors if id(t) not in inside))
        yield True


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            yield tensor


@contextmanager
def _converted(tensors: Iterable[Tensor]) -> Iterator[None]:
    stored = [(tensor, tensor.data) for tensor in tensors]
    try:
        for tensor, data in stored:
            tensor.data = data.float()
        yield
    finally:
        for tensor, data in stored:
            tensor.data = data


@contextmanager
def _converted_while_run(layer: nn.Module) -> Iterator[None]:
    running = ExitStack()

    def convert(*_: Any) -> None:
        running.enter_context(_converted(_tensors(layer)))

    def restore(*_: Any) -> None:
        running.close()

    before = layer.register_forward_pre_hook(convert)
    # First of its hooks: what was converted last is put back first.
    after = layer.register_forward_hook(restore, always_call=True, prepend=True)
    try:
        yield
    finally:
        before.remove()
        after.remove()
        running.close()
