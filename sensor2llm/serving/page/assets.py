"""The page's files, and what a browser may do with them: nothing but ask this server.

No file is made or fetched: uPlot's built file lies beside, with its licence.
"""

import asyncio
import functools
from pathlib import Path

import numpy as np
import pyarrow as pa
from fastapi import FastAPI
from fastapi.responses import Response
from pyarrow import csv

from sensor2llm.datasets.simulation.phone import simulate_columns
from sensor2llm.serving.http.api_error import ApiError

STATIC = Path(__file__).parent / "static"
START, FOLDER = "/", "/page/"
"""Where the page is, and under what its other files are; none of them needs a key."""
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    "": "text/plain; charset=utf-8",
}
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "permissions-policy": "accelerometer=(self), gyroscope=(self), camera=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


def is_of_page(path: str) -> bool:
    """Say whether an address is one of the page's files."""
    return path == START or path.startswith(FOLDER)


def read_assets() -> dict[str, Response]:
    """Read the page's files, by their address."""
    files = [path for path in sorted(STATIC.rglob("*")) if path.is_file()]
    assets = {FOLDER + path.relative_to(STATIC).as_posix(): path for path in files}
    assets[START] = assets.pop(f"{FOLDER}index.html")
    return {
        address: Response(path.read_bytes(), media_type=KINDS[path.suffix], headers=HEADERS)
        for address, path in assets.items()
    }


@functools.cache
def example_csv() -> bytes:
    """Simulate a phone at the waist: somebody walks, stands and lies, 16 s each."""
    columns = simulate_columns("walking", "standing", "lying", bout_s=16)
    rounded = {name: np.asarray(values, np.float64).round(5) for name, values in columns.items()}
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.table(rounded), sink)
    return sink.getvalue().to_pybytes()


def add_page(app: FastAPI) -> None:
    """Serve the page's files, and a simulated recording to begin with."""
    assets = read_assets()

    @app.get(FOLDER + "simulated.csv")
    async def example() -> Response:
        content = await asyncio.to_thread(example_csv)
        return Response(content, media_type="text/csv", headers=HEADERS)

    @app.get(START)
    async def start() -> Response:
        return assets[START]

    @app.get(FOLDER + "{name:path}")
    async def asset(name: str) -> Response:
        if FOLDER + name not in assets:
            raise ApiError(f"the page has no file {name!r}", status=404, code="no_such_file")
        return assets[FOLDER + name]
