import re
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.exports.gt3x import unpack
from sensor2llm.errors import DataError

START = 1_598_436_540  # 2020-08-26 10:09:00 on the device's clock
# The example of the published format: three samples of y, x, z.
EXAMPLE = bytes.fromhex("00 60 08 EB D0 07 00 9E BF 00 70 08 EB F0")
INFO = "Serial Number: {serial}\nSample Rate: 30\n{lines}Start Date: 637340333400000000\n"


def record(kind: int, second: int, payload: bytes) -> bytes:
    """Write a log record: separator, type, time, size, payload, checksum."""
    body = struct.pack("<BBIH", 0x1E, kind, second, len(payload)) + payload
    xor = 0
    for byte in body:
        xor ^= byte
    return body + bytes([~xor & 0xFF])


def write_gt3x(path: Path, log: bytes, serial: str = "MOS2E000", lines: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("info.txt", INFO.format(serial=serial, lines=lines))
        archive.writestr("log.bin", log)
    return path


def seconds_of(count: int, first: int = START) -> list[bytes]:
    """Write seconds whose x counts them, y is -64 and z 256."""
    rows = [np.array([[i, -64, 256]] * 30, "<i2").tobytes() for i in range(count)]
    return [record(26, first + i, row) for i, row in enumerate(rows)]


HEADER = """------ Data File Created By ActiGraph wGT3XBT ActiLife v6.13.3 {form}{rate} -----------
Serial Number: MOS2D00000000
Start Time 21:35:00
Start Date {start}
Epoch Period (hh:mm:ss) {epoch}
Download Time 18:59:15
Download Date {download}
Current Memory Address: 0
Current Battery Voltage: 4.03     Mode = 13
--------------------------------------------------
"""


def write_csv(path: Path, rows: list[str], **fields: str) -> Path:
    values = {"form": "date format M/d/yyyy", "rate": "", "start": "8/15/2016", "epoch": "00:00:05",
             "download": "8/24/2016", **fields}  # fmt: skip
    path.write_text(HEADER.format(**values) + "\n".join(rows) + "\n")
    return path


def test_values_of_twelve_bits_are_those_of_the_published_example():
    y, x, z = unpack(EXAMPLE)[:9].reshape(3, 3).T
    assert (y.tolist(), x.tolist(), z.tolist()) == ([6, 7, 7], [8, 9, 8], [-323, -321, -321])


def test_many_records_are_taken_in_batches(tmp_path: Path, open_export, monkeypatch):
    path = write_gt3x(tmp_path / "a.gt3x", b"".join(seconds_of(20)))
    _, whole = open_export("actigraph", path)
    monkeypatch.setattr("sensor2llm.datasets.exports.gt3x.BATCH_RECORDS", 3)
    monkeypatch.setattr("sensor2llm.datasets.exports.gt3x.CHUNK_BYTES", 70)
    _, batched = open_export("actigraph", path)
    for one, other in zip(whole, batched, strict=True):
        np.testing.assert_array_equal(one.signals["accel"], other.signals["accel"])


def test_records_of_both_kinds_become_g_in_the_order_x_y_z(tmp_path: Path, open_export):
    packed = EXAMPLE[:9] * 15
    log = [*seconds_of(10), *(record(0, START + 10 + i, packed) for i in range(10))]
    path = write_gt3x(tmp_path / "anna.gt3x", b"".join(log), lines="Acceleration Scale: 256.0\n")
    reading, windows = open_export("actigraph", path)
    assert reading.spec["accel"].rate_hz == 30
    assert [(w.subject, w.start_s - START) for w in windows] == [("anna", 0), ("anna", 10)]
    first, second = (w.signals["accel"] for w in windows)
    np.testing.assert_allclose(first[:, 45], [1 / 256, -0.25, 1], atol=1e-6)
    np.testing.assert_allclose(second[:, 0] * 256, [8, 6, -323], atol=1e-4)
    assert "times as the device's clock shows them" in reading.source


@pytest.mark.parametrize(
    ("serial", "lines", "counts_per_g"),
    [
        ("NEO1C161", "", 341),
        ("TAS1D481", "", 256),
        ("NEO1C161", "Acceleration Scale: 128,0\n", 128),
    ],
)
def test_the_scale_is_the_files_or_the_devices(tmp_path, open_export, serial, lines, counts_per_g):
    path = write_gt3x(tmp_path / "a.gt3x", b"".join(seconds_of(10)), serial, lines)
    _, [window] = open_export("actigraph", path)
    np.testing.assert_allclose(window.signals["accel"][2], 256 / counts_per_g, rtol=1e-6)


@pytest.mark.parametrize(("zone", "hours"), [("02:00:00", 2), ("-05:00:00", -5)])
def test_a_zone_in_the_file_makes_times_utc(tmp_path: Path, open_export, zone, hours):
    log = b"".join(seconds_of(10))
    path = write_gt3x(tmp_path / "a.gt3x", log, lines=f"TimeZone: {zone}\n")
    reading, [window] = open_export("actigraph", path)
    assert window.start_s == START - 3600 * hours
    assert "times in UTC" in reading.source


def test_other_records_are_passed_over_and_a_broken_one_is_counted(tmp_path: Path, open_export):
    log = seconds_of(25)
    broken = bytearray(log[12])
    broken[20] ^= 1
    log[12] = bytes(broken) + bytes(3)  # zeros between records are allowed
    log = [record(6, START, b'{"JSON": 1}'), record(26, START, b"\1"), *log, log[0][:20]]
    reading, windows = open_export("actigraph", write_gt3x(tmp_path / "a.gt3x", b"".join(log)))
    assert [w.start_s - START for w in windows] == [0, 13]
    assert reading.ledger["records"].dropped == {"with a wrong checksum, or cut off": 2}
    assert reading.ledger["records"].read == 28


def test_the_genuine_gt3x_begins_where_its_info_says_and_rests_at_one_g(device_files, open_export):
    path = device_files / "actigraph_testfile.gt3x"
    with zipfile.ZipFile(path) as archive:
        info = dict(re.findall(r"(.+?): (.*?)\r?\n", archive.read("info.txt").decode()))
    reading, windows = open_export("actigraph", path)
    ticks = int(info["Start Date"]) / 1e7 - 62_135_596_800
    assert windows[0].start_s == ticks - 2 * 3600
    assert info["TimeZone"] == "02:00:00"
    assert reading.spec["accel"].rate_hz == float(info["Sample Rate"])
    assert reading.ledger["records"].dropped == {}
    assert reading.ledger["samples"].read == 588 * 30
    norms = [np.linalg.norm(w.signals["accel"], axis=0) for w in windows]
    assert 0.9 < np.median(norms) < 1.1


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"activity.bin": "", "info.txt": ""},
            r"no info\.txt and log\.bin; it is of the older",
        ),
        ({"log.bin": "", "info.txt": "Sample Rate: 0\n"}, r"info\.txt has Sample Rate '0' and Acc"),
    ],
)
def test_a_gt3x_of_another_form_is_refused(tmp_path: Path, open_export, entries, message):
    with zipfile.ZipFile(tmp_path / "a.gt3x", "w") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    with pytest.raises(DataError, match=message):
        open_export("actigraph", tmp_path / "a.gt3x")


