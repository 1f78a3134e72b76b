"""From a device's export to minutes a label a day: two commands, no code, a released adapter."""

import logging
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.classify import main as classify
from sensor2llm.prepare import main as prepare

START = 1_759_650_000
"""2025-10-05, 7:40 UTC."""
NAMES = {"Accelerometer": "Acceleration {} (m/s^2)", "Gyroscope": "Gyroscope {} (rad/s)",
         "Linear Accelerometer": "Linear Acceleration {} (m/s^2)",
         "Magnetometer": "Magnetic field {} (µT)"}  # fmt: skip
WALK = "total_acc=accel body_acc=linear_acc body_gyro=gyro"


def motion(seconds: float, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = np.sin(2 * np.pi * 1.9 * times)
    return times, np.stack([9.81 + 2 * wave, wave, 0.5 * wave])


@pytest.fixture
def phone(tmp_path: Path, monkeypatch) -> Path:
    """Write what phyphox exports: a file a sensor, and when it was started."""
    monkeypatch.chdir(tmp_path)
    times, values = motion(20.6, 100)
    for file, name in NAMES.items():
        head = ",".join(f'"{cell}"' for cell in ["Time (s)", *map(name.format, "xyz")])
        rows = (",".join(f"{cell:.6E}" for cell in (time, *axes))
                for time, axes in zip(times, values.T, strict=True))  # fmt: skip
        (tmp_path / "anna").mkdir(exist_ok=True)
        (tmp_path / "anna" / f"{file}.csv").write_text("\n".join([head, *rows]) + "\n")
    (tmp_path / "anna" / "meta").mkdir()
    (tmp_path / "anna" / "meta" / "time.csv").write_text(
        '"event","experiment time","system time","system time text"\n'
        f'"START",0.000000000E0,{START}.000,"2025-10-05 07:40:00.000 UTC"\n'
    )
    return tmp_path


def test_a_phones_export_becomes_minutes_with_the_map_that_the_error_proposes(
    phone: Path, capsys, caplog
):
    words = ["phyphox", "--from", "anna", "--window-s", "2.56", "--out", "phone"]
    assert prepare([*words, "--picture", "none"]) == 0
    assert classify(["uci-har-bundled", "phone", "--summary"]) == 2
    line = capsys.readouterr().err
    assert "'phone' has accel, linear_acc, gyro, magnetic, and the adapter hears none of" in line
    proposed = line.strip().partition("classify --map ")[2].split()
    assert sorted(proposed) == sorted(WALK.split())
    caplog.set_level(logging.INFO)
    assert classify(["uci-har-bundled", "phone", "--summary", "--map", *proposed]) == 0
    minutes = [row.split() for row in capsys.readouterr().out.splitlines()]
    assert {(row[0], row[1]) for row in minutes} == {("anna", "2025-10-05")}
    assert sum(float(row[2]) for row in minutes) == pytest.approx(8 * 2.56 / 60, abs=0.02)
    assert "phone: the adapter does not hear magnetic" in caplog.text


def test_a_watchs_export_becomes_minutes_a_label_a_day(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    times, values = motion(30.2, 50)
    rows = (",".join(f"{cell:.4f}" for cell in (START + time, *axes / 9.81))
            for time, axes in zip(times, values.T, strict=True))  # fmt: skip
    Path("ben.csv").write_text("\n".join(rows) + "\n")
    assert prepare(["axivity", "--from", "ben.csv", "--out", "watch", "--picture", "none"]) == 0
    words = ["wisdm-watch-bundled", "watch", "--summary", "--map", "watch_accel=accel"]
    assert classify(words) == 0
    minutes = [row.split() for row in capsys.readouterr().out.splitlines() if "2025-" in row]
    assert {(row[0], row[1]) for row in minutes} == {("ben", "2025-10-05")}
    assert sum(float(row[2]) for row in minutes) == pytest.approx(0.5, abs=0.02)
