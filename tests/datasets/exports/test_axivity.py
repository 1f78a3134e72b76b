from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.exports.cwa import BLOCK, HEADER_BYTES
from sensor2llm.errors import DataError

START = datetime(2019, 12, 23, 21, 4, 6, tzinfo=UTC).timestamp()
RATE_100, RATE_50 = 0x0A | 0x40, 0x09 | 0x40  # 3200 / 2^(15 - 10) Hz, +-8 g


def packed_time(second: float) -> int:
    t = datetime.fromtimestamp(second, UTC)
    return ((t.year - 2000) << 26 | t.month << 22 | t.day << 17 | t.hour << 12
            | t.minute << 6 | t.second)  # fmt: skip


def block(second: float, data: np.ndarray, kind: int, *, scale=0, offset=0, rate=RATE_100) -> bytes:
    """Write a block of samples whose fraction of a second is in its time, as cwa.h has it."""
    row = np.zeros(1, BLOCK)
    whole = int(second)
    fraction = round((second - whole) * 32768)
    row["mark"], row["length"], row["rate"], row["format"] = b"AX", 508, rate, kind
    row["time"], row["fraction"], row["scale"] = packed_time(whole), fraction | 0x8000, scale
    hz = 3200 >> (15 - (rate & 15))
    row["offset"], row["count"] = offset - int(fraction / 32768 * hz), len(data)
    raw = data.tobytes()
    row["data"][0, : len(raw)] = np.frombuffer(raw, np.uint8)
    total = int(row.view("<u2").sum(dtype=np.uint32)) & 0xFFFF
    row["checksum"] = -total & 0xFFFF
    return row.tobytes()


def packed(x: np.ndarray, y: int, z: int, exponent: int = 0) -> np.ndarray:
    """Pack three values of 10 bits and their exponent."""
    words = [(int(v) & 1023) | (y & 1023) << 10 | (z & 1023) << 20 | exponent << 30 for v in x]
    return np.array(words, "<u4")


def write_cwa(path: Path, blocks: list[bytes]) -> Path:
    path.write_bytes(b"MD" + bytes(HEADER_BYTES - 2) + b"".join(blocks))
    return path


def packed_blocks(count: int, start: float = START + 0.5) -> list[bytes]:
    times = start + 1.2 * np.arange(count)
    return [block(t, packed(np.full(120, i), -256, 255)
                  , 0x30) for i, t in enumerate(times)]  # fmt: skip


def test_packed_samples_become_g_at_their_times(tmp_path: Path, open_export):
    path = write_cwa(tmp_path / "anna.cwa", packed_blocks(20))
    reading, windows = open_export("axivity", path)
    assert reading.spec["accel"].rate_hz == 100
    np.testing.assert_allclose([w.start_s - START for w in windows], [0.5, 10.5], atol=1e-3)
    np.testing.assert_allclose(windows[0].signals["accel"][:, 130], [1 / 256, -1, 255 / 256])
    assert reading.ledger["samples"].read == 2400
    assert "times as the device's clock shows them" in reading.source


def test_an_exponent_shifts_all_three_axes(tmp_path: Path, open_export):
    blocks = [block(START + 1.2 * i, packed(np.full(120, -3), 5, 100, 2), 0x30) for i in range(9)]
    _, [window] = open_export("axivity", write_cwa(tmp_path / "a.cwa", blocks))
    np.testing.assert_allclose(window.signals["accel"][:, 9] * 256, [-12, 20, 400])


def test_an_ax6_has_its_gyroscope_first_and_scales_of_its_own(tmp_path: Path, open_export):
    row = np.array([[16384, -8192, 0, 4096, -2048, 0]] * 40, "<i2")
    scale = 4 << 13 | 2 << 10  # 1/4096 g, 2000 deg/s
    blocks = [block(START + 0.4 * i, row, 0x62, scale=scale) for i in range(26)]
    _, [window] = open_export("axivity", write_cwa(tmp_path / "a.cwa", blocks))
    np.testing.assert_allclose(window.signals["accel"][:, 7], [1, -0.5, 0])
    np.testing.assert_allclose(window.signals["gyro"][:, 7], [1000, -500, 0])


