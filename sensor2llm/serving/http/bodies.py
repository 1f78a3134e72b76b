"""Bodies of requests: JSON, or a form with one file, read into memory."""

import asyncio
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from pydantic import BaseModel
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from sensor2llm.serving.http.api_error import ApiError

LARGE = 64 * 1024
"""Bytes of JSON above which others are served while it is read."""
MOST_FIELDS = 16
Body = TypeVar("Body", bound=BaseModel)


class FormUpload(NamedTuple):
    """Hold a form's file and its other fields."""

    filename: str
    content: bytes
    fields: dict[str, str]


async def read_json(request: Request, kind: type[Body]) -> Body:
    """Read a JSON body."""
    body = await request.body()
    if len(body) > LARGE:
        return await asyncio.to_thread(kind.model_validate_json, body)
    return kind.model_validate_json(body)


async def read_upload(request: Request, most_bytes: int) -> FormUpload:
    """Read a form with one file called `file`.

    Raises:
        ApiError: it is no such form.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise ApiError(
            "expected multipart/form-data with a file and its purpose", status=415, param="file"
        )
    if not (boundary := options.get(b"boundary")):
        raise _bad_form("its content-type names no boundary")
    files, fields = await asyncio.to_thread(_parse, await request.body(), boundary, most_bytes)
    named = [file for file in files if file.field_name == b"file"]
    if len(named) != 1 or len(files) != 1:
        raise ApiError(f"the form has {len(files)} files; send one called 'file'", param="file")
    file = named[0].file_object
    file.seek(0)
    filename = (named[0].file_name or b"").decode("utf-8", "replace")
    return FormUpload(filename, file.read(), {_text(f.field_name): _text(f.value) for f in fields})


def _parse(body: bytes, boundary: bytes, most_bytes: int) -> tuple[list[Any], list[Any]]:
    """Give the files and the other fields of a form."""
    files: list[Any] = []
    fields: list[Any] = []

    def take(field: Any) -> None:
        fields.append(field)
        if len(fields) > MOST_FIELDS:
            raise FormParserError(f"it has more than {MOST_FIELDS} fields")

    # Above its size in memory a file would be written to disk.
    limits = {"MAX_MEMORY_FILE_SIZE": most_bytes + 1}
    kind = "multipart/form-data"
    try:
        parser = FormParser(kind, take, files.append, boundary=boundary, config=limits)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise _bad_form(str(error)) from None
    return files, fields


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _bad_form(why: str) -> ApiError:
    return ApiError(f"the form cannot be read: {why}", code="bad_form", param="file")