def test_what_is_no_zip_is_no_gt3x(tmp_path: Path, open_export):
    (tmp_path / "a.gt3x").write_bytes(b"0" * 100)
    with pytest.raises(DataError, match=r"a\.gt3x is no \.gt3x \(File is not a zip file\)"):
        open_export("actigraph", tmp_path / "a.gt3x")


def test_counts_without_names_are_an_epoch_a_step(tmp_path: Path, open_export):
    rows = [f"{i},{2 * i},{3 * i},7,0" for i in range(45)]
    reading, windows = open_export("actigraph", write_csv(tmp_path / "p1.csv", rows))
    counts = reading.spec["counts"]
    assert (counts.rate_hz, counts.steps, reading.spec.window_s) == (0.2, 20, 100)
    start = datetime(2016, 8, 15, 21, 35, tzinfo=UTC).timestamp()
    assert [w.start_s - start for w in windows] == [0, 100]
    np.testing.assert_allclose(windows[1].signals["counts"][:, 0], [20, 40, 60])


def test_raw_files_have_the_rate_of_their_first_line(tmp_path: Path, open_export):
    rows = ["Accelerometer X,Accelerometer Y,Accelerometer Z", *["-0.182,0.5,0.962"] * 1000]
    path = write_csv(tmp_path / "p1.csv", rows, rate=" at 100 Hz", epoch="00:00:00")
    reading, [window] = open_export("actigraph", path)
    assert reading.spec["accel"].shape == (3, 1000)
    np.testing.assert_allclose(window.signals["accel"][:, 5], [-0.182, 0.5, 0.962], atol=1e-6)


