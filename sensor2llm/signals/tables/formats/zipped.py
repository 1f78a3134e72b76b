"""Tables in zip archives: `walks.zip`, or `walks.zip/*/acc.csv` for some of its files."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePath, PurePosixPath
from tempfile import TemporaryDirectory

from sensor2llm.errors import DataError, one_line
from sensor2llm.signals.tables.formats.kinds import READABLE, is_workbook
from sensor2llm.signals.tables.layout import EXPANSION, SMALLEST_BUDGET

_ZIP = ".zip"
_MOST_FILES = 100_000
_CHUNK = 1 << 20


def split_pattern(pattern: str) -> tuple[str, str]:
    """Split a pattern at the archive in it: what is on the disk, and what is in the archive."""
    parts = PurePath(pattern).parts
    for i, part in enumerate(parts):
        if part.lower().endswith(_ZIP):
            return str(PurePath(*parts[: i + 1])), "/".join(parts[i + 1 :])
    return pattern, ""


def members(path: Path, pattern: str) -> list[Path]:
    """Give the tables in an archive that fit a pattern, as paths below it; all where it is empty.

    Raises:
        DataError: For what is no archive.
    """
    if is_workbook(path):
        return [path]
    try:
        with zipfile.ZipFile(path) as stored:
            names = [info.filename for info in stored.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as a zip archive: {error}") from error
    if len(names) > _MOST_FILES:
        raise DataError(f"{path.name} holds {len(names)} files; at most {_MOST_FILES} are read")
    return sorted(path / name for name in names if _fits(name, pattern))


def _fits(name: str, pattern: str) -> bool:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or pure.parts[0] == "__MACOSX":
        return False
    if not pattern:
        return name.lower().endswith(READABLE)
    return fnmatch(name, pattern) or (pattern.startswith("**/") and fnmatch(name, pattern[3:]))


@contextmanager
def on_disk(path: Path) -> Iterator[Path]:
    """Give where a file's bytes lie: itself, or what is unpacked from the archive above it."""
    archive = next((above for above in path.parents if above.name.lower().endswith(_ZIP)), None)
    if archive is None or path.is_file() or not archive.is_file():
        yield path
        return
    with TemporaryDirectory(prefix="sensor2llm-") as folder:
        place = Path(folder) / path.name
        _unpack(archive, path.relative_to(archive).as_posix(), place)
        yield place


def _unpack(archive: Path, name: str, place: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as stored, place.open("wb") as out:
            info = stored.getinfo(name)
            most = max(SMALLEST_BUDGET, EXPANSION * info.compress_size)
            with stored.open(info) as stream:
                while chunk := stream.read(_CHUNK):
                    out.write(chunk)
                    if out.tell() > most:
                        raise DataError(
                            f"{archive.name}: {name} unpacks to more than {EXPANSION} times its "
                            f"size ({most >> 20} MB); unpack it yourself if that is right"
                        )
    except DataError:
        raise
    except Exception as error:
        # Broken archives make the decompressors raise whatever there is.
        raise DataError(
            f"{archive.name}: {name} cannot be unpacked: {one_line(error, 150)}"
        ) from error
