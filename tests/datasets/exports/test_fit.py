import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import ConfigError, DataError

START = 1_714_543_200
EPOCH = 631_065_600  # FIT counts from the end of 1989
UINT8, UINT16, UINT32, ENUM = 0x02, 0x84, 0x86, 0x00
CODES = {UINT8: "B", UINT16: "H", UINT32: "I", ENUM: "B"}
CRC = (0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
       0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400)  # fmt: skip


def crc(raw: bytes) -> int:
    value = 0
    for byte in raw:
        for nibble in (byte & 15, byte >> 4):
            value = (value >> 4) ^ CRC[value & 15] ^ CRC[nibble]
    return value


def message(number: int, rows: list[list[tuple[int, int, int, int]]]) -> bytes:
    """Write a definition and its data: fields of number, type, size of the array, value."""
    fields = rows[0]
    head = struct.pack("<BBBHB", 0x40, 0, 0, number, len(fields))
    for field, kind, count, _ in fields:
        head += struct.pack("BBB", field, struct.calcsize(CODES[kind]) * count, kind)
    body = b""
    for row in rows:
        body += b"\0"
        for _, kind, count, value in row:
            values = value if count > 1 else [value]
            body += struct.pack(f"<{count}{CODES[kind]}", *values)
    return head + body


def write(path: Path, *messages: bytes) -> Path:
    file_id = message(0, [[(0, ENUM, 1, 4), (4, UINT32, 1, START - EPOCH)]])
    data = file_id + b"".join(messages)
    head = struct.pack("<BBHI4s", 14, 0x20, 2132, len(data), b".FIT")
    raw = head + struct.pack("<H", crc(head)) + data
    path.write_bytes(raw + struct.pack("<H", crc(raw)))
    return path


def records(seconds, bpm=lambda s: 60 + s % 7) -> bytes:
    """Write a record a second: time, heart rate, power."""
    return message(20, [[(253, UINT32, 1, START + s - EPOCH), (3, UINT8, 1, bpm(s)),
                         (7, UINT16, 1, 200 + s)] for s in seconds])  # fmt: skip


def test_records_become_a_step_a_second(tmp_path: Path, open_export):
    reading, windows = open_export("fit", write(tmp_path / "anna.fit", records(range(125))))
    assert [(m.name, m.units, m.steps) for m in reading.spec.modalities] == [
        ("heart_rate", ("bpm",), 60), ("power", ("W",), 60),
    ]  # fmt: skip
    assert [(w.subject, w.start_s - START) for w in windows] == [("anna", 0), ("anna", 60)]
    np.testing.assert_allclose(windows[1].signals["power"][0], 260 + np.arange(60))
    np.testing.assert_allclose(windows[0].signals["heart_rate"][0, :3], [60, 61, 62])


def test_smart_recording_is_bridged_up_to_ten_seconds(tmp_path: Path, open_export):
    path = write(tmp_path / "a.fit", records([*range(0, 100, 8), *range(120, 200)], lambda s: 70))
    _, windows = open_export("fit", path)
    assert [w.start_s - START for w in windows] == [0, 120]


def test_beats_follow_each_other_from_the_record_before_them(tmp_path: Path, open_export):
    beats = [[(0, UINT16, 5, [800, 800, 800, 0xFFFF, 0xFFFF])] for _ in range(40)]
    path = write(tmp_path / "a.fit", records(range(2)), message(78, beats))
    reading, windows = open_export("fit", path, window_s=10.0)
    assert reading.spec["rr"].units == ("ms",)
    assert windows == []
    outside = "where no sensor with a clock of its own measured"
    assert reading.ledger["samples"].dropped[outside] == 119


def test_beats_alone_are_windows_of_sixty(tmp_path: Path, open_export):
    beats = [[(0, UINT16, 5, [800 + i, 800, 800, 0xFFFF, 0xFFFF])] for i in range(40)]
    event = message(21, [[(253, UINT32, 1, START - EPOCH), (0, ENUM, 1, 0), (1, ENUM, 1, 0)]])
    _, windows = open_export("fit", write(tmp_path / "a.fit", event, message(78, beats)))
    assert [round(w.start_s - START) for w in windows] == [0, 48]
    np.testing.assert_allclose(windows[0].signals["rr"][0, :6], [800, 800, 800, 801, 800, 800])


def test_monitoring_has_sixteen_bits_of_the_time(tmp_path: Path, open_export):
    first = message(55, [[(253, UINT32, 1, START - EPOCH), (27, UINT8, 1, 60)]])
    low = [[(26, UINT16, 1, (START + s - EPOCH) & 0xFFFF), (27, UINT8, 1, 60 + s)]
           for s in range(8, 130, 8)]  # fmt: skip
    _, windows = open_export("fit", write(tmp_path / "a.fit", first, message(55, low)))
    assert [w.start_s - START for w in windows] == [0, 60]
    np.testing.assert_allclose(windows[0].signals["heart_rate"][0, [0, 8, 12]], [60, 68, 72])


def test_the_genuine_activity_has_what_its_records_say(device_files, open_export):
    path = device_files / "sample-activity-indoor-trainer.fit"
    reading, windows = open_export("fit", path)
    assert reading.spec.names == ("heart_rate", "cadence", "power", "altitude")
    assert windows[0].start_s == 1320238459  # 2011-11-02 12:54:19, its file_id's time
    assert len(windows) == 37
    signals = windows[0].signals
    assert [signals[name][0, 0] for name in ("heart_rate", "cadence", "power")] == [81, 56, 102]


def test_the_genuine_activity_without_a_heart_is_too_short(device_files, open_export):
    reading, windows = open_export("fit", device_files / "Activity.fit", window_s=10.0)
    assert (reading.spec.names, len(windows)) == (("speed", "altitude"), 1)
    np.testing.assert_allclose(windows[0].signals["altitude"][0, 0], 278.2, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("invalid_activity-filecrc.fit", "FitCRCError"),
        ("invalid_activity-settings-corruptheader.fit", "FitHeaderError"),
        ("invalid_activity-unexpected-eof.fit", "FitEOFError"),
    ],
)
def test_genuine_broken_files_are_refused(device_files, open_export, name, fault):
    with pytest.raises(DataError, match=rf"{name} is damaged \({fault}: .*copy it from the device"):
        open_export("fit", device_files / name)


def test_a_monitoring_file_without_a_heart_rate_says_so(device_files, open_export):
    with pytest.raises(DataError, match=r"MonitoringFile\.fit: 1 files of fit hold none of heart_"):
        open_export("fit", device_files / "MonitoringFile.fit")


def test_what_is_missing_is_named(tmp_path: Path, open_export, monkeypatch):
    monkeypatch.setitem(sys.modules, "fitdecode", None)
    with pytest.raises(ConfigError, match=r"needs fitdecode: pip install 'sensor2llm\[fit\]'"):
        open_export("fit", write(tmp_path / "a.fit", records(range(3))))
