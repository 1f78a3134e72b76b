"""Where a foundation encoder's weights lie: a folder, the hub, or the hub's cache."""

import hashlib
from pathlib import Path

from sensor2llm.artefacts.hub import offline_if_unreachable
from sensor2llm.artefacts.manifest import first_line, is_hub_name
from sensor2llm.encoders.foundation import SETTINGS, WEIGHTS
from sensor2llm.encoders.foundation.catalogue import Foundation
from sensor2llm.errors import ArtefactError

BLOCK_BYTES = 1 << 20


def find_weights(
    kind: str, foundation: Foundation, place: str | None, revision: str | None
) -> tuple[Path, str | None]:
    """Find the folder of a foundation encoder's files, and the hub's commit that they are of.

    Args:
        kind: the encoder's name, for errors.
        foundation: where its published weights lie.
        place: a folder or a hub name in place of those. A folder that is gone gives way to them.
        revision: the hub's branch, tag or commit; the newest where None.

    Raises:
        ArtefactError: the weights cannot be had; says what was tried and what to do.
    """
    folder = Path(place).expanduser() if place else None
    if folder is not None and folder.is_dir():
        if missing := [name for name in (SETTINGS, WEIGHTS) if not (folder / name).is_file()]:
            raise ArtefactError(
                f"the weights of the encoder {kind!r} in '{folder}' lack {' and '.join(missing)}; "
                "give the folder that the hub's files were saved in"
            )
        return folder.resolve(), None
    name = place if place and is_hub_name(place) else foundation.hub
    return _fetch(kind, name, revision, f"'{place}' is no folder; " if place else "")


def hash_weights(folder: Path) -> str:
    """Give the SHA-256 of both files: `cat config.json model.safetensors | sha256sum`."""
    digest = hashlib.sha256()
    for name in (SETTINGS, WEIGHTS):
        with (folder / name).open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _fetch(kind: str, name: str, revision: str | None, tried: str) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    at = f" at {revision}" if revision else ""
    try:
        with offline_if_unreachable():
            files = [SETTINGS, WEIGHTS]
            folder = Path(snapshot_download(name, revision=revision, allow_patterns=files))
    except LocalEntryNotFoundError:
        reason = "cannot be reached and its cache has them not"
    except (OSError, ValueError) as error:
        reason = f"does not give them ({first_line(error)})"
    else:
        if all((folder / file).is_file() for file in files):
            return folder, folder.name
        reason = "gives them only in part"
    raise ArtefactError(
        f"no weights of the encoder {kind!r}: {tried}the hub's {name}{at} {reason}; go online once "
        f"(without HF_HUB_OFFLINE), or set weights to a folder with its {SETTINGS} and {WEIGHTS}"
    )
