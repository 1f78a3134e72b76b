import zipfile
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError

START = 1_759_650_000
NAMES = [f"Acceleration {axis} (m/s^2)" for axis in "xyz"]
TIMES = (
    '"event","experiment time","system time","system time text"\n'
    f'"START",0.000000000E0,{START}.000,"2025-10-05 10:20:00.000 UTC+02:00"\n'
    f'"PAUSE",2.000000000E1,{START + 20}.000,"2025-10-05 10:20:20.000 UTC+02:00"\n'
    f'"START",2.000000000E1,{START + 80}.000,"2025-10-05 10:21:20.000 UTC+02:00"\n'
)


def phyphox_csv(times, names=NAMES, delimiter=",", decimal=".") -> str:
    head = delimiter.join(f'"{name}"' for name in ["Time (s)", *names])
    rows = [delimiter.join(f"{v:.9E}".replace(".", decimal) for v in (t, t / 10, -1, 9.8))
            for t in times]  # fmt: skip
    return "\n".join([head, *rows]) + "\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / {"time": "meta/time.csv", "device": "meta/device.csv"}.get(
            name, f"{name}.csv"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_phyphox_has_the_worlds_time_and_pauses(tmp_path: Path, open_export):
    folder = write(
        tmp_path / "anna", Accelerometer=phyphox_csv(np.arange(3990) / 99.7), time=TIMES,
        device='"property","value"\n', Light='"Time (s)","Illuminance (lx)"\n0.1,5\n',
    )  # fmt: skip
    reading, windows = open_export("phyphox", folder)
    assert (reading.spec["accel"].rate_hz, reading.spec["accel"].units[0]) == (100, "m/s^2")
    starts = [w.start_s - START for w in windows]
    np.testing.assert_allclose(starts, [0, 10, 80, 90], atol=0.02)
    np.testing.assert_allclose(windows[2].signals["accel"][0, 100], 2.1, atol=0.01)
    files = reading.ledger["files"].dropped
    assert files == {"of kinds that are not read": 2, "without a sensor that is read": 1}


@pytest.mark.parametrize(
    ("delimiter", "decimal"), [(",", "."), (";", ","), ("\t", "."), ("\t", ","), (";", ".")]
)
def test_phyphox_writes_its_tables_in_several_ways(tmp_path, open_export, delimiter, decimal):
    names = [f"Gyroscope {axis} (rad/s)" for axis in "xyz"]
    text = phyphox_csv(np.arange(1000) / 100, names, delimiter, decimal)
    reading, [window] = open_export("phyphox", write(tmp_path / "a", Gyroscope=text))
    np.testing.assert_allclose(window.signals["gyro"][:, 50], [0.05, -1, 9.8], rtol=1e-5)
    assert window.start_s == 0
    assert "times from the recording's start" in reading.source


def test_phyphox_zips_are_people_and_rates_are_those_of_the_slowest(tmp_path: Path, open_export):
    for name, rate in (("anna", 200), ("ben", 50)):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr(
                "Linear Accelerometer.csv",
                phyphox_csv(
                    np.arange(11 * rate) / rate, [f"Linear Acceleration {a} (m/s^2)" for a in "xyz"]
                ),
            )
            archive.writestr("meta/time.csv", TIMES)  # fmt: skip
    reading, windows = open_export("phyphox", tmp_path)
    assert reading.spec["linear_acc"].rate_hz == 50
    assert [(w.subject, w.start_s) for w in windows] == [("anna", START), ("ben", START)]
    np.testing.assert_allclose(windows[0].signals["linear_acc"][0, 250], 0.5, atol=1e-3)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"Raw Data": "Zeit (s),Beschleunigung x (m/s^2)\n0,1\n"},
         r"Raw Data\.csv begins with 'Zeit \(s\),Besch.*'; expected 'Time \(s\)' and columns of a"),
        ({"Accelerometer": phyphox_csv([0.0, 0.1]), "time": '"event"\n"START","x",5\n'},
         r"meta/time\.csv: could not convert string to float: 'x'; expected event, experiment ti"),
        ({"Accelerometer": phyphox_csv([0.0, 0.1]), "time": '"event"\n'},
         r"meta/time\.csv: not enough values .*; expected event"),
        ({"Accelerometer": phyphox_csv([0.0]) + "0.1,x,2,3\n"},
         r"Accelerometer\.csv: .*invalid value 'x'.*; expected columns Time \(s\), Acc"),
        ({"Light": '"Time (s)","Illuminance (lx)"\n0.1,5\n'}, r"phyphox hold none of accel, lin"),
    ],
)  # fmt: skip
def test_phyphox_files_of_another_form_are_refused(tmp_path, open_export, files, message):
    with pytest.raises(DataError, match=message):
        open_export("phyphox", write(tmp_path / "a", **files))


