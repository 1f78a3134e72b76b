"""An archive's windows: each is labelled once, whatever fails, stops or is killed on the way."""

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sensor2llm.archive import archive
from sensor2llm.archive import parts as archive_parts
from sensor2llm.archive.archive import label_archive, needs_folder
from sensor2llm.archive.labelling import Labelling, label_file, prediction_row
from sensor2llm.archive.parts import find_recordings, label_part
from sensor2llm.archive.ray import choose_engine, on_ray, worker_request
from sensor2llm.errors import ArtefactError, ConfigError, DataError, DiskFullError
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.classification import classify
from tests.models import small_model
from tests.signals.stores import FOREIGN, SPEC, make_foreign, make_windows
from tests.verbs import llm_folder, save_adapter, save_recording, save_store

NAMES = [f"archive/p{i // 3}/walk{i}.csv" for i in range(6)]
BAD = "archive/p1/walk4.csv"


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> tuple[Labelling, Path]:
    """Give a labelling by a small adapter, and six recordings of 2, 3, … 7 windows."""
    base = tmp_path_factory.mktemp("archive")
    save_adapter(base / "adapter")
    for i, name in enumerate(NAMES):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        save_recording(base / name, seconds=2.0 * (i + 2) + 0.5)
    (base / "archive" / "notes.txt").write_text("left out")
    (base / "archive" / ".hidden.csv").write_text("left out")
    labelling = Labelling(adapter=str(base / "adapter"), llm=llm_folder(), batch_size=4)
    return labelling, base / "archive"


@pytest.fixture(scope="module")
def expected(given) -> dict[tuple[str, int], dict]:
    """Restate what the results must be, a recording after the other."""
    model, rows = given[0].load(), {}
    for name in NAMES:
        found = label_file(model, given[1].parent / name, batch_size=given[0].batch_size)
        for i, prediction in enumerate(found):
            rows[name, i] = prediction_row(prediction)
    return rows


