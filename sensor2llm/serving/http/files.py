"""Uploaded files: in memory, or in a folder where one is named; each is deleted after a while.

A file is read through the library's own readers, which want a path: for as long as that takes, it
stands in a private folder of the machine's memory (`/dev/shm`), or of its temporary files.
"""

import json
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.errors import ConfigError, UserError
from sensor2llm.serving.http.api_error import ApiError

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet", ".pq", ".npz")
"""What may be uploaded. A description (.yaml) names other files, which no request may."""
_ID = re.compile(r"file-[0-9a-f]{24}")
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class UploadedFile:
    """Describe a file as OpenAI does."""

    id: str
    filename: str
    bytes: int
    created_at: int
    expires_at: int
    purpose: str

    def to_dict(self) -> dict[str, Any]:
        """Give the object that OpenAI's clients read."""
        return {"object": "file", "status": "processed", **asdict(self)}


class FileShelf:
    """Keep uploaded files for a while.

    Args:
        folder: where they are kept; in memory where None.
        seconds: after which each is deleted.
        most_bytes: of all together.
    """

    def __init__(self, folder: Path | None, seconds: float, most_bytes: int) -> None:
        self.folder, self.seconds, self.most_bytes = folder, seconds, most_bytes
        self._files: dict[str, UploadedFile] = {}
        self._contents: dict[str, bytes] = {}
        self._lock = threading.Lock()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            entries = map(_read_entry, folder.glob("file-*/file.json"))
            self._files = {entry.id: entry for entry in entries}
            _delete_cut_off(folder, time.time() - seconds)
        self.entries()

    def add(self, filename: str, content: bytes, purpose: str) -> UploadedFile:
        """Take a file.

        Raises:
            ApiError: it is empty or of another kind, or there is no room.
        """
        name = safe_name(filename)
        if not content:
            raise ApiError(f"{name} is empty; record it again", code="empty_file", param="file")
        with self._lock:
            self._forget()
            taken = sum(entry.bytes for entry in self._files.values())
            if taken + len(content) > self.most_bytes:
                raise ApiError(
                    f"there is no room for {len(content)} bytes: {taken} of {self.most_bytes} are "
                    "taken; delete files, or wait until they expire",
                    status=413,
                    code="no_room",
                    param="file",
                )
            now = int(time.time())
            times = {"created_at": now, "expires_at": now + round(self.seconds)}
            entry = UploadedFile(f"file-{secrets.token_hex(12)}", name, len(content),
                                 purpose=purpose, **times)  # fmt: skip
            self._write(entry, content)
            self._files[entry.id] = entry
        return entry

    def get(self, file_id: str) -> UploadedFile:
        """Find a file.

        Raises:
            ApiError: there is none of that id, or not any more.
        """
        with self._lock:
            return self._entry(file_id)

    def _entry(self, file_id: str) -> UploadedFile:
        self._forget()
        entry = self._files.get(file_id)
        if entry is None:
            raise ApiError(
                f"there is no file {file_id!r}; upload it (POST /v1/files), or again if it expired",
                status=404,
                code="no_such_file",
                param="file_id",
            )
        return entry

    def entries(self) -> list[UploadedFile]:
        """List the files that are there."""
        with self._lock:
            self._forget()
            return list(self._files.values())

    def delete(self, file_id: str) -> UploadedFile:
        """Delete a file; raises ApiError where there is none of that id."""
        with self._lock:
            entry = self._entry(file_id)
            self._remove(entry)
        return entry

    def content(self, file_id: str) -> bytes:
        """Give what a file holds; raises ApiError where there is none of that id."""
        with self._lock:
            entry = self._entry(file_id)
            if self.folder is None:
                return self._contents[file_id]
            return (self.folder / file_id / entry.filename).read_bytes()

    @contextmanager
    def reading(self, file_id: str) -> Iterator[Path]:
        """Give a path at which a file can be read for a while."""
        if self.folder is not None:
            try:
                yield self.folder / file_id / self.get(file_id).filename
            except (UserError, OSError):
                self.get(file_id)  # somebody may have deleted it meanwhile
                raise
            return
        name, content = self.get(file_id).filename, self.content(file_id)
        place = _MEMORY if _MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(prefix="sensor2llm-", dir=place) as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            yield path

    def _write(self, entry: UploadedFile, content: bytes) -> None:
        if self.folder is None:
            self._contents[entry.id] = content
            return
        place = self.folder / entry.id
        place.mkdir(mode=0o700)
        (place / entry.filename).write_bytes(content)
        # Last: what has no description was not taken whole.
        with replace_file(place / "file.json") as part:
            part.write_text(json.dumps(asdict(entry)), encoding="utf-8")

    def _forget(self) -> None:
        now = time.time()
        for entry in [one for one in self._files.values() if one.expires_at <= now]:
            self._remove(entry)

    def _remove(self, entry: UploadedFile) -> None:
        self._files.pop(entry.id, None)
        self._contents.pop(entry.id, None)
        if self.folder is not None and _ID.fullmatch(entry.id):
            shutil.rmtree(self.folder / entry.id, ignore_errors=True)


def _read_entry(path: Path) -> UploadedFile:
    """Read what describes a file; raises ConfigError for what no server wrote."""
    try:
        return UploadedFile(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} describes no uploaded file ({error}); delete its folder, or name another one"
        ) from None


def _delete_cut_off(folder: Path, before: float) -> None:
    """Delete what was left of uploads that were not taken whole."""
    for place in folder.glob("file-*"):
        cut_off = _ID.fullmatch(place.name) and not (place / "file.json").exists()
        if cut_off and place.stat().st_mtime < before:
            shutil.rmtree(place, ignore_errors=True)


def safe_name(filename: str) -> str:
    """Give a file's name without folders and odd letters; raises ApiError for another kind."""
    name = re.sub(r"[^\w.-]", "_", filename.replace("\\", "/").rsplit("/", 1)[-1], flags=re.ASCII)
    name = name[-80:].lstrip(".")
    if not name.endswith(SUFFIXES):
        what = name or "a file without a name"
        raise ApiError(
            f"cannot read {what}; upload a file in {', '.join(SUFFIXES)}",
            code="unknown_kind",
            param="file",
        )
    return name
