"""Running a study: what is done stays done, and what fails or dies loses nothing else."""

import json
import logging
import os
import shutil
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError
from sensor2llm.studies import runner
from sensor2llm.studies.config import MethodConfig, StoreConfig
from sensor2llm.studies.data import mark
from sensor2llm.studies.grid import cells, digest, stores_of
from sensor2llm.studies.runner import is_done, read_cells, run_study
from tests.studies.toy_study import CROSSL, make_study, write_store

# What a cell's files say beside the time they took.
TIMES = ("seconds", "pretraining_s")


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return write_store(tmp_path_factory.mktemp("runner") / "store")


@pytest.fixture(scope="module")
def finished(path, tmp_path_factory) -> Path:
    """Give the cells of a study that was run in this process."""
    study = make_study(tmp_path_factory.mktemp("finished"), path)
    assert run_study(study) == (4, 4)
    return study.out


@pytest.fixture
def study(finished, path, tmp_path):
    """Give a finished study of one's own."""
    shutil.copytree(finished, tmp_path / "out")
    return make_study(tmp_path / "out", path)


def files(study) -> dict[str, tuple[int, int]]:
    """Give each file's inode and time: one that was written anew has another."""
    found = sorted((study.out / "cells").iterdir())
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in found}


def changed(before: dict, after: dict) -> set[str]:
    return {name for name in after if before.get(name) != after[name]}


def without_times(record):
    plain = {k: v for k, v in record.items() if k not in (*TIMES, "predicted", "rows")}
    plain["results"] = [line | {"seconds": None} for line in record["results"]]
    if plain["pretraining"]:
        plain["pretraining"] = {
            k: v for k, v in plain["pretraining"].items() if k not in ("seconds", "windows_per_s")
        }
    return plain


def assert_same(first, second):
    """Say whether two runs of a study found the same, up to the time they took."""
    pairs = list(zip(read_cells(first), read_cells(second), strict=True))
    for ours, theirs in pairs:
        assert without_times(ours) == without_times(theirs)
        np.testing.assert_array_equal(ours["predicted"], theirs["predicted"])
        np.testing.assert_array_equal(ours["rows"], theirs["rows"])


def fake(study, cell):
    """Answer at once, as a finished cell would."""
    runner_bytes = runner.io.BytesIO()
    np.savez_compressed(runner_bytes, rows=np.arange(3), predicted=np.zeros((1, 3), np.int16))
    data = {name: mark(study.stores[name]) for name in stores_of(study, cell)}
    record = {"digest": digest(study, cell), "store": cell.store, "pid": os.getpid(), "data": data}
    return record, runner_bytes.getvalue()


def test_every_cell_leaves_its_numbers_and_its_windows_labels(study):
    names = {f"{cell.key}.{end}" for cell in cells(study) for end in ("json", "npz")}
    assert set(files(study)) == names
    records = read_cells(study)
    assert [(r["method"], r["fold"]) for r in records] == [
        (cell.title, cell.fold) for cell in cells(study)
    ]
    assert all(r["predicted"].shape == (len(r["results"]), len(r["rows"])) for r in records)


def test_finished_cells_are_not_touched(study):
    before = files(study)
    assert run_study(study) == (4, 0)
    assert files(study) == before


def test_a_new_fold_is_added_to_what_is_there(study, monkeypatch):
    monkeypatch.setattr(runner, "answer_of", fake)
    before = files(study)
    assert run_study(replace(study, folds=(0, 1, 2))) == (6, 2)
    assert changed(before, files(study)) == {
        f"toy-{m}-seed0-fold2.{end}" for m in ("supervised", "crossl") for end in ("json", "npz")
    }


def test_a_changed_setting_runs_what_depends_on_it_again(study, monkeypatch):
    monkeypatch.setattr(runner, "answer_of", fake)
    before = files(study)
    crossl = replace(CROSSL, options={"mask": "random"})
    other = replace(study, methods={"supervised": MethodConfig(), "crossl": crossl})
    assert run_study(other) == (4, 2)
    assert {name.split("-")[1] for name in changed(before, files(study))} == {"crossl"}
    assert run_study(other) == (4, 0)


def test_a_store_prepared_otherwise_runs_its_cells_again(study, path, tmp_path):
    again = write_store(tmp_path / "again", each=9)
    assert mark(StoreConfig(path=again)) == mark(StoreConfig(path=path))
    assert is_done(replace(study, stores={"toy": StoreConfig(path=again)}), cells(study)[0])
    other = write_store(tmp_path / "other", each=12)
    moved = replace(study, stores={"toy": StoreConfig(path=other)})
    assert not any(is_done(moved, cell) for cell in cells(moved))