def logger_csv(seconds: float, rate: float, columns: str, row: str) -> str:
    stamps = [START * 10**9 + round(i * 1e9 / rate) for i in range(round(seconds * rate))]
    rows = [f"{stamp},{(stamp - START * 10**9) / 1e9},{row}" for stamp in stamps]
    return "\n".join([f"time,seconds_elapsed,{columns}", *rows]) + "\n"


def test_sensor_logger_has_phone_and_watch_in_their_units(tmp_path: Path, open_export):
    folder = write(
        tmp_path / "anna",
        Accelerometer=logger_csv(20, 99.6, "z,y,x", "3,2,1"),
        TotalAcceleration=logger_csv(20, 99.6, "z,y,x", "9.8,0,0"),
        WristMotion=logger_csv(
            20, 50, "rotationRateX,rotationRateY,rotationRateZ,accelerationX,accelerationY,"
            "accelerationZ", "0.1,0.2,0.3,9.80665,0,0",
        ),
        HeartRate=logger_csv(20, 0.2, "bpm", "70"),
        Metadata="version,standardisation,platform version\n3,true,36\n",
        Annotation="time,text\n1,hello\n",
    )  # fmt: skip
    reading, windows = open_export("sensor_logger", folder)
    assert [(m.name, m.rate_hz) for m in reading.spec.modalities] == [
        ("linear_acc", 100), ("accel", 100), ("watch_acc", 50), ("watch_gyro", 50),
        ("heart_rate", 0.2),
    ]  # fmt: skip
    assert [w.start_s for w in windows] == [START, START + 10]
    signals = windows[1].signals
    np.testing.assert_allclose(signals["linear_acc"][:, 9], [1, 2, 3])
    np.testing.assert_allclose(signals["watch_acc"][:, 9], [1, 0, 0])
    np.testing.assert_allclose(signals["watch_gyro"][:, 9], [0.1, 0.2, 0.3], rtol=1e-6)
    assert reading.ledger["files"].dropped == {"of kinds that are not read": 2}


def test_sensor_logger_watches_are_in_g_unless_standardised(tmp_path: Path, open_export):
    columns = "rotationRateX,rotationRateY,rotationRateZ,accelerationX,accelerationY,accelerationZ"
    text = logger_csv(10, 50, columns, "0,0,0,0.5,0,1")
    metadata = "version,standardisation\n3,false\n"
    for files in ({}, {"Metadata": metadata}):
        folder = write(tmp_path / "anna", WristMotion=text, **files)
        _, [window] = open_export("sensor_logger", folder)
        np.testing.assert_allclose(window.signals["watch_acc"][:, 9], [0.5, 0, 1])


def test_a_sensor_slower_than_windows_is_left_out_and_counted(tmp_path: Path, open_export):
    folder = write(
        tmp_path / "anna", Gravity=logger_csv(20, 100, "z,y,x", "9.8,0,0"),
        HeartRate=logger_csv(20, 0.2, "bpm", "70"),
    )  # fmt: skip
    reading, windows = open_export("sensor_logger", folder, window_s=2.0)
    assert (reading.spec.names, len(windows)) == (("gravity",), 10)
    assert reading.ledger["samples"].dropped["of heart_rate, slower than a window is long"] == 4


def test_a_clock_that_jumps_ahead_and_back_is_refused(tmp_path: Path, open_export):
    rows = logger_csv(4, 50, "z,y,x", "9.8,0,0").splitlines()
    ahead = f"{(START + 10**8) * 10**9},0,9.8,0,0"
    text = "\n".join([*rows[:20], ahead, *rows[20:]]) + "\n"
    with pytest.raises(DataError, match="anna: 181 of the samples of 'gravity' are earlier"):
        open_export("sensor_logger", write(tmp_path / "anna", Gravity=text))


def test_sensor_logger_files_of_another_form_are_refused(tmp_path: Path, open_export):
    folder = write(tmp_path / "a", Gyroscope="time,z,y\n1,2,3\n")
    with pytest.raises(DataError, match=r"Gyroscope\.csv: .*'x'.*; expected columns time, x, y, z"):
        open_export("sensor_logger", folder)
    with pytest.raises(DataError, match=r"has no Accelerometer\.csv, Gyroscope\.csv or another"):
        open_export("sensor_logger", write(tmp_path / "b", Location="time,speed\n"))
