"""Write files and folders so that a kill at any moment leaves the old ones or the new, whole.

    with replace_folder(out) as part: ...          a folder that is ours takes `out`'s place
    with update_folder(out) as part: ...           files that go together into a folder of others
    with replace_file(out / "x.json") as part: ...
    with sole_writer(run): ...                     one process at a time; the lock dies with it

All is written beside the target and onto the disk before it takes its place. A folder is swapped
in one step where system and file system can (Linux, macOS). Else, and for files among others, the
new files are first gathered in `TARGET/.replacing`, by one rename, and then moved: where a kill
comes in between, the next who opens or writes TARGET moves the rest (`repair`). What dead writers
left is cleared by the next writer.
"""

import errno
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from sensor2llm.artefacts import disk
from sensor2llm.errors import ArtefactError, DiskFullError

LOCK, PART = ".lock", ".part"
READY, REMOVED = ".replacing", ".removed"
OTHER_OUT = "choose another --out"
WAIT_S = 5.0
"""How long to wait for another writer's last step, which takes a moment."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
logger = logging.getLogger(__name__)


@contextmanager
def sole_writer(target: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a target's lock, which a killed process loses; clear what dead writers left.

    Args:
        target: a file or folder, there or not. May be held already by this process.
        wait_s: how long to wait for another process that holds it.

    Raises:
        ArtefactError: another process holds it.
    """
    path = target.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    place = _beside(path, LOCK)
    lock = FileLock(place, thread_local=False, is_singleton=True)
    _acquire(lock, target, wait_s)
    try:
        if lock.lock_counter <= 1:
            shutil.rmtree(_beside(path, PART), ignore_errors=True)
            _move_ready(path)
        yield
    finally:
        if lock.lock_counter == 1 and os.name == "posix":
            place.unlink(missing_ok=True)  # whoever opened it meanwhile sees that it is gone
        lock.release()


@contextmanager
def replace_folder(
    target: Path, carried: Callable[[str], bool] = lambda _name: False, instead: str = OTHER_OUT
) -> Iterator[Path]:
    """Give an empty folder that takes `target`'s place in one step when the block ends well.

    Args:
        target: a folder of ours, there or not.
        carried: whether an entry of the old folder, by its name, goes into the new one too, where
            the block wrote none of that name.
        instead: what a person can do where the disk is full, but making room.

    Raises:
        ArtefactError: another process is writing it, or it is a file.
        DiskFullError: naming path and size; the old folder stands unchanged, as after any error.
    """
    with _new_folder(target, instead) as part:
        yield part
        disk.sync_files(part)
        path = target.resolve()
        if not path.exists():
            _rename(part, path)
            return
        if part.parent != path and not _is_working_folder(path):
            _carry(path, part, carried)
            if _swap(part, path):
                return
        old = [p.name for p in path.iterdir() if p.name not in (LOCK, PART)]
        _move(part, path, [n for n in old if not (carried(n) or (part / n).exists())])


@contextmanager
def update_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder whose files go into `target` together when the block ends well.

    Raises: as `replace_folder`.
    """
    with _new_folder(target) as part:
        yield part
        disk.sync_files(part)
        path = target.resolve()
        if path.exists():
            _move(part, path)
        else:
            _rename(part, path)


@contextmanager
def replace_file(path: Path, part: Path | None = None) -> Iterator[Path]:
    """Give the path of a new file that takes `path`'s place when the block ends well.

    Args:
        path: the file, there or not; its folder is made.
        part: where the new file is written, in the same folder; `path` + ".part" where None.

    Raises:
        DiskFullError: naming path and size; the old file stands unchanged, as after any error.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part or path.with_name(path.name + PART)
    try:
        with names_full_disk(path, part):
            yield part
            disk.sync(part)
            part.replace(path)
            disk.sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def repair(folder: Path) -> None:
    """Finish what a killed writer had begun to move into a folder; a live one does it itself."""
    if (folder / READY).is_dir():
        with suppress(ArtefactError, OSError), sole_writer(folder):
            pass


