"""One thread computes: windows that wait are heard together, answers come between the batches.

    queue = BatchQueue(WorkerThread(), answerer, batch_size=64)
    heard = await queue.hear(windows)
    async for pieces in queue.stream(dialogue.stream(question)): ...

While a batch is computed, further windows wait and become the next one. It does not wait to fill:
it waits a moment for those who were answered together and ask again, and for nobody else. Requests
take turns in it, a window each, and what streams is taken up for a moment at a time: neither a long
recording nor a long answer holds anybody up.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sensor2llm.errors import UserError
from sensor2llm.signals.window import Window
from sensor2llm.tasks.dialogue.answerer import Answerer
from sensor2llm.tasks.dialogue.heard_window import HeardWindow

Result = TypeVar("Result")
_Waiting = tuple[Window, asyncio.Future[HeardWindow]]
PAUSE_S = 0.004
"""How long nobody may come while those are waited for who were answered together."""
MOMENT_S = 0.02
"""How long a stream holds the thread before others have their turn."""


class WorkerThread:
    """Do one thing after the other, in the order in which they came."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")

    async def do(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do some work and give what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def close(self) -> None:
        """End it once it has done what it was given."""
        self._pool.shutdown()


class BatchQueue:
    """Let one adapter hear the windows of many requests together.

    Args:
        thread: where it is computed, shared with other adapters.
        answerer: of the adapter.
        batch_size: windows a batch.
        on_batch: told how many windows each batch had.
    """

    def __init__(
        self,
        thread: WorkerThread,
        answerer: Answerer,
        batch_size: int = 64,
        on_batch: Callable[[int], object] = lambda windows: None,
    ) -> None:
        self._thread, self._answerer, self._size = thread, answerer, batch_size
        self._on_batch = on_batch
        self._waiting: deque[deque[_Waiting]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._last_requests, self._last_s = 0, 0.0

    async def hear(self, windows: Sequence[Window]) -> list[HeardWindow]:
        """Hear windows, in a batch with those of other requests.

        Raises:
            UserError: one of them cannot be heard; other requests do not notice.
        """
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in windows]
        if futures:
            self._waiting.append(deque(zip(windows, futures, strict=True)))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        return await asyncio.gather(*futures)

    async def stream(self, pieces: Iterator[str]) -> AsyncIterator[list[str]]:
        """Take an answer's pieces as they come, some at a time."""
        ended = False
        while not ended:
            some, ended = await self._thread.do(_take_some, pieces)
            yield some

    async def do(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Compute something else in the same thread."""
        return await self._thread.do(work, *arguments)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._gather(loop)
            self._last_requests, began_s = min(len(self._waiting), self._size), loop.time()
            batch = self._next_batch()
            if not batch:
                break
            results = await self._thread.do(self._hear, [window for window, _ in batch])
            self._last_s = loop.time() - began_s
            self._on_batch(len(batch))
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    async def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let those ask again who were answered together: a batch costs more than its windows.

        It ends where nobody came for a moment, or after as long as the last batch took.
        """
        before, until_s = 0, loop.time() + self._last_s
        while before < len(self._waiting) < self._last_requests and loop.time() < until_s:
            before = len(self._waiting)
            await asyncio.sleep(PAUSE_S)

    def _next_batch(self) -> list[_Waiting]:
        """Take a window of each request in turn; who is gone needs no answer."""
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self._size:
            request = self._waiting.popleft()
            window, future = request.popleft()
            if not future.done():
                batch.append((window, future))
            if request:
                self._waiting.append(request)
        return batch

    def _hear(self, windows: list[Window]) -> Sequence[HeardWindow | Exception]:
        """Hear a batch; where that fails, each window alone, so that only the wrong one fails."""
        try:
            return self._answerer.hear_all(windows)
        except Exception as error:
            if len(windows) == 1 or not isinstance(error, UserError):
                return [error] * len(windows)
            return [result for window in windows for result in self._hear([window])]


def _take_some(pieces: Iterator[str]) -> tuple[list[str], bool]:
    """Take pieces for a moment, one at least; say whether that was all."""
    until, some = time.monotonic() + MOMENT_S, []
    for piece in pieces:
        some.append(piece)
        if time.monotonic() > until:
            return some, False
    return some, True
