"""Writing in one step: whatever is killed, full or in the way, the old or the new stands whole."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

from sensor2llm.artefacts import atomic_write, disk
from sensor2llm.artefacts.atomic_write import (
    READY,
    repair,
    replace_file,
    replace_folder,
    sole_writer,
    update_folder,
)
from sensor2llm.errors import ArtefactError, DiskFullError

OLD = {"weights": "old", "recipe": "old", "lora/rank": "old", "notes": "mine"}
NEW = {"weights": "new", "recipe": "new", "prefix/keys": "new", "notes": "mine"}
BOTH = OLD | NEW


def write(folder: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def is_mine(name: str) -> bool:
    return name == "notes"


def save(way: str, target: Path) -> None:
    """Write the new content the way that is named; `notes` are somebody's own."""
    new = {name: text for name, text in NEW.items() if not is_mine(name)}
    context = update_folder(target) if way == "update" else replace_folder(target, is_mine)
    with context as part:
        write(part, new)


def fail(context, error: BaseException, content: dict[str, str] | str) -> None:
    """Write, and fail before the end."""
    with context as part:
        if isinstance(content, str):
            part.write_text(content)
        else:
            write(part, content)
        raise error


# Kills a save before each of its changes, in forks of a process that has no threads.
KILL_ALL = """
    import json, sys
    from pathlib import Path
    from benchmarks.robustness.kill_campaign import Changes, fork
    from sensor2llm.artefacts import disk
    from tests.artefacts.test_atomic_write import OLD, read, repair, save, write

    way, base = sys.argv[1], Path(sys.argv[2])
    if way == "move":
        disk.exchange = lambda *names: False
    moments, found, died = 0, [], True
    while died:
        case = base / str(moments)
        write(case / "out", OLD)

        def work():
            changes.start()
            save(way, case / "out")

        changes = Changes(case, moments, base / "changes")
        died = fork(work, base / "log")[0] != 0
        raw = read(case / "out")
        repair(case / "out")
        repaired = read(case / "out")
        save(way, case / "out")
        found.append([raw, repaired, read(case / "out"), sorted(p.name for p in case.iterdir())])
        moments += 1
    print(json.dumps(found))
"""


@pytest.mark.parametrize("way", ["swap", "move", "update"])
def test_a_kill_before_any_change_leaves_the_old_or_the_new(way, tmp_path):
    new = BOTH if way == "update" else NEW
    run = [sys.executable, "-c", textwrap.dedent(KILL_ALL), way, str(tmp_path)]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    kills = json.loads(done.stdout)
    assert len(kills) > 10
    for raw, repaired, again, names in kills:
        assert repaired in (OLD, new)
        if way == "swap":
            assert raw == repaired  # in one step: there is nothing to repair
        assert again == new
        assert names == ["out"]
    assert [kill[1] for kill in kills].count(new) > 1
    assert kills[0][1] == OLD


@pytest.mark.parametrize("way", ["replace", "update"])
def test_an_error_leaves_the_old_folder_and_nothing_beside_it(way, tmp_path):
    write(tmp_path / "out", OLD)
    context = update_folder if way == "update" else replace_folder
    with pytest.raises(KeyboardInterrupt):
        fail(context(tmp_path / "out"), KeyboardInterrupt(), NEW)
    assert read(tmp_path) == {f"out/{name}": text for name, text in OLD.items()}


def test_a_folder_that_is_not_there_is_made_with_those_above_it(tmp_path):
    for way in ("swap", "update"):
        save(way, tmp_path / "a" / way / "out")
    assert set(read(tmp_path / "a")) == {
        f"{way}/out/{name}" for way in ("swap", "update") for name in NEW if name != "notes"
    }


def test_what_goes_along_keeps_links_modes_and_what_the_block_wrote(tmp_path):
    out = tmp_path / "out"
    write(out, OLD | {"mine/deep/file": "kept"})
    (out / "link").symlink_to("nowhere")
    (out / "notes").chmod(0o600)
    out.chmod(0o750)
    with replace_folder(out, lambda name: name != "lora") as part:
        write(part, {"weights": "new"})
    assert read(out) == {
        "weights": "new", "recipe": "old", "notes": "mine", "mine/deep/file": "kept",
    }  # fmt: skip
    assert (out / "link").readlink() == Path("nowhere")
    assert (out / "notes").stat().st_mode & 0o777 == 0o600
    assert out.stat().st_mode & 0o777 == 0o750


def test_the_folder_somebody_works_in_stays_the_same_folder(tmp_path, monkeypatch):
    write(tmp_path / "out", OLD)
    inode = (tmp_path / "out").stat().st_ino
    monkeypatch.chdir(tmp_path / "out")
    save("swap", Path())
    assert read(Path()) == NEW
    assert (tmp_path / "out").stat().st_ino == inode


def test_beside_a_read_only_folder_all_is_written_within(tmp_path, monkeypatch):
    write(tmp_path / "out", OLD)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path and access(path, mode))
    seen = set()
    with replace_folder(tmp_path / "out", is_mine) as part:
        write(part, {"weights": "new"})
        seen = {path.name for path in tmp_path.iterdir()}
    assert seen == {"out"}
    assert read(tmp_path / "out") == {"weights": "new", "notes": "mine"}


def test_a_link_to_a_folder_stays_and_its_folder_is_replaced(tmp_path):
    write(tmp_path / "real", OLD)
    (tmp_path / "out").symlink_to("real")
    save("swap", tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert read(tmp_path / "real") == NEW


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ArtefactError, match=r"out' is a file, expected a folder; choose another"):
        save("swap", tmp_path / "out")
    assert read(tmp_path) == {"out": "mine"}


