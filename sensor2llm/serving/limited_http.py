"""HTTP as httptools reads it, which takes a quarter of h11's time; what is no body has a limit.

    uvicorn.Config(app, http=limited_http(head_s=120.0))

Unlike h11, httptools collects a head, and what follows a body's last chunk, without end. uvicorn
waits for a head without end.
"""

from asyncio import TimerHandle, Transport
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sensor2llm.serving.http.api_error import ApiError, too_slow

MOST_HEAD = 64 * 1024
"""Bytes of a request's address and headers, and of what comes while no request goes on by it."""
_LENGTHS = (b"content-length", b"transfer-encoding")


class LimitedHttp(HttpToolsProtocol):
    """Speak HTTP over one connection; a head that is too large or slow is refused, and ends it."""

    head_s: float
    """Seconds that a head may take to arrive, from the first byte that no request goes on by."""
    _in_head = _goes_on = False
    _stalled_bytes = 0
    _refusal: ApiError | None = None
    _timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes: a request goes on by them, or they are counted."""
        self._goes_on = False
        super().data_received(data)
        self._stalled_bytes = 0 if self._goes_on else self._stalled_bytes + len(data)
        if self._stalled_bytes > MOST_HEAD and not self.transport.is_closing():
            self._refuse(_too_large())
        elif self._timer is None and (self._in_head or not self._answers):
            self._start_timer()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; one that follows the body is no part of the head, and nobody reads it."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, where the head can be."""
        self._in_head, self._goes_on = False, True
        self._stop_timer()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MOST_HEAD:
            self._refusal = _too_large()
        elif self.parser.should_upgrade() and any(name in _LENGTHS for name, _ in self.headers):
            # What follows is then no body to httptools.
            self._refusal = ApiError(
                "this server speaks HTTP/1.1 only; send the request without an upgrade header",
                code="upgrade",
            )
        if self._refusal:
            raise self._refusal  # ends the parsing
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._goes_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._goes_on = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in words of our own where there are some."""
        if self._refusal:
            self._refuse(self._refusal)
        else:
            super().send_400_response(msg)

    @property
    def _answers(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_s, self._end_wait)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_wait(self) -> None:
        """Close, with an answer where a head has begun; an answer that is under way comes first."""
        if self._answers:
            self._start_timer()
        elif self._in_head and not self.transport.is_closing():
            self._refuse(too_slow(self.head_s))
        else:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        """Answer, and close."""
        answer = error.response()
        phrase = HTTPStatus(error.status).phrase.encode()
        lines = [b"HTTP/1.1 %d %s" % (error.status, phrase), b"connection: close"]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()


def limited_http(head_s: float) -> type[LimitedHttp]:
    """Give the protocol with a limit of time."""

    class TimedHttp(LimitedHttp):
        pass

    TimedHttp.head_s = head_s
    return TimedHttp


def _too_large() -> ApiError:
    return ApiError(
        f"a request's address and headers may have {MOST_HEAD // 1024} KiB; send what is larger "
        "in the body",
        status=431,
        code="too_large",
    )