def test_the_time_holds_at_the_sample_that_the_block_names(tmp_path: Path, open_export):
    blocks = [block(START + 1.2 * i, packed(np.arange(120), 0, 256 - 1), 0x30, offset=30)
              for i in range(9)]  # fmt: skip
    _, [window] = open_export("axivity", write_cwa(tmp_path / "a.cwa", blocks))
    np.testing.assert_allclose(window.start_s, START - 0.3, atol=1e-4)


def test_blocks_that_drift_are_spread_and_a_jump_of_the_clock_starts_afresh(
    tmp_path: Path, open_export
):
    drifting = [block(START + 1.23 * i, packed(np.full(120, i), 0, 255), 0x30) for i in range(9)]
    later = packed_blocks(9, START + 100)
    path = write_cwa(tmp_path / "a.cwa", drifting + later + packed_blocks(1, START + 50))
    reading, windows = open_export("axivity", path)
    assert [round(w.start_s - START, 3) for w in windows] == [0, 100]
    ramp = windows[0].signals["accel"][0] * 256
    np.testing.assert_allclose(ramp[[61, 123 + 61, 8 * 123 + 10]], [0, 1, 8], atol=1e-4)
    counts = reading.ledger["samples"]
    assert counts.dropped["with an earlier time stamp than one before"] == 120
    assert counts.changed["after a pause of all sensors, where windows start afresh"] == 1


def test_a_broken_block_is_left_out_and_counted(tmp_path: Path, open_export):
    blocks = packed_blocks(20)
    blocks[3] = blocks[3][:100] + bytes([blocks[3][100] ^ 1]) + blocks[3][101:]
    path = write_cwa(tmp_path / "a.cwa", [*blocks, blocks[0][:77]])
    reading, windows = open_export("axivity", path)
    np.testing.assert_allclose([w.start_s - START for w in windows], [5.3], atol=1e-3)
    assert reading.ledger["blocks"].dropped == {"with a wrong checksum, or without a time": 2}


def test_a_block_whose_date_is_none_is_left_out_and_counted(tmp_path: Path, open_export):
    blocks = packed_blocks(20)
    row = np.frombuffer(blocks[19], BLOCK).copy()
    row["time"] &= ~np.uint32(15 << 22)  # the month 0
    row["checksum"] = 0
    row["checksum"] = -int(row.view("<u2").sum(dtype=np.uint32)) & 0xFFFF
    path = write_cwa(tmp_path / "a.cwa", [*blocks[:19], row.tobytes()])
    reading, windows = open_export("axivity", path)
    assert len(windows) == 2
    assert reading.ledger["samples"].dropped["without a value or a time"] == 120


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"AX" * 600, r"a\.cwa begins with b'AXAX'; expected a \.cwa, with 'MD'"),
        (b"MD" + bytes(HEADER_BYTES - 2) + block(START, np.zeros(9, "<u4"), 0x93),
         r"a block has 9 samples of format 0x93; expected an AX3's or an AX6's"),
    ],
)  # fmt: skip
def test_a_cwa_of_another_form_is_refused(tmp_path: Path, open_export, raw, message):
    (tmp_path / "a.cwa").write_bytes(raw)
    with pytest.raises(DataError, match=message):
        open_export("axivity", tmp_path / "a.cwa")


def test_a_csv_has_six_values_or_three(tmp_path: Path, open_export):
    rows = [f"{START + i / 100:.4f},0.5,-1,0.25,10,20,30" for i in range(1000)]
    (tmp_path / "p1.csv").write_text("\n".join(rows))
    reading, [window] = open_export("axivity", tmp_path / "p1.csv")
    assert (reading.spec["gyro"].units[0], window.start_s) == ("deg/s", START)
    np.testing.assert_allclose(window.signals["gyro"][:, 3], [10, 20, 30])
    (tmp_path / "p1.csv").write_text("\n".join(row.rpartition(",10")[0] for row in rows))
    reading, _ = open_export("axivity", tmp_path / "p1.csv")
    assert reading.spec.names == ("accel",)


