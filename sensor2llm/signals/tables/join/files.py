"""The files that a description names: on the disk, or in zip archives."""

from pathlib import Path

from sensor2llm.errors import DataError, listed
from sensor2llm.signals.tables.description import Table
from sensor2llm.signals.tables.formats.zipped import members, split_pattern


def find_files(table: Table) -> list[Path]:
    """List the files that the description names, sorted; `**` stands for any folders.

    A file in a zip archive is a path below the archive's.
    """
    files: dict[Path, None] = {}
    for pattern in table.files:
        # An absolute pattern is looked for from the root of its disk.
        root = Path(Path(pattern).anchor or table.root or ".")
        outer, inner = split_pattern(pattern)
        try:
            fits = root.glob(str(Path(outer).relative_to(Path(outer).anchor)))
            paths = sorted(path for path in fits if path.is_file())
        except (ValueError, IndexError, NotImplementedError, OSError):
            paths = []
        if outer.lower().endswith(".zip"):
            paths = [member for path in paths for member in members(path, inner)]
        if not paths:
            raise DataError(
                f"no file fits {listed([pattern])!r} in {root}; mend 'files', or put the "
                "description beside them"
            )
        files |= dict.fromkeys(paths)
    return list(files)
