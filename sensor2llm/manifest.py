"""The manifest of an artefact's folder: what it is, of which format, and what it says of itself."""

import json
from pathlib import Path
from typing import Any

from sensor2llm.errors import ArtefactError, ConfigError

MANIFEST = "sensor2llm.json"
FORMAT_VERSION = 1


def read_manifest(folder: Path, kind: str, verb: str) -> dict[str, Any]:
    """Read a folder's manifest.

    Args:
        folder: an artefact.
        kind: what it must be: adapter or encoder.
        verb: what makes one.

    Raises:
        ArtefactError: there is none, or it is of another kind or format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtefactError(
            f"'{folder}' is no {kind} (no {MANIFEST} in it); make one with "
            f"`python -m sensor2llm.{verb}`"
        )
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found, version = manifest["kind"], manifest["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"'{path}' is broken ({first_line(error)})") from error
    if (found, version) != (kind, FORMAT_VERSION):
        raise ArtefactError(
            f"'{folder}' holds kind {found!r} of format {version}, expected {kind!r} of format "
            f"{FORMAT_VERSION}; use the release of sensor2llm that wrote it"
        )
    return manifest


def check_out(folder: Path, kind: str) -> None:
    """Refuse, before any work, to write an artefact over something else.

    Args:
        folder: where it is to go; free, empty, or of the same kind.
        kind: adapter or encoder.

    Raises:
        ConfigError: other things are there, or an artefact of another kind.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found != kind:
        raise ConfigError(
            f"'{folder}' exists and is no {kind}; move it away or choose another --out"
        )


def first_line(error: BaseException) -> str:
    """Give what an error says, in one line."""
    return (str(error) or type(error).__name__).splitlines()[0]
