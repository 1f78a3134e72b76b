"""HTTP as httptools reads it, which takes a quarter of h11's time; what is no body has a limit.

    uvicorn.Config(app, http=LimitedHttp)

Unlike h11, httptools collects a head, and what follows a body's last chunk, without end.
"""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sensor2llm.serving.http.api_error import ApiError

MOST_HEAD = 64 * 1024
"""Bytes of a request's address and headers, and of what comes while no request goes on by it."""
_LENGTHS = (b"content-length", b"transfer-encoding")


class LimitedHttp(HttpToolsProtocol):
    """Speak HTTP over one connection; a head that is too large is refused, and ends it."""

    _in_head = _goes_on = False
    _stalled_bytes = 0
    _refusal: ApiError | None = None

    def data_received(self, data: bytes) -> None:
        """Take bytes: a request goes on by them, or they are counted."""
        self._goes_on = False
        super().data_received(data)
        self._stalled_bytes = 0 if self._goes_on else self._stalled_bytes + len(data)
        if self._stalled_bytes > MOST_HEAD and not self.transport.is_closing():
            self._refuse(_too_large())

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

    def _refuse(self, error: ApiError) -> None:
        """Answer, and close."""
        answer = error.response()
        phrase = HTTPStatus(error.status).phrase.encode()
        lines = [b"HTTP/1.1 %d %s" % (error.status, phrase), b"connection: close"]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()


def _too_large() -> ApiError:
    return ApiError(
        f"a request's address and headers may have {MOST_HEAD // 1024} KiB; send what is larger "
        "in the body",
        status=431,
        code="too_large",
    )
