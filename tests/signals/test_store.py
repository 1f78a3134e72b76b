"""WindowStore: round trips, one window at a time, whole or not at all, damage is named."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sensor2llm.errors import DataError, SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.views.converted import ConvertedView
from sensor2llm.signals.views.joined import JoinedStores
from sensor2llm.signals.window import Window
from tests.signals.stores import SPEC, make_windows


@pytest.fixture
def store(tmp_path):
    return WindowStore.write(tmp_path / "store", SPEC, make_windows(), source="drawn")


def test_windows_come_back_as_they_were_written(store):
    written = list(make_windows())
    assert len(store) == len(written)
    for window, again in zip(written, store, strict=True):
        assert (again.subject, again.label, again.start_s) == (
            window.subject, window.label, window.start_s)  # fmt: skip
        assert set(again.signals) == set(window.signals)
        for name, values in window.signals.items():
            np.testing.assert_array_equal(again.signals[name], values)


def test_what_belongs_to_the_store_comes_back(tmp_path):
    published = {"train": ["s1"], "test": ["s2"]}
    WindowStore.write(
        tmp_path / "store", SPEC, make_windows(2), ["walk", "run", "rest"], published, "there"
    )
    store = WindowStore.open(tmp_path / "store")
    assert store.spec == SPEC
    assert store.label_names == ("walk", "run", "rest")
    assert (store.published, store.source) == (published, "there")
    assert store[0].label == "rest"
    assert list(store.subjects[:8]) == ["s1"] * 8


def test_read_gives_rows_in_the_order_asked_and_zeros_for_what_is_absent(store):
    rows = [9, 1, 1, 4]
    read = store.read(rows)
    for name in SPEC.names:
        for row, values in zip(rows, read[name], strict=True):
            expected = store[row].signals.get(name, np.zeros(SPEC[name].shape))
            np.testing.assert_array_equal(values, expected)
    assert not isinstance(read["accel"], np.memmap)
    assert read["accel"].flags.writeable


def test_labels_may_be_missing(tmp_path):
    store = WindowStore.write(tmp_path / "store", SPEC, make_windows(labels=()))
    assert store.label_names == ()
    assert (np.asarray(store.labels) == -1).all()
    assert store[0].label is None


def test_negative_and_outside_indices_behave_as_in_a_list(store):
    assert store[-1].subject == "s6"
    with pytest.raises(IndexError):
        store[len(store)]


def test_the_arrays_are_plain_npy_files_and_memory_mapped(store):
    np.testing.assert_array_equal(
        np.load(store.path / "accel.npy"), np.asarray(store.modality("accel"))
    )
    assert isinstance(store.modality("accel"), np.memmap)
    assert not store.modality("accel").flags.writeable


def test_a_pickled_store_carries_no_data(store):
    pickled = pickle.dumps(store)
    assert len(pickled) < 1000
    np.testing.assert_array_equal(pickle.loads(pickled)[3].signals["rr"], store[3].signals["rr"])


def failing_windows():
    yield from make_windows(1)
    raise RuntimeError("the disk is gone")


def test_a_failure_leaves_the_old_store_whole_and_nothing_beside_it(store):
    with pytest.raises(RuntimeError):
        WindowStore.write(store.path, SPEC, failing_windows())
    assert [p.name for p in store.path.parent.iterdir()] == ["store"]
    assert len(WindowStore.open(store.path)) == 48


def test_a_store_is_replaced_and_anything_else_is_not(store, tmp_path):
    assert len(WindowStore.write(store.path, SPEC, make_windows(1))) == 8
    assert [p.name for p in store.path.parent.iterdir()] == ["store"]
    (store.path / "notes.md").write_text("mine")
    (store.path / "classes.png").write_bytes(b"of the old windows")
    WindowStore.write(store.path, SPEC, make_windows(1))
    names = {path.name for path in store.path.iterdir()}
    assert "notes.md" in names
    assert "classes.png" not in names
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    with pytest.raises(DataError, match="exists and is no window store; move it away"):
        WindowStore.write(tmp_path / "notes", SPEC, make_windows(1))
    assert (tmp_path / "notes" / "diary.txt").read_text() == "mine"


def one(values=None, **fields):
    return [Window({"rr": np.zeros((1, 5)) if values is None else values}, **fields)]


@pytest.mark.parametrize(
    ("windows", "error", "message"),
    [
        ([], DataError, "there is no window to store"),
        (one(), DataError, "window 0 has no subject; splits are by subject"),
        (
            one(subject="a", label="fly"),
            DataError,
            "unknown label 'fly'; the labels are walk, rest",
        ),
        (one(np.zeros((5, 1)), subject="a"), SpecError, r"window 0 \(subject a\): .*transposed"),
        (one(np.full((1, 5), np.inf), subject="a"), SpecError, "NaN or infinite"),
    ],
)
def test_windows_that_do_not_fit_are_refused(tmp_path, windows, error, message):
    with pytest.raises(error, match=message):
        WindowStore.write(tmp_path / "store", SPEC, windows, label_names=["walk", "rest"])
    assert not any(tmp_path.iterdir())


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: truncate(p / "accel.npy"), "damaged: accel.npy is missing or truncated"),
        (lambda p: (p / "rr.npy").unlink(), "damaged: rr.npy is missing or truncated"),
        (lambda p: (p / "rr.npy").write_bytes(b""), "damaged: rr.npy is missing or truncated"),
        (lambda p: (p / "store.json").write_text("{"), "broken store.json"),
        (lambda p: (p / "store.json").unlink(), "not a window store"),
        (lambda p: edit(p / "store.json", version=99), "format version 99, this program reads 1"),
        (lambda p: edit(p / "store.json", spec={}), "broken store.json"),
        (lambda p: edit(p / "store.json", n=47), r"holds float32 \(48, 3, 16\), expected"),
        (
            lambda p: edit(p / "store.json", label_names=[]),
            "labels.npy points outside the 0 labels",
        ),
    ],
)
def test_a_damaged_store_is_a_clear_error(store, damage, message):
    damage(store.path)
    with pytest.raises(DataError, match=message):
        WindowStore.open(store.path)


MEMORY = """
import sys
import numpy as np
from sensor2llm.signals.normalise import fit_normaliser
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window

