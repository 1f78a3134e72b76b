"""The page's files, and what a browser may do with them: nothing but ask this server.

No file is made or fetched: uPlot's built file lies beside, with its licence.
"""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import Response

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


def add_page(app: FastAPI) -> None:
    """Serve the page's files."""
    assets = read_assets()

    @app.get(START)
    async def start() -> Response:
        return assets[START]

    @app.get(FOLDER + "{name:path}")
    async def asset(name: str) -> Response:
        if FOLDER + name not in assets:
            raise ApiError(f"the page has no file {name!r}", status=404, code="no_such_file")
        return assets[FOLDER + name]