def results(out: Path) -> dict[tuple[str, int], dict]:
    """Read all rows; a window that is there twice is an error."""
    rows = pq.read_table(out / "parts").to_pylist()
    keyed = {(row.pop("file"), row.pop("window")): row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def assert_same(found: dict, expected: dict):
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert found[key].pop("subject") is None
        assert found[key]["label"] == row["label"]
        numbers = {name: value for name, value in row.items() if name != "label"}
        assert {n: found[key][n] for n in numbers} == pytest.approx(numbers, abs=1e-5)


def index(out: Path) -> dict:
    return json.loads((out / "index.json").read_text())["recordings"]


def kill_at(name: str, mark: Path, times: int):
    """Give a way to label that ends its own process, so many times, in the midst of a part."""

    def label(model, part, labelling, folder):
        if part.name == name:
            count = len(list(mark.parent.glob(f"{mark.name}*")))
            if count < times:
                mark.with_name(f"{mark.name}{count}").touch()
                (folder / f"{part.file}.try{count + 1}").write_bytes(b"PAR1")
                os.kill(os.getpid(), signal.SIGKILL)
        return label_part(model, part, labelling, folder)

    return label


def test_every_window_of_every_recording_is_there_once(given, expected, tmp_path, caplog):
    labelling, folder = given
    with caplog.at_level(logging.INFO):
        result = label_archive([folder], tmp_path / "out", labelling)
    assert f"{folder}: 1 files of other kinds are left out (.txt)" in caplog.messages
    assert str(result) == f"6 recordings, 27 windows -> {tmp_path / 'out'}"
    result.check()
    assert_same(results(tmp_path / "out"), expected)
    entries = index(tmp_path / "out")
    assert list(entries) == NAMES
    assert all(entry["finished"] for entry in entries.values())
    assert [list(entry["parts"].values()) for entry in entries.values()] == [
        [2], [3], [4], [5], [6], [7],
    ]  # fmt: skip


def test_a_recording_that_cannot_be_read_is_named_and_tried_again(given, expected, tmp_path):
    labelling, folder = copied(given, tmp_path)
    good = (tmp_path / BAD).read_text()
    (tmp_path / BAD).write_text("time_s,accel.x\n0,oops\n")
    result = label_archive([folder], tmp_path / "out", labelling)
    assert list(result.failed) == [BAD]
    with pytest.raises(DataError, match="1 of 6 recordings could not be read, the others are done"):
        result.check()
    entry = index(tmp_path / "out")[BAD]
    assert not entry["finished"]
    assert "walk4.csv" in entry["failed"]
    assert "\n" not in entry["failed"]
    assert {name for name, _ in results(tmp_path / "out")} == set(NAMES) - {BAD}

    (tmp_path / BAD).write_text(good)
    label_archive([folder], tmp_path / "out", labelling, resume=True).check()
    assert_same(results(tmp_path / "out"), expected)


def test_an_interrupted_run_goes_on_where_it_was(given, expected, tmp_path, monkeypatch):
    labelling, folder = given

    def stop(model, part, *rest):
        if part.name == NAMES[3]:
            raise KeyboardInterrupt
        return label_part(model, part, *rest)

    monkeypatch.setattr(archive_parts, "label_part", stop)
    with pytest.raises(KeyboardInterrupt):
        label_archive([folder], tmp_path / "out", labelling)
    assert [name for name, entry in index(tmp_path / "out").items() if entry["finished"]] == NAMES[
        :3
    ]
    seen = []
    monkeypatch.setattr(
        archive_parts, "label_part", lambda m, p, *r: (seen.append(p.name), label_part(m, p, *r))[1]
    )
    result = label_archive([folder], tmp_path / "out", labelling, resume=True)
    assert (seen, result.windows) == (NAMES[3:], 27)
    assert_same(results(tmp_path / "out"), expected)


def test_a_killed_run_goes_on_and_what_it_left_half_done_is_gone(given, expected, tmp_path):
    labelling, folder = given
    script = (
        "import sys; sys.path.insert(0, '.')\n"
        "from pathlib import Path\n"
        "from sensor2llm.archive import parts as archive_parts\n"
        "from sensor2llm.archive.archive import label_archive\n"
        "from sensor2llm.archive.labelling import Labelling\n"
        "from tests.archive.test_archive import kill_at\n"
        f"archive_parts.label_part = kill_at({NAMES[2]!r}, Path({str(tmp_path / 'mark')!r}), 1)\n"
        f"label_archive([Path({str(folder)!r})], Path({str(tmp_path / 'out')!r}), {labelling!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:].decode()
    assert any(".try" in path.name for path in (tmp_path / "out" / "parts").iterdir())
    label_archive([folder], tmp_path / "out", labelling, resume=True).check()
    assert_same(results(tmp_path / "out"), expected)
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 6


def test_a_run_killed_as_it_begins_is_gone_on_with(given, expected, tmp_path, monkeypatch):
    labelling, folder = given

    def stop(*_args, **_options):
        raise KeyboardInterrupt

    for name in ("write_json", "find_recordings"):
        with monkeypatch.context() as patch:
            patch.setattr(archive, name, stop)
            with pytest.raises(KeyboardInterrupt):
                label_archive([folder], tmp_path / "out", labelling)
        assert not (tmp_path / "out").exists()
    label_archive([folder], tmp_path / "out", labelling, resume=True).check()
    assert_same(results(tmp_path / "out"), expected)


def test_a_full_disk_ends_the_run_and_blames_no_recording(given, expected, tmp_path, monkeypatch):
    labelling, folder = given

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(archive_parts, "_write", full)
        with pytest.raises(DiskFullError, match=r"No space left on device for '.*parquet': it"):
            label_archive([folder], tmp_path / "out", labelling)
    assert not any("failed" in entry for entry in index(tmp_path / "out").values())
    label_archive([folder], tmp_path / "out", labelling, resume=True).check()
    assert_same(results(tmp_path / "out"), expected)


def test_a_recording_that_changed_is_labelled_again(given, tmp_path):
    labelling, folder = copied(given, tmp_path)
    label_archive([folder], tmp_path / "out", labelling)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "parts").iterdir()}
    save_recording(tmp_path / NAMES[5], seconds=4.5)
    result = label_archive([folder], tmp_path / "out", labelling, resume=True)
    assert result.windows == 27 - 5
    now = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "parts").iterdir()}
    assert [name for name in now if now[name] != kept[name]] == list(
        index(tmp_path / "out")[NAMES[5]]["parts"]
    )


def test_results_of_recordings_that_are_not_given_again_stay(given, tmp_path):
    labelling, folder = given
    label_archive([folder / "p0"], tmp_path / "out", labelling)
    result = label_archive([folder / "p1"], tmp_path / "out", labelling, resume=True)
    assert (result.recordings, result.windows) == (3, 18)
    assert len(results(tmp_path / "out")) == 27