def test_a_system_error_of_the_swap_is_not_taken_for_a_lack(tmp_path, monkeypatch):
    class Library:
        @staticmethod
        def renameat2(*_names):
            return -1

    monkeypatch.setattr(disk.ctypes, "CDLL", lambda *_args, **_options: Library)
    write(tmp_path / "out", OLD)
    monkeypatch.setattr(disk.ctypes, "get_errno", lambda: errno.EACCES)
    with pytest.raises(PermissionError, match="out"):
        save("swap", tmp_path / "out")
    assert read(tmp_path / "out") == OLD
    monkeypatch.setattr(disk.ctypes, "get_errno", lambda: errno.EINVAL)
    save("swap", tmp_path / "out")
    assert read(tmp_path / "out") == NEW


HOLD = """
    import sys, time
    from pathlib import Path
    from sensor2llm.artefacts.atomic_write import replace_folder
    with replace_folder(Path(sys.argv[1])) as part:
        (part / "half").write_text("written")
        print("held", flush=True)
        time.sleep(600)
"""


@pytest.fixture
def other(tmp_path):
    """Give a process that is in the midst of writing `out`."""
    run = [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path / "out")]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_told_and_a_killed_one_holds_nothing(other, tmp_path, monkeypatch):
    monkeypatch.setattr(atomic_write, "WAIT_S", 0.1)
    write(tmp_path / "out", OLD)
    told = r"another process is writing '.*out'; wait until it has ended, or choose another --out"
    with pytest.raises(ArtefactError, match=told):
        save("swap", tmp_path / "out")
    with pytest.raises(ArtefactError, match=told), sole_writer(tmp_path / "out"):
        pass
    assert (tmp_path / ".out.part" / "half").is_file()
    repair(tmp_path / "out")
    assert read(tmp_path / "out") == OLD

    other.send_signal(signal.SIGKILL)
    other.wait()
    save("swap", tmp_path / "out")
    assert read(tmp_path) == {f"out/{name}": text for name, text in NEW.items()}


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")]
)
def test_a_file_system_without_locks_is_told_and_written(error, tmp_path, monkeypatch, caplog):
    def refuse(*_args, **_options):
        raise error

    write(tmp_path / "out", OLD)
    write(tmp_path / ".out.part", {"half": "of a dead writer"})
    monkeypatch.setattr(atomic_write.FileLock, "acquire", refuse)
    save("swap", tmp_path / "out")
    assert caplog.messages == [
        f"the file system of '{tmp_path / 'out'}' has no locks: let one process at a time write "
        "there"
    ]
    assert read(tmp_path) == {f"out/{name}": text for name, text in NEW.items()}


def test_a_lock_that_may_not_be_taken_is_an_error(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied", "out.lock")

    monkeypatch.setattr(atomic_write.FileLock, "acquire", refuse)
    with pytest.raises(PermissionError), sole_writer(tmp_path / "out"):
        pass


def test_a_file_may_follow_a_folder_of_its_name(tmp_path):
    write(tmp_path / "out", OLD)
    with update_folder(tmp_path / "out") as part:
        write(part, {"lora": "a file now"})
    assert read(tmp_path / "out")["lora"] == "a file now"


def test_one_process_may_hold_a_target_twice(tmp_path):
    with sole_writer(tmp_path / "out"), sole_writer(tmp_path / "out"):
        save("swap", tmp_path / "out")
        assert (tmp_path / ".out.lock").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_live_writer_has_ready_is_left_to_it(other, tmp_path):
    write(tmp_path / "out" / READY, {"weights": "new"})
    repair(tmp_path / "out")
    assert (tmp_path / "out" / READY / "weights").is_file()


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_named_with_path_and_size(error, tmp_path, monkeypatch):
    monkeypatch.setattr(atomic_write.shutil, "disk_usage", lambda _path: Usage(2_500_000))
    told = (
        r"^No space left on device for '.*out': it needs more than the 3.5 MB that were free; make"
    )
    write(tmp_path / "folder" / "out", OLD)
    with pytest.raises(DiskFullError, match=told):
        fail(replace_folder(tmp_path / "folder/out"), error, {"weights": "0" * 1_000_000})
    assert read(tmp_path / "folder") == {f"out/{name}": text for name, text in OLD.items()}
    (tmp_path / "out").write_text("old")
    with pytest.raises(DiskFullError, match=told):
        fail(replace_file(tmp_path / "out"), error, "0" * 1_000_000)
    assert (tmp_path / "out").read_text() == "old"
    assert not (tmp_path / "out.part").exists()


def test_an_error_without_a_number_is_a_full_disk_only_where_it_is_full(tmp_path, monkeypatch):
    # numpy and torch say "1000 requested and 262 written", "enforce fail at inline_container".
    with pytest.raises(RuntimeError, match="requested"), replace_file(tmp_path / "out"):
        raise RuntimeError("1000 requested and 262 written")
    monkeypatch.setattr(atomic_write.shutil, "disk_usage", lambda _path: Usage(4096))
    with pytest.raises(DiskFullError, match="No space left"), replace_file(tmp_path / "out"):
        raise RuntimeError("1000 requested and 262 written")


def test_files_are_on_the_disk_before_they_take_their_place(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (synced.append(os.fstat(file).st_ino), fsync(file))[1]
    )
    write(tmp_path / "out", OLD)
    save("swap", tmp_path / "out")
    for name in ("weights", "recipe", "prefix/keys", "prefix"):
        assert (tmp_path / "out" / name).stat().st_ino in synced
    assert synced[-1] == tmp_path.stat().st_ino
    with replace_file(tmp_path / "deep" / "x.json") as part:
        part.write_text("{}")
    assert synced[-2:] == [
        path.stat().st_ino for path in (tmp_path / "deep/x.json", tmp_path / "deep")
    ]
