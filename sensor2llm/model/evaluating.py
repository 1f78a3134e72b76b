"""Evaluation mode for a while, for however many threads ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from torch import nn

_SWITCHING = Lock()
_INSIDE: WeakKeyDictionary[nn.Module, tuple[int, bool]] = WeakKeyDictionary()


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Switch dropout and gradients off; of several threads the last one switches back."""
    with _SWITCHING:
        threads, training = _INSIDE.get(module, (0, module.training))
        _INSIDE[module] = threads + 1, training
        module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        with _SWITCHING:
            threads, training = _INSIDE.pop(module)
            if threads > 1:
                _INSIDE[module] = threads - 1, training
            else:
                module.train(training)
