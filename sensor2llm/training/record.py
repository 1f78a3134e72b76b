"""Records of a run: metrics as JSON lines, versions, atomic files."""

import contextlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from sensor2llm.artefacts.atomic_write import names_full_disk, replace_file

RECORDED = ("sensor2llm", "torch", "transformers", "peft", "accelerate", "numpy", "scikit-learn")


def versions() -> dict[str, str]:
    """Give the versions of Python and of the packages that a result depends on."""
    installed = {"python": platform.python_version()}
    for name in RECORDED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that a reader sees the old file or the whole new one, never a part."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one, never a part."""
    with replace_file(path) as part:
        part.write_bytes(content)


class MetricsFile:
    """A JSON-lines file of metrics, one object a line, in step order.

    Args:
        path: of the file.
        lines: those of a run that is gone on with, up to its checkpoint; none else.
    """

    def __init__(self, path: Path, lines: Iterable[Mapping[str, float]] = ()):
        self.path = path
        write_bytes(path, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line."""
        full = names_full_disk(self.path, self.path)
        with full, self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    @staticmethod
    def read(path: Path) -> Iterator[dict[str, float]]:
        """Yield the lines; a last line cut short by a kill is left out."""
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                yield json.loads(line)
