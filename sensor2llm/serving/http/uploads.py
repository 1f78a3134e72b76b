"""One file of a form, read into memory."""

from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from sensor2llm.serving.http.api_error import ApiError

MOST_FIELDS = 16


class FormUpload(NamedTuple):
    """Hold a form's file and its other fields."""

    filename: str
    content: bytes
    fields: dict[str, str]


async def read_upload(request: Request, most_bytes: int) -> FormUpload:
    """Read a form with one file called `file`.

    Raises:
        ApiError: it is no such form.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError(
            "expected multipart/form-data with a file and its purpose", status=415, param="file"
        )
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=MOST_FIELDS)
    # Above its size a file would be written to disk; the body's limit holds it in memory.
    parser.spool_max_size = most_bytes + 1
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        message = getattr(error, "message", None) or str(error)
        raise ApiError(f"the form cannot be read: {message}", code="bad_form") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ApiError("the form has no file; send one called 'file'", param="file")
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        return FormUpload(file.filename or "", await file.read(), fields)
    finally:
        await form.close()
