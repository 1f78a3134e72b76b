"""The Hugging Face hub, where there is no connection: an answer at once, not after many tries."""

import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ANSWERS_WITHIN_S = 4.0
# What is found out holds for a minute: several files are fetched one after the other.
REMEMBERED_S = 60


@contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """Let what is fetched come from the cache alone while the hub does not answer.

    Libraries try several times for each file, for minutes in all. Where HF_HUB_OFFLINE is set,
    nothing is tried.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers(int(time.monotonic() // REMEMBERED_S))
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@functools.lru_cache(maxsize=1)
def _answers(minute: int) -> bool:
    """Say whether the hub answers anything; a name that is not resolved knows no time limit."""
    answered = threading.Event()

    def ask() -> None:
        from huggingface_hub import constants, get_session

        # Which errors there are depends on the library below, which has changed before.
        with suppress(Exception):
            get_session().head(constants.ENDPOINT, timeout=ANSWERS_WITHIN_S)
            answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWERS_WITHIN_S)
    return answered.is_set()
