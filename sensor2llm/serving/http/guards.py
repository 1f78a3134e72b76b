"""What stands before every route: the key, the size of a body, how many requests there are."""

import asyncio
import hmac
import time
from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sensor2llm.serving.http.api_error import ApiError, as_api_error, too_slow
from sensor2llm.serving.http.config import ServerConfig
from sensor2llm.serving.http.metrics import ServerMetrics
from sensor2llm.serving.page.assets import is_of_page

OPEN = ("/health",)
"""Paths that need no key, beside the page's files."""
QUIET = (*OPEN, "/metrics")
"""Paths that neither wait nor are counted among what waits, beside the page's files."""


class Guards:
    """Let a request through to the app, or answer why not; count what was answered.

    Args:
        app: what answers.
        config: limits.
        keys: one of which a request must bring; none where nobody is asked for one.
        metrics: where it is counted.
    """

    def __init__(
        self, app: ASGIApp, config: ServerConfig, keys: Sequence[str], metrics: ServerMetrics
    ) -> None:
        self.app, self.config, self.metrics = app, config, metrics
        self._keys, self._running = [key.encode() for key in keys], 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._running += 1
        self.metrics.running.set(self._running)
        try:
            self._check(scope)
            await self.app(scope, self._limited(receive), watched)
        except Exception as error:
            if status:
                raise
            await as_api_error(error).response()(scope, receive, watched)
        finally:
            self._running -= 1
            self.metrics.running.set(self._running)
            # By the route's own path: addresses that people make up are without number.
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(route, status).inc()
            self.metrics.seconds.labels(route).observe(time.monotonic() - started)

    def _check(self, scope: Scope) -> None:
        headers, of_page = dict(scope["headers"]), is_of_page(scope["path"])
        if self._keys and not of_page and scope["path"] not in OPEN:
            self._check_key(headers.get(b"authorization", b""))
        if self._running > self.config.queue and not of_page and scope["path"] not in QUIET:
            raise ApiError(
                f"{self.config.queue} requests wait already; try again in a moment",
                status=503,
                code="overloaded",
                headers={"retry-after": "1"},
            )
        if (coding := headers.get(b"content-encoding", b"")).lower() not in (b"", b"identity"):
            raise ApiError(
                f"cannot read a body in {coding.decode('latin-1')!r}; send it as it is, without "
                "content-encoding",
                status=415,
                code="unknown_kind",
            )
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.config.body_bytes:
            raise self._too_large()

    def _check_key(self, authorization: bytes) -> None:
        kind, _, key = authorization.partition(b" ")
        right = [hmac.compare_digest(key.strip(), one) for one in self._keys]
        if kind.lower() != b"bearer" or not any(right):
            raise ApiError(
                "this server wants an API key of its own: send Authorization: Bearer KEY",
                status=401,
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )

    def _limited(self, receive: Receive) -> Receive:
        """Stop to read where a body without a stated length grows too large, or does not come."""
        taken, whole = 0, False
        until_s = asyncio.get_running_loop().time() + self.config.body_s

        async def limited() -> Any:
            nonlocal taken, whole
            if whole:  # what is waited for is that the client goes away
                return await receive()
            try:
                async with asyncio.timeout_at(until_s):
                    message = await receive()
            except TimeoutError:
                raise too_slow(self.config.body_s) from None
            taken, whole = taken + len(message.get("body", b"")), not message.get("more_body")
            if taken > self.config.body_bytes:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> ApiError:
        return ApiError(
            f"the request is larger than {self.config.body_mb:g} MB; send it in pieces, or label "
            "the file with `sensor2llm classify`",
            status=413,
            code="too_large",
        )