def test_a_store_is_labelled_by_ranges_of_rows(given, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_parts, "STORE_ROWS", 20)
    store = WindowStore.open(save_store(tmp_path / "store"))
    result = label_archive([store.path], tmp_path / "out", given[0])
    assert result.windows == len(store) == 48
    assert list(index(tmp_path / "out")["store"]["parts"].values()) == [20, 20, 8]
    found = results(tmp_path / "out")
    assert {row for _, row in found} == set(range(48))
    for row in (0, 25, 47):
        assert found["store", row]["subject"] == store[row].subject
        assert found["store", row]["start_s"] == store[row].start_s


def test_ranges_of_rows_are_those_that_an_archive_was_begun_with(given, tmp_path, monkeypatch):
    """Earlier releases cut stores into more rows a part."""
    store = WindowStore.open(save_store(tmp_path / "store"))
    monkeypatch.setattr(archive_parts, "STORE_ROWS", 20)
    label_archive([store.path], tmp_path / "out", given[0])
    first, *_ = (tmp_path / "out" / "parts").iterdir()
    first.unlink()
    monkeypatch.setattr(archive_parts, "STORE_ROWS", 10)
    result = label_archive([store.path], tmp_path / "out", given[0], resume=True)
    assert result.windows == 48
    assert sorted(index(tmp_path / "out")["store"]["parts"].values()) == [8, 20, 20]
    assert {row for _, row in results(tmp_path / "out")} == set(range(48))