def test_times_in_the_lines_are_taken_and_dates_in_the_other_order_counted(
    tmp_path: Path, open_export
):
    rows = ["TimeStamp,axis1,axis2,axis3,steps"]
    rows += [f"2017-09-12T15:00:{i:02d}Z,{i},0,0,1" for i in range(40)]
    path = write_csv(
        tmp_path / "p1.csv", rows, form="date format dd/MM/yyyy", start="09-12-2017",
        download="09-19-2017", epoch="00:00:01",
    )  # fmt: skip
    reading, windows = open_export("actigraph", path)
    start = datetime(2017, 9, 12, 15, tzinfo=UTC).timestamp()
    assert [w.start_s - start for w in windows] == [0, 20]
    assert reading.ledger["files"].changed == {
        "whose dates are in another order than their header says": 1
    }


@pytest.mark.parametrize("names", [["Timestamp,Accelerometer X,Accelerometer Y,Z"], []])
def test_raw_times_in_american_order_are_read(tmp_path: Path, open_export, names):
    rows = [*names]
    rows += [f"8/16/2016 9:00:{i // 30:02d}.{i % 30 * 1000 // 30:03d},0,0,1" for i in range(400)]
    path = write_csv(tmp_path / "p1.csv", rows, rate=" at 30 Hz", epoch="00:00:00")
    reading, [window] = open_export("actigraph", path)
    assert reading.spec["accel"].rate_hz == 30
    assert window.start_s == datetime(2016, 8, 16, 9, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "epoch_s", "start", "third"),
    [
        ("ActiGraph13.csv", 15, datetime(2013, 8, 26, 9, tzinfo=UTC), [0, 0, 0]),
        ("ActiGraph61.csv", 5, datetime(2016, 8, 15, 21, 35, tzinfo=UTC), [4, 47, 153]),
        ("ActiGraph13_timestamps_headers.csv", 1, datetime(2017, 9, 12, 15, tzinfo=UTC),
         [113, 9, 29]),
    ],
)  # fmt: skip
def test_genuine_counts_are_those_of_their_lines(
    device_files, open_export, name, epoch_s, start, third
):
    reading, windows = open_export("actigraph", device_files / name)
    assert reading.spec["counts"].rate_hz == pytest.approx(1 / epoch_s)
    assert windows[0].start_s == start.timestamp()
    np.testing.assert_allclose(windows[0].signals["counts"][:, 2], third)
    lines = (device_files / name).read_text().splitlines()[10:]
    rows = [line for line in lines if line[:4] != "Time"]
    assert reading.ledger["samples"].read == len(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Start Date", "Begin"), r"p1\.csv begins with '------ Data .*; expected the ten lines"),
        (("00:00:05", "00:00:00"), r"neither an Epoch Period above 0 nor a rate"),
        (("8/15/2016", "38/15/2016"), r"Start Date '38/15/2016' and Start Time '21:35:00' are no"),
        (("1,2,3,4", "1,2"), r"it has the columns column 0, column 1; expected three axes"),
        (("5,6,7,8", "5,x,7,8"), r"p1\.csv: .*invalid value 'x'.*expected columns column 0"),
    ],
)
def test_a_csv_of_another_form_is_refused(tmp_path: Path, open_export, change, message):
    path = write_csv(tmp_path / "p1.csv", ["1,2,3,4", "5,6,7,8"])
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(DataError, match=message):
        open_export("actigraph", path)


def test_a_time_that_is_none_is_refused(tmp_path: Path, open_export):
    rows = ["Timestamp,axis1,axis2,axis3", "soon,1,2,3"]
    with pytest.raises(DataError, match=r"p1\.csv: a time is none: .*soon"):
        open_export("actigraph", write_csv(tmp_path / "p1.csv", rows))


def test_files_of_a_person_have_one_clock(tmp_path: Path, open_export):
    (tmp_path / "anna").mkdir()
    write_csv(tmp_path / "anna" / "a.csv", ["1,2,3"] * 40)
    log = b"".join(seconds_of(10))
    write_gt3x(tmp_path / "anna" / "b.gt3x", log, lines="TimeZone: 02:00:00\n")
    with pytest.raises(DataError, match="anna: one file has the clock 'local', another 'utc'"):
        open_export("actigraph", tmp_path)
