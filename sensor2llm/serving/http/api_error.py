"""Errors as OpenAI's clients read them: one object that says what was wrong and where."""

import json
import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from sensor2llm.errors import UserError, one_line

logger = logging.getLogger(__name__)


class JSONBody(Response):
    """Write JSON that every client reads: ASCII, no NaN, whatever a text holds."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Write a value."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


class ApiError(Exception):
    """Raise for a request that cannot be answered.

    Args:
        message: what was given, what was expected, what to do.
        status: of HTTP.
        code: a word for programs.
        param: the request's field.
        headers: that go with the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(one_line(message))
        self.status, self.code, self.param, self.headers = status, code, param, headers

    def to_dict(self) -> dict[str, Any]:
        """Give the object that OpenAI's clients read."""
        kinds = {401: "authentication_error", 429: "rate_limit_error", 503: "server_error"}
        kind = kinds.get(self.status, "server_error" if self.status == 500 else "")
        fields = {"type": kind or "invalid_request_error", "param": self.param, "code": self.code}
        return {"error": {"message": str(self), **fields}}

    def response(self) -> Response:
        """Give the answer."""
        return JSONBody(self.to_dict(), self.status, self.headers)


def too_slow(seconds: float) -> ApiError:
    """Refuse a request whose head or body takes longer."""
    return ApiError(
        f"the request did not arrive within {seconds:g} s; send it in pieces, or over a faster "
        "network",
        status=408,
        code="too_slow",
    )


def as_api_error(error: Exception) -> ApiError:
    """Say in OpenAI's words what went wrong; what is nobody's input is logged with its place."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ValidationError):
        return _of_validation(error)
    if isinstance(error, UserError):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
        return ApiError(str(error), code=name)
    if isinstance(error, HTTPException):
        headers = dict(error.headers) if error.headers else None
        return ApiError(str(error.detail), status=error.status_code, headers=headers)
    if isinstance(error, ClientDisconnect):
        return ApiError("the client went away", code="client_disconnected")
    logger.error("a request met a bug", exc_info=error)
    return ApiError("the server met a bug; its log says where", status=500, code="internal_error")


def _of_validation(error: ValidationError) -> ApiError:
    """Name the field that cannot be, the deepest of several, and how many more there are."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    deepest, more = max(errors, key=lambda one: len(one["loc"])), len(errors) - 1
    # Among a field's types the one that fits best is no part of its name.
    place = ".".join(str(word) for word in deepest["loc"] if "[" not in str(word))
    text = f"{place}: {deepest['msg']}" if place else deepest["msg"]
    return ApiError(text + f" (and {more} more)" * bool(more), code="invalid_value",
                    param=place or None)  # fmt: skip


def _of_address(request: Request, error: HTTPException) -> ApiError:
    """Say which address is none, or what it takes."""
    method, path, headers = request.method, request.url.path, dict(error.headers or {})
    text = f"there is no {path} here; /openapi.json lists what there is"
    if error.status_code == 405:
        text = f"{path} takes {headers.get('Allow', 'other methods')}, got {method}"
    return ApiError(text, status=error.status_code, code="no_such_address", headers=headers)


def handle_errors(app: FastAPI) -> None:
    """Let every error of a route become OpenAI's object."""

    async def handle(request: Request, error: Exception) -> Response:
        return as_api_error(error).response()

    async def handle_address(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _of_address(request, error).response()

    for kind in (ApiError, UserError, ValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
    for status in (404, 405):
        app.add_exception_handler(status, handle_address)