channels = (Channel(name="a", unit="V"),)
spec = SignalSpec(modalities=(Modality(name="eeg", channels=channels, steps=4096, rate_hz=4096.0),))
n = int(sys.argv[1])
values = np.ones((1, 4096), np.float32)
store = WindowStore.write(sys.argv[2], spec, (Window({"eeg": values}, "s") for _ in range(n)))
fit_normaliser(store, np.arange(n))
for start in range(0, n, 64):
    store.read(range(start, min(start + 64, n)))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["RssAnon"].split()[0]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_anonymous_memory_does_not_grow_with_the_store(tmp_path):
    def anonymous_kib(n):
        run = [sys.executable, "-c", MEMORY, str(n), str(tmp_path / f"store{n}")]
        return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)

    # 1,024 windows are 16 MiB, eight times that is 128 MiB: the difference stays far below.
    assert anonymous_kib(8192) - anonymous_kib(1024) < 8 * 1024


def test_a_store_keeps_the_ledger_and_one_without_stays_readable(tmp_path):
    ledger = Ledger()
    ledger.read("rows", 7)
    ledger.drop("rows", 7, "without a value")
    windows = list(make_windows())
    store = WindowStore.write(tmp_path / "a", SPEC, windows, ledger=ledger)
    assert store.ledger == ledger
    # The windows are counted where the reader did not.
    assert store.ledger.lines()[1] == f"windows: {len(windows)}, {len(windows)} kept"
    old = json.loads((tmp_path / "a" / "store.json").read_text())
    del old["ledger"]
    (tmp_path / "a" / "store.json").write_text(json.dumps(old))
    assert WindowStore.open(tmp_path / "a").ledger == Ledger()
    for broken in ([], {"rows": 3}, {"rows": {"read": 3}}):
        (tmp_path / "a" / "store.json").write_text(json.dumps({**old, "ledger": broken}))
        with pytest.raises(DataError, match=r"has a broken store\.json"):
            WindowStore.open(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (
            "labels.npy",
            b"\x93NUMPY\x01\x00\x0a\x00{'descr': (",
            "labels.npy is missing or truncated",
        ),
        ("accel.npy", b"\x93NUMPY\x01\x00\xff\xff{", "accel.npy is missing or truncated"),
        ("present.npy", b"", "present.npy is missing or truncated"),
        ("store.json", b'{"version": ' + b"[" * 100_000, "has a broken store.json"),
    ],
)
def test_a_hostile_file_of_a_store_is_one_line(tmp_path, name, content, why):
    WindowStore.write(tmp_path / "s", SPEC, make_windows(people=1), source="x")
    (tmp_path / "s" / name).write_bytes(content)
    with pytest.raises(DataError, match=why):
        WindowStore.open(tmp_path / "s")


def test_an_endless_count_of_a_store_is_one_line(tmp_path):
    WindowStore.write(tmp_path / "s", SPEC, make_windows(people=1), source="x")
    path = tmp_path / "s" / "store.json"
    whole = json.loads(path.read_text())
    for key in ("n", "ledger"):
        meta = dict(whole)
        meta[key] = 1e999 if key == "n" else {"rows": {"read": 1e999}}
        path.write_text(json.dumps(meta))
        with pytest.raises(DataError, match=r"has a broken store\.json"):
            WindowStore.open(tmp_path / "s")


def test_recordings_come_back_and_a_store_without_them_counts_people(tmp_path):
    named = [replace(w, recording=f"day {i % 2}") for i, w in enumerate(make_windows(2))]
    store = WindowStore.write(tmp_path / "named", SPEC, named)
    assert [w.recording for w in store] == [w.recording for w in named]
    assert store.names_recordings
    assert len(np.unique(store.recording_ids)) == 4
    view = ConvertedView(store, {"accel": "accel"}, SPEC.subset(["accel"]))
    np.testing.assert_array_equal(
        view.recording_ids, store.recording_ids[np.asarray(store.present)[:, 0]]
    )
    assert view[0].recording == "day 0"
    plain = WindowStore.write(tmp_path / "plain", SPEC, make_windows(2))
    assert not plain.names_recordings
    assert not (tmp_path / "plain" / "recordings.npy").exists()
    np.testing.assert_array_equal(plain.recording_ids, plain.subject_ids)
    assert plain[0].recording is None
    assert plain.fingerprint != store.fingerprint


def test_recordings_of_stores_side_by_side_stay_apart(tmp_path):
    stores = [
        WindowStore.write(
            tmp_path / name, SPEC, [replace(w, recording="one") for w in make_windows(2)]
        )
        for name in ("a", "b")
    ]
    joined = JoinedStores(stores)
    assert len(np.unique(joined.recording_ids)) == 4
    assert {w.recording for w in joined} == {"one"}


def test_a_recording_that_is_no_name_is_refused(tmp_path):
    window = replace(next(iter(make_windows(1))), recording="a\nb")
    with pytest.raises(DataError, match=r"the recording .* holds a character that is none"):
        WindowStore.write(tmp_path / "store", SPEC, [window])
