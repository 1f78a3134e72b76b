"""Memory that a large request took is given back to the system."""

import asyncio
import sys

import psutil
import pytest

from sensor2llm.serving import memory


def resident_mib() -> float:
    return psutil.Process().memory_info().rss / 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has to be told")
def test_what_is_free_is_given_back():
    held = [b"x" * 100_000 for _ in range(1000)]  # each too small to be a mapping of its own
    pins = held[::50]
    taken = resident_mib()
    del held
    memory.return_memory()
    assert taken - resident_mib() > 60
    assert len(pins) == 20


def test_it_is_given_back_again_and_again_until_the_server_ends(monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "EVERY_S", 0.01)
    monkeypatch.setattr(memory, "return_memory", lambda: calls.append(1))

    async def serve():
        task = asyncio.create_task(memory.keep_returning_memory())
        while len(calls) < 3:
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(serve())
    assert len(calls) >= 3


def test_elsewhere_there_is_nothing_to_do(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", None)
    memory.return_memory()