def test_other_signals_under_the_same_names_run_their_cells_again(
    study, path, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(runner, "answer_of", fake)
    caplog.set_level(logging.INFO)
    folder = Path(shutil.copytree(path, tmp_path / "store"))
    here = replace(study, stores={"toy": StoreConfig(path=folder)})
    assert run_study(here) == (4, 0)
    write_store(folder, seed=1)
    assert run_study(here) == (4, 4)
    assert "4 finished cells are of other data and are run again" in caplog.messages


def test_a_cell_of_before_stores_were_marked_stays_done(study, caplog):
    cell = cells(study)[0]
    path = study.out / "cells" / f"{cell.key}.json"
    record = json.loads(path.read_text())
    del record["data"]
    path.write_text(json.dumps(record))
    assert is_done(study, cell)
    assert run_study(study) == (4, 0)
    assert caplog.messages[-1].startswith("1 finished cells do not say which data they are of")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_text("{"),
        lambda file: file.write_text("[]"),
        lambda file: file.unlink(),
        lambda file: file.with_suffix(".npz").unlink(),
        lambda file: file.with_suffix(".npz").write_bytes(b"PK"),
        lambda file: np.savez(file.with_suffix(".npz"), rows=np.arange(2), predicted=[[0, 0]]),
    ],
)
def test_a_broken_file_runs_its_cell_again(study, monkeypatch, spoil):
    monkeypatch.setattr(runner, "answer_of", fake)
    cell = cells(study)[2]
    spoil(study.out / "cells" / f"{cell.key}.json")
    before = files(study)
    assert len(read_cells(study)) == 3
    assert run_study(study) == (4, 1)
    assert {name.rpartition(".")[0] for name in changed(before, files(study))} == {cell.key}


def test_a_failing_cell_does_not_lose_the_others(study, monkeypatch, caplog):
    shutil.rmtree(study.out)
    first, second = cells(study)[1], cells(study)[2]

    def answer(study, cell):
        if cell in (first, second):
            return DataError("no such\nwindow")
        return fake(study, cell)

    monkeypatch.setattr(runner, "answer_of", answer)
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(DataError) as raised,
    ):
        run_study(study)
    said = f"2 of 4 cells could not be run, the others are kept; {first.key}: no such window"
    assert str(raised.value) == said
    assert [record.getMessage() for record in caplog.records] == [f"{second.key}: no such window"]
    assert {name.rpartition(".")[0] for name in files(study)} == {
        cells(study)[0].key, cells(study)[3].key,
    }  # fmt: skip


def test_a_bug_in_a_cell_is_raised_whole_after_the_others_were_run(study, monkeypatch):
    shutil.rmtree(study.out)

    def answer(study, cell):
        if cell == cells(study)[0]:
            raise ZeroDivisionError("bug")
        return fake(study, cell)

    monkeypatch.setattr(runner, "answer_of", answer)
    with pytest.raises(ZeroDivisionError, match="bug"):
        run_study(study)
    assert sum(is_done(study, cell) for cell in cells(study)) == 3


def test_what_a_person_can_mend_in_a_cell_comes_back_as_a_value(tmp_path, path):
    study = make_study(tmp_path, path, folds=(0,))
    store = StoreConfig(path=path, people=("p1", "p2"))
    found = runner.answer_of(replace(study, stores={"toy": store}), cells(study)[0])
    assert isinstance(found, DataError)
    assert "5 folds with validation people need at least 5 people" in str(found)


def test_an_interrupted_study_goes_on_where_it_was(study, monkeypatch):
    shutil.rmtree(study.out)
    stop = cells(study)[2]

    def answer(study, cell):
        if cell == stop:
            raise KeyboardInterrupt
        return fake(study, cell)

    monkeypatch.setattr(runner, "answer_of", answer)
    with pytest.raises(KeyboardInterrupt):
        run_study(study)
    before = files(study)
    assert len(before) == 2 * 2
    monkeypatch.setattr(runner, "answer_of", fake)
    assert run_study(study) == (4, 2)
    assert not changed(before, {name: files(study)[name] for name in before})