@pytest.mark.parametrize(
    ("name", "first", "third"),
    [
        ("ax3_testfile_unix_timestamps.csv", 1551178506.0, [0.875, -0.390625, -0.390625]),
        ("ax6_testfile_formatted_timestamps.csv", START + 0.69, [0.007813, 0.068359, 0.001953]),
    ],
)
def test_genuine_csv_files_are_read(device_files, open_export, name, first, third):
    reading, windows = open_export("axivity", device_files / name, window_s=1.0)
    assert reading.spec["accel"].rate_hz == 100
    assert (windows[0].start_s, len(windows)) == (pytest.approx(first, abs=1e-6), 2)
    np.testing.assert_allclose(windows[0].signals["accel"][:, 2], third, atol=0.01)
    lines = (device_files / name).read_text().splitlines()
    assert reading.ledger["samples"].read == len(lines) * len(reading.spec.names)


def test_genuine_epochs_have_the_start_and_the_rate_of_their_first_line(device_files, open_export):
    reading, windows = open_export("axivity", device_files / "ukbiobank.csv")
    assert (reading.spec["enmo"].rate_hz, reading.spec["enmo"].units) == (0.2, ("mg",))
    assert windows[0].start_s == datetime(2014, 12, 8, 10, tzinfo=UTC).timestamp()
    np.testing.assert_allclose(windows[0].signals["enmo"][0, :2], [0.2, 0])
    assert reading.ledger["samples"].read == 502


def test_epochs_that_were_imputed_are_missing(tmp_path: Path, open_export):
    head = "acceleration (mg) - 2014-12-08 10:00:00 - 2014-12-15 09:59:55 - sampleRate = 5 seconds"
    rows = [f"{i},{int(30 <= i < 40)}" for i in range(70)]
    (tmp_path / "p1.csv").write_text("\n".join([f"{head},imputed", *rows]))
    reading, windows = open_export("axivity", tmp_path / "p1.csv")
    assert [w.signals["enmo"][0, 0] for w in windows] == [0, 40]
    assert reading.ledger["samples"].changed["that were imputed, taken as missing"] == 10


def test_epochs_without_a_start_are_refused(tmp_path: Path, open_export):
    head = "acceleration (mg) - 2014-12-48 10:00:00 - 2014-12-15 09:59:55 - sampleRate = 5 seconds"
    (tmp_path / "p1.csv").write_text(f"{head},imputed\n1,0\n")
    with pytest.raises(DataError, match=r"p1\.csv: its first line has the start '2014-12-48 10:00"):
        open_export("axivity", tmp_path / "p1.csv")


def test_a_csv_with_a_header_is_refused(tmp_path: Path, open_export):
    (tmp_path / "p1.csv").write_text("time,x,y,z\n1551178506,1,2,3\n")
    with pytest.raises(DataError, match=r"p1\.csv begins with 'time,x,y,z'; expected a time and"):
        open_export("axivity", tmp_path / "p1.csv")


def test_labels_of_a_local_clock_are_taken_as_it_showed_them(tmp_path: Path, open_export):
    rows = [f"{START + i / 100:.4f},0.5,-1,0.25" for i in range(3000)]
    (tmp_path / "p1.csv").write_text("\n".join(rows))
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "start,end,label\n2019-12-23 21:04:06,2019-12-23 21:04:16,walk\n"
        "2019-12-23T21:04:16+05:00,2019-12-23T21:04:26+05:00,rest\n"
    )
    _, windows = open_export("axivity", tmp_path / "p1.csv", labels=labels)
    assert [w.label for w in windows] == ["walk", "rest", None]