@contextmanager
def names_full_disk(target: Path, part: Path, instead: str = OTHER_OUT) -> Iterator[None]:
    """Say of a full disk which path and size it was too small for.

    Args:
        target: what is named.
        part: the file or folder that is written in its place, or itself.
        instead: what a person can do but making room.

    Raises:
        DiskFullError: in place of what a library raises.
    """
    try:
        yield
    except Exception as error:
        place = part if part.exists() else part.parent
        free = shutil.disk_usage(place).free
        if not _is_full(error, free):
            raise
        files = [p for p in (part, *part.rglob("*")) if p.is_file()]
        room = free + sum(p.stat().st_size for p in files)
        raise DiskFullError(
            f"No space left on device for '{target}': it needs more than the {room / 1e6:.1f} MB "
            f"that were free; make room there, or {instead}"
        ) from error


@contextmanager
def _new_folder(target: Path, instead: str = OTHER_OUT) -> Iterator[Path]:
    """Give an empty folder beside the target; its files are on the disk after the block."""
    path = target.resolve()
    if path.is_file():
        raise ArtefactError(f"'{target}' is a file, expected a folder; choose another --out")
    with sole_writer(target, WAIT_S):
        part = _beside(path, PART)
        part.mkdir()
        try:
            with names_full_disk(target, part, instead):
                yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _acquire(lock: BaseFileLock, target: Path, wait_s: float) -> None:
    """Take a lock; where the file system has none, say so and go on without."""
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise ArtefactError(
            f"another process is writing '{target}'; wait until it has ended, or choose another "
            "--out"
        ) from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        logger.warning(
            "the file system of '%s' has no locks: let one process at a time write there", target
        )


def _beside(path: Path, end: str) -> Path:
    """Give a name beside the target; within it where it is a mount, or its parent is read-only."""
    if path.is_dir() and (os.path.ismount(path) or not os.access(path.parent, os.W_OK)):
        return path / end
    return path.with_name(f".{path.name}{end}")


def _rename(part: Path, path: Path) -> None:
    disk.sync_folders(part)
    part.rename(path)
    disk.sync(path.parent)


def _swap(part: Path, path: Path) -> bool:
    """Exchange two folders; False where the system cannot."""
    disk.sync_folders(part)
    swapped = disk.exchange(os.fsencode(part), os.fsencode(path))
    disk.sync(path.parent)
    return swapped


def _is_working_folder(path: Path) -> bool:
    """Say whether somebody works in a folder: after a swap it would be one that is gone."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return False
    return path in (here, *here.parents)


def _move(part: Path, path: Path, removed: list[str] | None = None) -> None:
    """Give a folder new files: all are decided on by one rename, and then moved."""
    if removed:
        (part / REMOVED).write_text(json.dumps(removed), encoding="utf-8")
        disk.sync(part / REMOVED)
    _rename(part, path / READY)
    _move_ready(path)


def _move_ready(path: Path) -> None:
    """Move what is ready; done again after a kill, it does what is left."""
    ready = path / READY
    if not ready.is_dir():
        return
    listed = ready / REMOVED
    if listed.is_file():
        for name in json.loads(listed.read_text(encoding="utf-8")):
            _remove(path / name)
        listed.unlink()
    for new in ready.iterdir():
        if new.is_dir() or (path / new.name).is_dir():
            _remove(path / new.name)
        new.replace(path / new.name)
        _remove(new)  # two names of one file: renaming one to the other leaves both
    disk.sync(path)
    ready.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _carry(old: Path, new: Path, carried: Callable[[str], bool]) -> None:
    """Link what goes along into the new folder, which gets the old one's mode too."""

    def left(folder: str, names: list[str]) -> set[str]:
        top = folder == str(old)
        return {n for n in names if top and ((new / n).exists() or not carried(n))}

    shutil.copytree(old, new, symlinks=True, ignore=left, copy_function=_link, dirs_exist_ok=True)


def _link(old: str, new: str) -> None:
    try:
        os.link(old, new)
    except OSError:  # a file system without links, or a file of somebody else
        shutil.copy2(old, new)
        disk.sync(Path(new))


def _is_full(error: Exception, free: int) -> bool:
    """Tell a full disk's errors, which not every library gives as an OSError with a number."""
    if getattr(error, "errno", None) in _FULL or "No space left on device" in str(error):
        return True
    return isinstance(error, (OSError, RuntimeError)) and free < 2**20