def test_settings_and_stores_are_looked_at_before_anything_runs(study, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_run", lambda *_: pytest.fail("a cell was run"))
    wrong = replace(CROSSL, options={"ratio": 0.1})
    with pytest.raises(ConfigError, match="options of crossl: unknown field 'ratio'"):
        run_study(replace(study, methods={"crossl": wrong}))
    nowhere = {"toy": StoreConfig(path=tmp_path / "nowhere")}
    with pytest.raises(DataError, match="is not a window store"):
        run_study(replace(study, stores=nowhere))
    nobody = {"toy": StoreConfig(path=study.stores["toy"].path, people=("x",))}
    with pytest.raises(DataError, match="has no person 'x'"):
        run_study(replace(study, stores=nobody))


def test_a_study_that_was_not_run_has_nothing_to_tell(study, tmp_path):
    with pytest.raises(DataError, match=r"holds no finished cell of this study; run it first"):
        read_cells(replace(study, out=tmp_path / "new"))


# Several processes. What they run must be importable there, or small enough to travel.


def test_two_processes_end_in_a_line_when_one_is_killed(study, monkeypatch):
    shutil.rmtree(study.out)
    monkeypatch.setattr(runner, "answer_of", _kill)
    with pytest.raises(DataError, match="a process was ended from outside, as happens where mem"):
        run_study(replace(study, workers=2))


def _kill(study, cell):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_two_processes_give_what_one_gives(study, path, tmp_path):
    two = make_study(tmp_path / "two", path, workers=2)
    assert run_study(two) == (4, 4)
    assert_same(study, two)


@pytest.fixture(scope="module")
def cluster():
    """Give a ray cluster on this machine with two processes."""
    ray = pytest.importorskip("ray")
    # A machine with other work on it may need longer than ray's minute.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ray's own, of sockets and of its future defaults
        ray.init(
            "local", num_cpus=2, include_dashboard=False, log_to_driver=False,
            logging_level=logging.ERROR,
        )  # fmt: skip
        yield ray
        ray.shutdown()


quiet = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")


@quiet
def test_ray_gives_every_cell_once_though_its_process_is_killed(
    cluster, study, tmp_path, monkeypatch
):
    shutil.rmtree(study.out)
    died = tmp_path / "died"

    def answer(study, cell):
        if cell.method == "crossl" and not (died / cell.key).exists():
            died.mkdir(exist_ok=True)
            (died / cell.key).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"digest": digest(study, cell), "pid": os.getpid()}, fake_arrays

    fake_arrays = fake(study, cells(study)[0])[1]
    written = []
    write = runner._write
    monkeypatch.setattr(runner, "answer_of", answer)
    monkeypatch.setattr(runner, "_write", lambda *a: (written.append(a[1].key), write(*a)))
    assert run_study(replace(study, engine="ray")) == (4, 4)
    assert sorted(written) == sorted(cell.key for cell in cells(study))
    assert len(list(died.iterdir())) == 2
    records = [json.loads(p.read_text()) for p in (study.out / "cells").glob("*.json")]
    assert os.getpid() not in {record["pid"] for record in records}
    assert cluster.is_initialized()


@pytest.mark.slow
@quiet
def test_ray_gives_what_one_process_gives(cluster, study, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = Path(os.path.relpath(path, tmp_path))
    other = make_study(tmp_path / "ray", relative, engine="ray")
    assert run_study(other) == (4, 4)
    assert_same(study, other)


@quiet
def test_a_cell_that_has_room_on_no_machine_is_not_waited_for(cluster, study):
    other = replace(study, engine="ray", folds=(2,), worker_gpus=3)
    with pytest.raises(ConfigError, match="a worker asks for 1 CPU, 3 GPU and no machine of the"):
        run_study(other)


@pytest.mark.parametrize("kind", [ConnectionError, RuntimeError])
def test_without_a_cluster_at_the_address_there_is_a_line(study, monkeypatch, kind):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def refuse(**options):
        assert options["address"] == "10.0.0.1:6379"
        assert not {"num_cpus", "include_dashboard"} & options.keys()
        raise kind("could not connect")

    monkeypatch.setattr(ray, "init", refuse)
    other = replace(study, engine="ray", address="10.0.0.1:6379", folds=(2,), workers=4)
    with pytest.raises(DataError, match=r"no ray cluster at '10\.0\.0\.1:6379'; start one with"):
        run_study(other)


def test_without_ray_the_extra_is_named(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DataError, match=r'engine ray needs ray: pip install "sensor2llm\[ray\]"'):
        run_study(replace(study, engine="ray", folds=(2,)))
