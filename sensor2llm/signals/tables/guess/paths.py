"""Which files belong together and whose they are, guessed from their names and folders."""

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.tables.description import Rule
from sensor2llm.signals.tables.file_facts import of_path
from sensor2llm.signals.tables.formats.kinds import READABLE
from sensor2llm.signals.tables.formats.zipped import members

_END = r"(?:[^0-9A-Za-z]|$)"
# How people are called in names, the surest first.
_PEOPLE = (
    r"(sub-[0-9A-Za-z]+)",
    r"(?i)((?:participant|subject|person|user|patient|proband|subj|pid)[-_ ]?[0-9]+)",
    rf"(?:^|[^A-Za-z])([PpSsUu][0-9]{{1,4}}){_END}",
)
_FOLDER, _PREFIX, _STEM = r"^([^.]+)$", r"^([0-9A-Za-z]+)[_-]", r"^([^.]+)[.]"
PLACES = r"(?i)(left|right|wrist|chest|ankle|hip|waist|thigh|arm|head|back|phone|watch|pocket)"
_MOST_FILES = 10_000


class PersonGuess(NamedTuple):
    """Say whose files they are, how sure that is, and why."""

    rule: Rule
    sure: bool
    why: str


def list_files(inputs: Sequence[Path]) -> list[Path]:
    """List the tables among files and folders, those of zip archives as paths below them.

    Raises:
        DataError: for what does not exist, and where there is no table.
    """
    paths: list[Path] = []
    for path in inputs:
        if not path.exists():
            raise DataError(f"{path} does not exist")
        inside = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
        for file in sorted(inside):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.name.lower().endswith(".zip"):
                paths += members(file, "")
            elif not hidden and (file.name.lower().endswith(READABLE) or file == path):
                paths.append(file)
    if not paths or len(paths) > _MOST_FILES:
        raise DataError(
            f"{len(paths)} tables in {inputs[0]}; give 1 to {_MOST_FILES} files, or their folder "
            f"({', '.join(READABLE[:5])}, .parquet, .npz, .xlsx, ...)"
        )
    return list(dict.fromkeys(paths))


def guess_person(paths: Sequence[Path], root: Path, *, alone: bool = False) -> PersonGuess:
    """Guess the person from names of files and folders below `root`.

    `alone` says that each file is another device's: their names are no people.
    """
    # As `prepare` sees them: below the description's folder, wherever the terminal stands.
    paths, root = [path.resolve() for path in paths], root.resolve()
    for pattern in _PEOPLE:
        if people := people_of(("file", pattern), paths, root):
            return PersonGuess(("file", pattern), True, f"names hold {_few(people)}")
    names = [path.name for path in paths]
    folders = people_of(("file", _FOLDER), paths, root)
    if folders and len(set(folders)) > 1 and len(set(names)) < len(names):
        return PersonGuess(("file", _FOLDER), True, f"a folder a person: {_few(folders)}")
    prefixes = people_of(("file", _PREFIX), paths, root)
    if prefixes and 1 < len(set(prefixes)) < len(paths):
        return PersonGuess(("file", _PREFIX), False, f"names begin with {_few(prefixes)}")
    if len(paths) > 1 and not alone and (stems := people_of(("file", _STEM), paths, root)):
        return PersonGuess(("file", _STEM), False, f"a file a person: {_few(stems)}")
    return PersonGuess(("value", "me"), False, "nothing says who was recorded")


def people_of(rule: Rule, paths: Sequence[Path], root: Path) -> list[str]:
    """Give the person of each file, none where a name does not say it."""
    try:
        return [of_path(rule, root, path, "subject") for path in paths]
    except (DataError, SpecError):
        return []


def patterns(paths: Sequence[Path], others: Sequence[Path], root: Path) -> list[str]:
    """Give few patterns that fit these files and none of the others."""
    names = [_below(path, root) for path in paths]
    if len(names) == 1 or len({name.startswith("/") for name in names}) > 1:
        return [glob.escape(name) for name in names]
    ending = _common_end([name.rpartition("/")[2] for name in names])
    folder = os.path.commonpath([name.rpartition("/")[0] or "." for name in names])
    middle = "**/" if any(name.count("/") != names[0].count("/") for name in names) else ""
    middle = middle or "*/" * (
        names[0].count("/") - (0 if folder in ("", ".") else folder.count("/") + 1)
    )
    above = "" if folder in ("", ".") else f"{glob.escape(folder)}/"
    whole = f"{above}{middle}*{glob.escape(ending)}"
    if not any(fnmatch(_below(path, root), whole.replace("**/", "*")) for path in others):
        return [whole]
    return [glob.escape(name) for name in names]


def _below(path: Path, root: Path) -> str:
    """Write a path as a description beside it would."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _common_end(names: Sequence[str]) -> str:
    """Give the end that all names share, from a mark on: a part of a word is none."""
    shortest = min(names, key=len)
    ends = [shortest[i:] for i in range(len(shortest)) if not shortest[i].isalnum() or i == 0]
    return next((end for end in ends if all(name.endswith(end) for name in names)), "")


def _few(people: Sequence[str]) -> str:
    some = list(dict.fromkeys(people))
    return ", ".join(some[:4]) + (", ..." if len(some) > 4 else "")
