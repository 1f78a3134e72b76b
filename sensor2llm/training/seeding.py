"""Draws from torch's global generators by a seed, for what takes no generator of its own.

with seeded(0):
    head = torch.nn.Linear(8, 2)      the same weights each time; later draws are not touched
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch

_TURN = RLock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators for a while; afterwards they go on as if nothing was drawn.

    Initial weights and dropout draw from them whatever is passed along. Threads take turns; one
    that also waits for a language model's turn does so within.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with _TURN, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
