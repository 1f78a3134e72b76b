"""Label a whole recording: JSON, CSV or Parquet in, JSON or CSV out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from fastapi import Request
from fastapi.responses import Response
from pyarrow import csv
from pydantic import BaseModel, Field

from sensor2llm.archive.labelling import LabelRows
from sensor2llm.errors import ConfigError
from sensor2llm.serving.heard_signals import outline_windows
from sensor2llm.serving.http.api_error import ApiError, JSONBody
from sensor2llm.serving.http.bodies import read_json, read_upload
from sensor2llm.serving.http.files import FileShelf
from sensor2llm.serving.http.host import ModelHost
from sensor2llm.serving.http.sensor_part import (
    RecordingWindows,
    SensorData,
    read_ready,
    read_recording,
)
from sensor2llm.tasks.dialogue.heard_window import HeardWindow

KINDS = {
    "text/csv": "recording.csv",
    "text/tab-separated-values": "recording.tsv",
    "application/vnd.apache.parquet": "recording.parquet",
    "application/x-parquet": "recording.parquet",
}
"""Bodies that are a file, and what messages call it."""


FEW = 16
"""Windows of which others do not notice while their rows are written."""
Points = Annotated[int, Field(ge=0, le=10_000)]
"""Of each channel, with which the answer outlines what was heard; 0 for none."""


class ClassifyRequest(SensorData):
    """Describe what is to be labelled, by which adapter, and how it is to be cut."""

    model: str | None = None
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.0
    signals: Points = 0


class ClassifyQuery(BaseModel):
    """Hold what stands in the address where the body is a file."""

    model: str | None = None
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rate_hz: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    units: str | None = None
    signals: Points = 0


async def read_classify_request(
    request: Request, body_bytes: int
) -> tuple[ClassifyRequest, FileShelf | None]:
    """Read what is to be labelled; a file in the body comes with a shelf of its own.

    Raises:
        ApiError: the body is of a kind that is not read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        upload = await read_upload(request, body_bytes)
        name, content, fields = upload.filename, upload.content, upload.fields
    elif kind in KINDS:
        name, content, fields = KINDS[kind], await request.body(), {}
    elif kind in ("application/json", ""):
        return await read_json(request, ClassifyRequest), None
    else:
        raise ApiError(
            f"cannot read a body of {kind!r}; send application/json, multipart/form-data, or one "
            f"of {', '.join(KINDS)}",
            status=415,
            code="unknown_kind",
        )
    query = ClassifyQuery.model_validate({**dict(request.query_params), **fields})
    shelf = FileShelf(None, 3600, max(1, len(content)))
    entry = shelf.add(name, content, "classify")
    return ClassifyRequest(file_id=entry.id, **query.model_dump()), shelf


async def label_recording(
    host: ModelHost, wanted: ClassifyRequest, shelf: FileShelf, most: int, *, as_csv: bool
) -> Response:
    """Label all windows of a recording, and write a row a window.

    Raises:
        UserError: the recording cannot be read, or the adapter says no labels.
    """
    if not host.served.answerer.labels:
        raise ConfigError("this adapter says no labels; take another")
    if wanted.signals and wanted.overlap:
        raise ConfigError("signals are outlined where windows do not overlap; leave one out")
    spec = host.served.spec
    read = None if wanted.overlap else read_ready(wanted, spec)
    if read is None:
        read = await asyncio.to_thread(read_recording, wanted, spec, shelf, most, wanted.overlap)
    heard = await host.queue.hear(read.windows)

    def write() -> Response:
        rows = _rows(host, read, heard)
        return _labels_csv(rows, read) if as_csv else _labels_json(host, wanted, rows, read)

    return write() if len(heard) <= FEW else await asyncio.to_thread(write)


def _rows(
    host: ModelHost, read: RecordingWindows, heard: Sequence[HeardWindow]
) -> list[dict[str, Any]]:
    """Give a row a window; what of them is unlike training goes to the notes."""
    labels = LabelRows(host.served.model, host.served.abstain)
    labels.judge.add([one.window for one in heard], [one.unlike_score for one in heard])
    verdict = labels.judge.verdict()
    read.notes.extend(verdict.lines(read.name))
    return list(labels.rows([one.prediction for one in heard if one.prediction], verdict))


def wants_csv(request: Request) -> bool:
    """Say whether the labels are to come as CSV: by `?format=csv`, or by the Accept header.

    Raises:
        ApiError: they are to come as something else.
    """
    wanted = request.query_params.get("format", "")
    if wanted not in ("", "json", "csv"):
        raise ApiError(f"unknown format {wanted!r}; choose from json, csv", param="format")
    return wanted == "csv" or (
        not wanted and request.headers.get("accept", "").startswith("text/csv")
    )


def _labels_json(
    host: ModelHost, wanted: ClassifyRequest, rows: list[dict[str, Any]], read: RecordingWindows
) -> Response:
    """Write a row a window, what became of the recording's rows, and an outline of the signals."""
    plain = {"object": "classification", "model": host.served.name, "windows": rows,
             "ledger": read.ledger.to_dict(), "notes": read.notes}  # fmt: skip
    if wanted.signals:
        plain["signals"] = outline_windows(read.windows, host.served.spec, wanted.signals)
    return JSONBody(plain)


def _labels_csv(rows: list[dict[str, Any]], read: RecordingWindows) -> Response:
    """Write a row a window as CSV."""
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.Table.from_pylist(rows), sink)
    name = f"{Path(read.name).stem.replace(' ', '_')}_labels.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(sink.getvalue().to_pybytes(), media_type="text/csv", headers=headers)
