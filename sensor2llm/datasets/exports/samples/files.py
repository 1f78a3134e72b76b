"""The files of an export, in a folder or a .zip, and whose they are.

A person is named by the first folder (or .zip) below `--from`; files that lie in `--from` itself
are a person each where a file is a recording, or one person, named like `--from`.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import BadZipFile, ZipFile

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.ledger.ledger import Ledger

_BROKEN = (BadZipFile, zlib.error, EOFError, NotImplementedError)


@dataclass(frozen=True, kw_only=True)
class ExportFile:
    """Name one file of an export: a file on the disk, or an entry of a zip."""

    person: str
    name: str
    """Its path within the export, with slashes; a zip in a folder counts as one."""
    path: Path
    """The file, or the zip that holds it."""
    entry: str | None = None

    @property
    def stem(self) -> str:
        """Give the file's own name, without its folders and its last suffix."""
        return PurePosixPath(self.name).stem

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the file for reading bytes.

        Raises:
            DataError: For a zip that is damaged or encrypted.
        """
        try:
            if self.entry is None:
                with self.path.open("rb") as stream:
                    yield stream
                return
            with ZipFile(self.path) as archive:
                if archive.getinfo(self.entry).flag_bits & 1:
                    raise DataError(
                        f"{self.path.name} is encrypted; unpack it, and give the folder"
                    )
                with archive.open(self.entry) as stream:
                    yield stream
        except _BROKEN as error:
            raise DataError(f"{self.path.name} is damaged ({error}); export it again") from error

    def head(self, size: int = 4096) -> str:
        """Give the file's beginning as text."""
        with self.open() as stream:
            return stream.read(size).decode("utf-8-sig", errors="replace")

    def sibling(self, name: str) -> "ExportFile | None":
        """Give the file `name` beside this one, or None."""
        path = str(PurePosixPath(self.name).parent / name)
        if self.entry is None:
            beside = ExportFile(person=self.person, name=path, path=self.path.parent / name)
            return beside if beside.path.is_file() else None
        entry = str(PurePosixPath(self.entry).parent / name)
        with ZipFile(self.path) as archive:
            there = entry in archive.namelist()
        return (
            ExportFile(person=self.person, name=path, path=self.path, entry=entry)
            if there
            else None
        )


def find_files(
    root: Path,
    wanted: Callable[[str], bool],
    expected: str,
    ledger: Ledger,
    *,
    by_file: bool,
    folders: Sequence[str] = (),
    labels: Path | None = None,
) -> list[ExportFile]:
    """List the files of an export that are wanted, in order of people and names.

    Args:
        root: A file, a .zip or a folder of such.
        wanted: Says by its path in lower case whether a file is read.
        expected: What an export holds, for the message.
        ledger: Counts the files that are read, and those that are not.
        by_file: Whether a file is a recording, and names a person where no folder does.
        folders: Names of folders that every such export has; they name nobody.
        labels: The table of labels, which may lie among them.

    Raises:
        DataError: If there is no such file.
    """
    files = [file for file in _all_files(root, by_file, folders) if not _is_clutter(file.name)]
    files = [file for file in files if labels is None or not _is_same(file.path, labels)]
    those = [file for file in files if wanted(file.name.lower())]
    ledger.read("files", len(files))
    ledger.keep("files", len(those))
    ledger.drop("files", len(files) - len(those), "of kinds that are not read")
    if not those:
        names = f"; it holds {listed((file.name for file in files), 4)}" if files else ""
        raise DataError(f"{root} has no {expected}{names}")
    return sorted(those, key=lambda file: (file.person, file.name))


def _is_same(path: Path, other: Path) -> bool:
    return path.name == other.name and path.resolve() == other.resolve()


def _is_clutter(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _all_files(root: Path, by_file: bool, folders: Sequence[str]) -> Iterator[ExportFile]:
    if root.is_file():
        is_zip = root.suffix.lower() == ".zip"
        yield from _one(root, root.stem, "" if is_zip else root.name)
        return
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root)
        above = [part for part in name.parts[:-1] if part not in folders]
        own = by_file or path.suffix.lower() == ".zip"
        person = above[0] if above else (path.stem if own else root.resolve().name)
        yield from _one(path, person, name.as_posix())


def _one(path: Path, person: str, name: str) -> Iterator[ExportFile]:
    if path.suffix.lower() != ".zip":
        yield ExportFile(person=person, name=name, path=path)
        return
    try:
        with ZipFile(path) as archive:
            entries = [info.filename for info in archive.infolist() if not info.is_dir()]
    except _BROKEN as error:
        raise DataError(
            f"{path.name} is no zip that can be read ({error}); export it again"
        ) from error
    for entry in entries:
        inside = f"{name}/{entry}" if name else entry
        yield ExportFile(person=person, name=inside, path=path, entry=entry)