def test_a_store_of_another_spec_has_a_row_a_window_and_is_told_of_once(
    given, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(archive_parts, "STORE_ROWS", 20)
    store = WindowStore.write(tmp_path / "store", FOREIGN, make_foreign())
    with caplog.at_level(logging.INFO):
        label_archive([store.path], tmp_path / "out", given[0]).check()
    (told,) = (text for text in caplog.messages if "converted" in text)
    assert told.startswith(f"{store.path} is converted to what is expected: accel: m/s^2 to g")
    found = results(tmp_path / "out")
    assert {row for _, row in found} == set(range(48))
    expected = classify(given[0].load(), list(store), spec=FOREIGN)
    for row in (0, 25, 47):
        plain = prediction_row(expected[row])
        assert found["store", row]["subject"] == plain["subject"]
        assert found["store", row]["start_s"] == plain["start_s"] == store.starts[row] + 0.5
        assert found["store", row]["probability"] == pytest.approx(plain["probability"], abs=1e-5)


def test_a_window_has_the_number_of_its_row_where_others_are_not_heard(
    given, tmp_path, monkeypatch
):
    monkeypatch.setattr(archive_parts, "STORE_ROWS", 20)
    skin = Modality(name="skin", channels=(Channel(name="t", unit="C"),), steps=8, rate_hz=4.0)
    windows = list(make_windows(labels=None, drop=False))
    unheard = {0, 7, 8, 21, 47}
    for row in unheard:
        windows[row] = replace(windows[row], signals={"skin": np.ones(skin.shape)})
    spec = SignalSpec(modalities=(*SPEC.modalities, skin), window_s=2.0)
    store = WindowStore.write(tmp_path / "store", spec, windows)
    result = label_archive([store.path], tmp_path / "out", given[0])
    assert "43 kept, 5 dropped: 5 without a sensor that the adapter hears" in str(
        result.ledger.lines()
    )
    found = results(tmp_path / "out")
    assert {row for _, row in found} == set(range(48)) - unheard
    for (_, row), entry in found.items():
        assert (entry["subject"], entry["start_s"]) == (store[row].subject, store[row].start_s)


def test_a_bug_does_not_keep_the_others_from_being_done(given, tmp_path, monkeypatch):
    labelling, folder = given

    def broken(model, path, **options):
        if path.endswith(NAMES[1]):
            raise ZeroDivisionError("bug")
        return label_file(model, path, **options)

    monkeypatch.setattr(archive_parts, "label_file", broken)
    with pytest.raises(RuntimeError, match=r"(?s)1 parts met a bug.*walk1.csv:.*ZeroDivisionError"):
        label_archive([folder], tmp_path / "out", labelling)
    unfinished = [n for n, entry in index(tmp_path / "out").items() if not entry["finished"]]
    assert unfinished == [NAMES[1]]


def test_a_part_that_ends_its_process_each_time_is_given_up(given, tmp_path):
    labelling, folder = given
    (part,) = archive_parts.parts_of(NAMES[0], folder.parent / NAMES[0], 2048)
    for i in (1, 2, 3):
        (tmp_path / f"{part.file}.try{i}").touch()
    outcome = label_part(small_model(), part, labelling, tmp_path)
    assert outcome.reason == "its process was ended 3 times, as happens where memory is short"
    (tmp_path / f"{part.file}.try2").unlink()
    assert label_part(small_model(), part, labelling, tmp_path).windows == 2
    assert [path.name for path in tmp_path.iterdir()] == [part.file]


def test_a_part_that_is_there_is_not_labelled_again(given, tmp_path):
    labelling, folder = given
    (part,) = archive_parts.parts_of(NAMES[0], folder.parent / NAMES[0], 2048)
    assert label_part(small_model(), part, labelling, tmp_path).windows == 2
    assert label_part(None, part, labelling, tmp_path).windows == 2


def test_a_recording_named_twice_is_there_once(given):
    folder = given[1]
    found = find_recordings([folder, folder / "p0", folder / "p1" / "walk4.csv"])
    assert list(found) == NAMES


def test_a_link_to_a_folder_above_and_the_results_are_not_walked(given, tmp_path):
    _, folder = copied(given, tmp_path)
    (folder / "p0" / "above").symlink_to(folder)
    (folder / "out" / "parts").mkdir(parents=True)
    save_recording(folder / "out" / "parts" / "labels.csv")
    assert list(find_recordings([folder], folder / "out")) == NAMES


def test_two_recordings_of_the_same_name(given, tmp_path):
    _, folder = copied(given, tmp_path)
    with pytest.raises(ConfigError, match=r"two recordings are called archive/p0/walk0\.csv \("):
        find_recordings([given[1], folder])


def test_what_is_no_archive(given, tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        find_recordings([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no recording; expected files in \.csv"):
        find_recordings([tmp_path / "empty"])


def test_one_recording_needs_no_folder_and_several_do(given, tmp_path):
    file, folder = given[1] / "p0" / "walk0.csv", given[1]
    assert not needs_folder([file], None)
    assert not needs_folder([file], tmp_path / "labels.csv")
    assert not needs_folder([save_store(tmp_path / "store")], None)
    assert needs_folder([file], tmp_path / "labels")
    assert needs_folder([file, file], None)
    assert needs_folder([folder], None)


def test_a_folder_that_cannot_take_the_results(given, tmp_path):
    labelling, folder = given
    for out, message in (
        (None, "the results of several recordings need a folder: --out FOLDER"),
        (tmp_path / "labels.csv", r"the results go into a folder; --out labels.csv names a file"),
    ):
        with pytest.raises(ConfigError, match=message):
            label_archive([folder], out, labelling)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("kept")
    with pytest.raises(ConfigError, match="mine' exists and holds other things; choose another"):
        label_archive([folder], tmp_path / "mine", labelling, resume=True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]

    out = tmp_path / "out"
    label_archive([folder / "p0"], out, labelling)
    with pytest.raises(ConfigError, match="out' holds results; go on with --resume, or choose"):
        label_archive([folder], out, labelling)
    other = Labelling(adapter=labelling.adapter, llm=labelling.llm, overlap=0.5)
    with pytest.raises(ConfigError, match="out' was begun with another overlap; use the same"):
        label_archive([folder], out, other, resume=True)
    content = json.loads((out / "index.json").read_text())
    broken = [content | {"settings": content["settings"] | {"store_rows": n}} for n in (0, -1, "x")]
    for content in ({}, *broken):
        (out / "index.json").write_text(json.dumps(content))
        with pytest.raises(ConfigError, match=r"index\.json' is broken or of another release"):
            label_archive([folder], out, labelling, resume=True)


def test_options_that_cannot_be():
    with pytest.raises(ConfigError, match="overlap must be from 0 to below 1, got 1"):
        Labelling(adapter="a", overlap=1.0)
    with pytest.raises(ConfigError, match="batch_size must be positive, got 0"):
        Labelling(adapter="a", batch_size=0)
    for option, value in {"workers": 2, "address": "here", "worker_gpus": 0.5}.items():
        name = option.replace("_", "-")
        with pytest.raises(ConfigError, match=f"--{name} is ray's; add --engine ray"):
            choose_engine("local", **{option: value})
    for option, value in {"workers": 0, "worker_cpus": -1.0, "worker_gpus": float("inf")}.items():
        with pytest.raises(ConfigError, match=f"{option} must be positive, got {value:g}"):
            choose_engine("ray", **{option: value})
    assert choose_engine("local") is None


def copied(given, tmp_path) -> tuple[Labelling, Path]:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((given[1].parent / name).read_bytes())
    return given[0], tmp_path / "archive"


# On ray.


@pytest.fixture(scope="module")
def cluster():
    """Give a ray cluster on this machine with two processes."""
    ray = pytest.importorskip("ray")
    # A machine with other work on it may need longer than ray's minute.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 by default: they would starve there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ray's own, of sockets and of its future defaults
        ray.init(
            "local", num_cpus=2, include_dashboard=False, log_to_driver=False,
            logging_level=logging.ERROR,
        )  # fmt: skip
        yield ray
        ray.shutdown()


quiet = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")


@pytest.mark.slow
@quiet
def test_ray_gives_what_one_process_gives_though_a_worker_is_killed(
    cluster, given, expected, tmp_path, monkeypatch
):
    """One worker is killed in the midst of a part, and one recording cannot be read."""
    labelling, folder = copied(given, tmp_path)
    (folder / "bad.csv").write_text("time_s,accel.x\n0,oops\n")
    monkeypatch.setattr(archive_parts, "label_part", kill_at(NAMES[2], tmp_path / "mark", 1))
    monkeypatch.chdir(tmp_path)
    result = label_archive(
        [Path("archive")], Path("ray"), labelling, engine=choose_engine("ray", 2, worker_cpus=1.0)
    )
    assert (tmp_path / "mark0").exists()
    assert list(result.failed) == ["archive/bad.csv"]
    assert_same(results(tmp_path / "ray"), expected)
    assert cluster.is_initialized()

    monkeypatch.undo()
    label_archive([folder], tmp_path / "local", labelling)
    assert index(tmp_path / "ray") == index(tmp_path / "local")
    ours, theirs = ({p.name for p in (tmp_path / o / "parts").iterdir()} for o in ("ray", "local"))
    assert ours == theirs


@pytest.mark.slow
@quiet
def test_a_worker_that_has_no_room_anywhere_is_one_line(cluster, given, tmp_path):
    engine = choose_engine("ray", worker_cpus=64.0, worker_gpus=0.5)
    with pytest.raises(ConfigError, match=r"a worker asks for 64 CPU, 0\.5 GPU and no machine"):
        label_archive([given[1]], tmp_path / "out", given[0], engine=engine)


@pytest.mark.parametrize(
    ("own", "options", "request_"),
    [
        ({"CPU": 8.0}, (None, None), {"CPU": 1}),
        ({"CPU": 8.0, "GPU": 2.0}, (None, None), {"GPU": 1}),
        ({"CPU": 8.0, "GPU": 2.0}, (2.0, None), {"CPU": 2}),
        ({"CPU": 8.0}, (2.0, 0.5), {"CPU": 2, "GPU": 0.5}),
    ],
)
def test_a_worker_asks_for_a_gpu_where_there_is_one_or_what_is_wanted(own, options, request_):
    assert worker_request(own, *options) == request_


@pytest.mark.slow
@quiet
def test_on_ray_an_llm_that_does_not_fit_is_one_line(cluster, given, tmp_path):
    labelling, folder = given
    other = Labelling(adapter=labelling.adapter, llm=str(tmp_path / "nowhere"))
    with pytest.raises(ArtefactError, match="nowhere"):
        label_archive([folder], tmp_path / "out", other, engine=on_ray)


def test_without_ray_the_extra_is_named(given, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DataError, match=r'engine ray needs ray: pip install "sensor2llm\[ray\]"'):
        label_archive([given[1]], tmp_path / "out", given[0], engine=on_ray)


def test_without_a_cluster_at_the_address_there_is_a_line(given, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def refuse(**options):
        assert options["address"] == "10.0.0.1:6379"
        raise ConnectionError("could not connect")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(DataError, match=r"no ray cluster at '10\.0\.0\.1:6379'; start one with"):
        label_archive(
            [given[1]], tmp_path / "out", given[0],
            engine=partial(on_ray, address="10.0.0.1:6379"),
        )  # fmt: skip
