"""Ready windows in a .npz: labels and people as texts, units as in CSV, claims before memory."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError, SpecError
from tests.signals.tables.tables import read, windows

STILL = np.tile(np.array([0.01, 0.02, 1.0], np.float32)[None, :, None], (4, 1, 100))


def take(folder: Path, name: str = "walk.npz", **changes) -> list:
    options = {"files": name, "label": None, "subject": {"value": "me"}, "time": None}
    return windows(folder, **{**options, "time": {"column": "t", "unit": "s"}, **changes})


def save(folder: Path, **arrays) -> None:
    np.savez(folder / "walk.npz", **{"accel": STILL, **arrays})


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", "b", "a", "b"], ["a", "b", "a", "b"]),
        ([b"a", b"b", "é".encode(), b" b "], ["a", "b", "é", "b"]),
        ([["a"], ["b"], ["a"], ["b"]], ["a", "b", "a", "b"]),
        ([[b"a"], [b"b"], [b""], [b"b"]], ["a", "b", None, "b"]),
        ([1, 2, 1, 2], ["1", "2", "1", "2"]),
        ([1.0, 2.0, np.nan, 2.0], ["1", "2", None, "2"]),
        (np.array([1, 2, 1, np.nan], np.float32), ["1", "2", "1", None]),
        ([True, False, True, False], ["true", "false", "true", "false"]),
        (["", "b", "a", "b"], [None, "b", "a", "b"]),
    ],
)
def test_labels_are_texts_whatever_they_are_stored_as(tmp_path: Path, labels, expected):
    save(tmp_path, labels=labels)
    assert [w.label for w in take(tmp_path)] == expected


def test_codes_get_the_texts_of_the_description(tmp_path: Path):
    save(tmp_path, labels=[1.0, 2.0, np.nan, 1.0])
    found = [w.label for w in take(tmp_path, labels={1: "walking", 2: "resting"})]
    assert found == ["walking", "resting", None, "walking"]
    save(tmp_path, labels=[True, False, True, False])
    assert {w.label for w in take(tmp_path, labels={True: "on", False: "off"})} == {"on", "off"}
    save(tmp_path, labels=[1, 2, 3, 1])
    with pytest.raises(DataError, match="row 3, column 'labels': unknown label '3'; labels has 1,"):
        take(tmp_path, labels={1: "walking", 2: "resting"})


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ([b"p1", b"p1", b"p2", b"p2"], ["p1", "p1", "p2", "p2"]),
        ([[1], [1], [2], [2]], ["1", "1", "2", "2"]),
        ([1.0, 1.0, 2.0, 2.0], ["1", "1", "2", "2"]),
        (np.array([10, 10, 20, 20], np.int64), ["10", "10", "20", "20"]),
    ],
)
def test_people_are_who_they_are_whatever_they_are_stored_as(tmp_path: Path, people, expected):
    save(tmp_path, subjects=people)
    assert [w.subject for w in take(tmp_path)] == expected


def test_what_is_left_out_is_counted(tmp_path: Path):
    values = STILL.copy()
    values[1, 0, 5] = np.nan
    gyro = np.zeros((4, 1, 100), np.float32)
    gyro[1:3, 0, 0] = np.nan
    save(tmp_path, accel=values, gyro=gyro)
    accel = {"rate_hz": 50, "columns": {"ax": "g", "ay": "g", "az": "g"}}
    modalities = {"accel": accel, "gyro": {"rate_hz": 50, "columns": {"g": "rad/s"}}}
    options = {"files": "*.npz", "label": None, "subject": {"value": "me"}}
    reading, found = read(tmp_path, modalities=modalities, **options)
    assert [sorted(w.signals) for w in found] == [["accel", "gyro"], ["accel"], ["accel", "gyro"]]
    assert reading.ledger["windows"].dropped == {"with NaN in every sensor": 1}
    assert reading.ledger["windows"].changed == {"without gyro, which holds NaN": 1}
    assert (reading.ledger["windows"].read, reading.ledger.unbalanced()) == (4, {})


ONE_HOT = np.eye(2)[[0, 1, 0, 1]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": ONE_HOT}, r"'labels' has shape \(4, 2\), expected \(4,\).*take the argmax"),
        ({"labels": [0.5, 1, 2, 1]}, r"'labels' holds 0\.5 \(float64\); expected texts or whole"),
        ({"labels": [np.inf, 1, 2, 1]}, "'labels' holds inf"),
        ({"labels": [b"\xff"] * 4}, "'labels' holds bytes that are no UTF-8"),
        ({"labels": np.array(["a", 1, None, []], object)}, "'labels' holds Python objects"),
        ({"labels": np.zeros(4, "M8[s]")}, r"'labels' holds datetime64\[s\]; expected numbers or"),
        ({"labels": np.array("a")}, "'labels' is a single value; expected one a window"),
        ({"labels": ["a"]}, "different numbers of windows: accel 4, labels 1"),
        ({"subjects": [1.0, np.nan, 2, 2]}, r"walk\.npz: window 2 has no subject"),
        ({"subjects": np.array([1e8, 1, 2, 2], np.float32)}, r"holds 1e\+08 \(float32\)"),
        ({"subjects": ONE_HOT}, r"'subjects' has shape \(4, 2\)"),
        ({"starts": ["a"] * 4}, "'starts' must hold one number of seconds a window"),
        ({"starts": [0, 1, np.nan, 2]}, "'starts' must hold one number"),
        ({"accel": STILL > 0}, "'accel' holds bool; expected numbers"),
        ({"accel": STILL.astype(str)}, "'accel' holds <U.*; expected numbers"),
        ({"accel": STILL.astype(complex)}, "'accel' holds complex128"),
        ({"accel": STILL * 9.81}, "is said to be in g, .* it looks like m/s"),
        ({"accel": (STILL * 64).astype(np.int16)}, "looks like raw counts of the sensor"),
        ({"accel": np.where(STILL > 0.5, -999, STILL)}, r"-999.*write missing: \[-999\]"),
        ({"accel.unit": "m/s^2"}, r"'accel' in m/s\^2, the spec expects g; convert it"),
        ({"accel.rate_hz": 100.0}, "'accel' at 100 Hz, the spec expects 50 Hz"),
        ({"accel.unit": [1.5]}, r"'accel\.unit' holds 1\.5"),
    ],
)  # fmt: skip
def test_arrays_that_are_not_what_they_should_be(tmp_path: Path, arrays, message):
    save(tmp_path, **arrays)
    with pytest.raises((DataError, SpecError), match=message) as error:
        take(tmp_path)
    assert len(str(error.value)) < 300


def test_a_marker_in_an_array_is_declared(tmp_path: Path):
    values = STILL.copy()
    values[0, 0, 0] = -999
    save(tmp_path, accel=values)
    reading, found = read(
        tmp_path, files="*.npz", label=None, subject={"value": "me"}, missing=[-999]
    )
    assert len(found) == 3
    assert reading.ledger["windows"].dropped == {"with NaN in every sensor": 1}
    assert reading.ledger.lines()[0] == "steps: changed: 1 with a mark of a missing value (-999)"


def header(shape: str, descr: str = "<f4") -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def archive(content: bytes, compression: int = zipfile.ZIP_DEFLATED, names=("accel.npy",)) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as stored:
        for name in names:
            stored.writestr(name, content)
    return stream.getvalue()


GOOD = archive(header("(4, 3, 100)") + STILL.tobytes())
SINGLE = io.BytesIO()
np.save(SINGLE, STILL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "walk.npz is empty"),
        (b"nothing of the kind", "cannot be read as .npz, is it truncated"),
        (SINGLE.getvalue(), r"it is a single array \(\.npy\); numpy\.savez writes one"),
        (GOOD[:-30], "cannot be read as .npz, is it truncated"),
        (archive(b""), "cannot be read as .npz, is it truncated"),
        (archive(header("(10000000000, 3, 100)")), "'accel' claims .*12000000000000 bytes"),
        (archive(header("(4, 3, 100)")), "'accel' claims float32 .* there are 128"),
        (archive(header("(-4, 3, 100)") + STILL.tobytes()), "cannot be read as .npz"),
        (archive(header("(4, 3, 100)", "|O") + b"."), "'accel' holds Python objects"),
        (archive(header("(" * 3000 + ")" * 3000)), "cannot be read as .npz, is it truncated"),
        (GOOD.replace(b"\x08\x00", b"\x63\x00"), "cannot be read as .npz, is it truncated"),
    ],
)  # fmt: skip
def test_a_broken_or_hostile_archive_is_refused_in_one_line(tmp_path: Path, content, message):
    (tmp_path / "walk.npz").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        take(tmp_path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("at", [41, 48, 60, 75])
def test_broken_compression_is_refused_in_one_line(tmp_path: Path, method, at):
    noise = np.random.default_rng(0).standard_normal(STILL.shape).astype(np.float32)
    content = bytearray(archive(header("(4, 3, 100)") + noise.tobytes(), method))
    content[at : at + 4] = b"\xff\xfe\xfd\xfc"
    (tmp_path / "walk.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read as \.npz, is it truncated"):
        take(tmp_path)


def test_zeros_that_unpack_to_gigabytes_are_refused_before_they_do(tmp_path: Path):
    content = archive(header("(120000, 3, 100)") + bytes(144_000_000))
    assert len(content) < 200_000
    (tmp_path / "walk.npz").write_bytes(content)
    with pytest.raises(DataError, match="and at most 134217728 are read from a file of this size"):
        take(tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_an_array_that_is_there_twice_is_refused(tmp_path: Path):
    names = ("accel.npy", "accel.npy")
    content = archive(header("(4, 3, 100)") + STILL.tobytes(), names=names)
    (tmp_path / "walk.npz").write_bytes(content)
    with pytest.raises(DataError, match="holds 'accel' twice; write it again"):
        take(tmp_path)


def test_an_archive_with_a_password_is_refused(tmp_path: Path):
    # The flag of encryption, in the local and in the central header.
    locked = bytearray(GOOD)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + at] |= 1
    (tmp_path / "walk.npz").write_bytes(locked)
    with pytest.raises(DataError, match="is encrypted, password required"):
        take(tmp_path)


def test_a_good_archive_of_every_kind_is_read(tmp_path: Path):
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        content = archive(header("(4, 3, 100)") + STILL.tobytes(), method)
        (tmp_path / "walk.npz").write_bytes(content)
        np.testing.assert_array_equal(take(tmp_path)[3].signals["accel"], STILL[3])
