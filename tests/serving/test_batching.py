"""One thread hears the windows of many requests together, and answers between the batches."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from sensor2llm.errors import SpecError
from sensor2llm.serving.http import batching
from sensor2llm.serving.http.application import create_app
from sensor2llm.serving.http.batching import BatchQueue, WorkerThread
from sensor2llm.serving.http.config import ServerConfig
from sensor2llm.tasks.dialogue.answerer import Answerer
from tests.models import small_model, windows
from tests.serving import served


@pytest.fixture
def thread():
    worker = WorkerThread()
    yield worker
    worker.close()


class SlowAnswerer(Answerer):
    """Hear as usual, and tell of each batch; a batch takes a moment."""

    def __init__(self, model):
        super().__init__(model)
        self.batches, self.threads = [], set()

    def hear_all(self, batch):
        self.batches.append(len(batch))
        self.threads.add(threading.current_thread().name)
        time.sleep(0.05)
        return super().hear_all(batch)


@pytest.fixture(scope="module")
def answerer():
    return SlowAnswerer(small_model())


def test_what_waits_meanwhile_is_the_next_batch(thread, answerer):
    answerer.batches.clear()
    batch, sizes = windows(16), []
    queue = BatchQueue(thread, answerer, 8, sizes.append)

    async def ask_all():
        first = asyncio.ensure_future(queue.hear(batch[:1]))
        await asyncio.sleep(0.01)
        rest = [queue.hear([window]) for window in batch[1:]]
        return [await first, *await asyncio.gather(*rest)]

    heard = asyncio.run(ask_all())
    assert answerer.batches == sizes == [1, 8, 7]
    assert answerer.threads == {"model_0"}
    for (one,), window in zip(heard, batch, strict=True):
        assert one.window.signals == window.signals
        alone = answerer.hear(window).prediction.probabilities
        assert one.prediction.probabilities == pytest.approx(alone, abs=1e-5)


def test_who_was_answered_together_is_waited_for(thread, answerer, monkeypatch):
    monkeypatch.setattr(batching, "PAUSE_S", 0.3)
    monkeypatch.setattr(answerer, "hear_all", lambda batch: time.sleep(1) or batch)
    sizes = []
    queue = BatchQueue(thread, answerer, 8, sizes.append)

    async def ask(number, window):
        await asyncio.sleep(0.02 * number)
        await queue.hear([window])

    async def ask_all(*numbers):
        await asyncio.gather(*(ask(number, windows(1)[0]) for number in numbers))

    async def ask_twice():
        await ask_all(0, 0, 0)
        await ask_all(0, 1, 2)
        await ask_all(0, 1)

    asyncio.run(ask_twice())
    assert sizes == [3, 3, 2]


def test_a_client_alone_waits_for_nobody(thread, answerer, monkeypatch):
    monkeypatch.setattr(batching, "PAUSE_S", 1000)
    sizes = []
    queue = BatchQueue(thread, answerer, 4, sizes.append)

    async def ask_all():
        for count in (1, 1, 8, 1):
            await queue.hear(windows(count))

    asyncio.run(asyncio.wait_for(ask_all(), 100))
    assert sizes == [1, 1, 4, 4, 1]


def test_a_long_recording_holds_nobody_up(thread, answerer):
    queue, ended = BatchQueue(thread, answerer, 4), []

    async def ask(name, count):
        await queue.hear(windows(count))
        ended.append(name)

    async def ask_all():
        await asyncio.gather(ask("long", 16), ask("short", 2), ask("none", 0))

    answerer.batches.clear()
    asyncio.run(ask_all())
    assert ended == ["none", "short", "long"]
    assert answerer.batches == [4, 4, 4, 4, 2]


def test_one_wrong_window_fails_alone(thread, answerer):
    good = windows(3)
    wrong = replace(good[0], signals={"legs": good[0].signals["accel"]})
    queue = BatchQueue(thread, answerer, 8)

    async def ask_all():
        requests = (queue.hear([window]) for window in (good[0], wrong, good[1]))
        return await asyncio.gather(*requests, return_exceptions=True)

    first, second, third = asyncio.run(ask_all())
    assert first[0].prediction.probabilities
    assert third[0].prediction.probabilities
    assert isinstance(second, SpecError)
    assert "unknown modality 'legs'" in str(second)


def test_who_is_gone_is_not_heard(thread, answerer):
    answerer.batches.clear()
    queue = BatchQueue(thread, answerer, 8)

    async def leave():
        first = asyncio.ensure_future(queue.hear(windows(1)))
        second = asyncio.ensure_future(queue.hear(windows(4)))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        return await second

    assert len(asyncio.run(leave())) == 4
    assert sum(answerer.batches) == 4


def test_long_answers_take_turns(thread, answerer):
    turns = []

    def talk(name):
        for piece in range(4):
            time.sleep(0.03)
            turns.append(name)
            yield f"{name}{piece} "

    queue = BatchQueue(thread, answerer, 8)

    async def listen(name):
        return "".join([piece async for some in queue.stream(talk(name)) for piece in some])

    async def both():
        return await asyncio.gather(listen("a"), listen("b"))

    assert asyncio.run(both()) == ["a0 a1 a2 a3 ", "b0 b1 b2 b3 "]
    assert turns == ["a", "b"] * 4


def test_an_error_of_a_stream_reaches_who_listens(thread, answerer):
    def talk():
        yield "one"
        raise SpecError("no more")

    async def listen():
        return [some async for some in BatchQueue(thread, answerer).stream(talk())]

    with pytest.raises(SpecError, match="no more"):
        asyncio.run(listen())


def test_a_server_is_warm_before_it_answers(monkeypatch):
    heard, answerer = [], served.models()[served.ADAPTER].answerer
    hear_all = answerer.hear_all
    monkeypatch.setattr(answerer, "hear_all", lambda some: heard.append(hear_all(some)))
    app = create_app(served.models(), ServerConfig(batch_size=8), warm_up=True)
    with TestClient(app) as client:
        assert client.get("/health").status_code == 200
        (batch,) = heard
    assert len(batch) == 8
    assert all(one.prediction for one in batch)
