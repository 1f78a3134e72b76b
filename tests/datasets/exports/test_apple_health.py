import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.datasets.exports.apple_health import spread_minutes
from sensor2llm.errors import ConfigError, DataError

START = 1714543200.0  # 2024-05-01 08:00:00 +0200
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!ELEMENT HealthData (ExportDate,Me,(Record|Workout)*)>
<!ATTLIST HealthData locale CDATA #REQUIRED locale CDATA #REQUIRED broken>
]>
<HealthData locale="de_DE">
 <ExportDate value="2024-05-02 10:00:00 +0200"/>
"""


def stamp(minute: float) -> str:
    seconds = round(minute * 60)
    days, rest = divmod(8 * 3600 + seconds, 86400)
    return f"2024-05-{1 + days:02d} {rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d} +0200"


def entry(kind: str, unit: str, value, start: float, end: float, source: str = "Watch") -> str:
    return (
        f' <Record type="HKQuantityTypeIdentifier{kind}" sourceName="{source}" unit="{unit}" '
        f'creationDate="{stamp(end)}" startDate="{stamp(start)}" endDate="{stamp(end)}" '
        f'value="{value}"/>\n'
    )


def heart(minute: float, bpm, unit: str = "count/min") -> str:
    return entry("HeartRate", unit, bpm, minute, minute)


def write(path: Path, *records: str) -> Path:
    path.write_text(HEAD + "".join(records) + "</HealthData>\n", encoding="utf-8")
    return path


def test_heart_rate_is_a_minute_a_step_and_pauses_of_ten_minutes_are_bridged(
    tmp_path: Path, open_export
):
    records = [heart(5 * i, 60 + 5 * i) for i in range(13)] + [heart(90 + i, 80) for i in range(61)]
    reading, windows = open_export("apple_health", write(tmp_path / "export.xml", *records))
    modality = reading.spec["heart_rate"]
    assert (modality.steps, modality.units, reading.spec.window_s) == (60, ("bpm",), 3600)
    assert [(w.start_s - START) / 60 for w in windows] == [0, 90]
    np.testing.assert_allclose(windows[0].signals["heart_rate"][0], 60 + np.arange(60), atol=1e-3)
    assert "times in UTC" in reading.source


def test_records_in_any_order_are_sorted_and_one_time_counts_once(tmp_path: Path, open_export):
    records = [heart(i, 60 + i) for i in range(61)]
    path = write(tmp_path / "export.xml", *records[30:], *records[:31])
    reading, [window] = open_export("apple_health", path)
    np.testing.assert_allclose(window.signals["heart_rate"][0], 60 + np.arange(60), atol=1e-3)
    assert reading.ledger["samples"].dropped["at the time of another record"] == 1


def test_steps_are_spread_over_their_minutes_and_sources_are_not_added_up(
    tmp_path: Path, open_export
):
    records = [entry("StepCount", "count", 100, 10 * i, 10 * i + 10) for i in range(12)]
    records += [entry("StepCount", "count", 500, i, i + 1, "Phone") for i in (3, 4, 5)]
    reading, windows = open_export("apple_health", write(tmp_path / "export.xml", *records))
    np.testing.assert_allclose(windows[0].signals["steps"], np.full((1, 60), 10))
    counts = reading.ledger["samples"]
    assert counts.dropped["of other sources than the one with most records"] == 3


def test_minutes_without_a_record_have_no_steps_within_an_hour(tmp_path: Path, open_export):
    records = [entry("StepCount", "count", 30, i, i + 0.5) for i in (0, 40, 79)]
    records += [entry("StepCount", "count", 30, i, i + 0.5) for i in range(200, 260)]
    _, windows = open_export("apple_health", write(tmp_path / "export.xml", *records))
    steps = windows[0].signals["steps"][0]
    assert np.flatnonzero(steps).tolist() == [0, 40]
    assert steps.sum() == 60
    assert [(w.start_s - START) / 60 for w in windows] == [0, 200]


def test_spreading_keeps_the_total_and_splits_at_the_clocks_minutes():
    times, values = spread_minutes(
        np.array([30.0, 120]), np.array([150.0, 120]), np.array([8.0, 3])
    )
    assert times.tolist() == [0, 60, 120, 120]
    np.testing.assert_allclose(values, [2, 4, 2, 3])


def test_energy_in_kilojoules_becomes_kilocalories(tmp_path: Path, open_export):
    records = [
        entry("ActiveEnergyBurned", unit, value, i, i + 1)
        for i in range(60)
        for unit, value in [("kJ", 4.184) if i % 2 else ("kcal", 1)]
    ]
    reading, [window] = open_export("apple_health", write(tmp_path / "export.xml", *records))
    np.testing.assert_allclose(window.signals["active_energy"], 1, rtol=1e-5)
    assert reading.spec.names == ("active_energy",)


def test_records_that_cannot_be_read_are_counted(tmp_path: Path, open_export):
    strange = [
        heart(3, "72", unit="beats"),
        heart(4, "?"),
        heart(5, 70).replace(" +0200", ""),
        entry("StepCount", "count", 9000, 0, 61),
        entry("BodyMass", "kg", 70, 0, 0),
    ]
    records = [heart(i, 60) for i in range(60)] + strange
    reading, _ = open_export("apple_health", write(tmp_path / "export.xml", *records))
    assert reading.ledger["samples"].dropped == {
        "of heart_rate in an unknown unit": 1,
        "without a value or a time": 2,
        "that last over an hour": 1,
    }


def test_zips_are_people_and_other_files_in_them_are_not_read(tmp_path: Path, open_export):
    xml = write(tmp_path / "export.xml", *[heart(i, 60) for i in range(60)])
    for name in ("anna", "ben"):
        (tmp_path / "all").mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / "all" / f"{name}.zip", "w") as archive:
            archive.write(xml, "apple_health_export/export.xml")
            archive.writestr("apple_health_export/export_cda.xml", "<ClinicalDocument/>")
    reading, windows = open_export("apple_health", tmp_path / "all")
    assert [w.subject for w in windows] == ["anna", "ben"]
    assert reading.ledger["files"].read == 4
    folder = tmp_path / "carla" / "apple_health_export"
    folder.mkdir(parents=True)
    xml.rename(folder / "export.xml")
    _, [window] = open_export("apple_health", tmp_path / "carla")
    assert window.subject == "carla"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + heart(1, 60),
            r"export\.xml is no XML that can be read \(no element found: line 9",
        ),
        ("<html></html>", r"export\.xml holds no HealthData; expected Apple Health's export\.xml"),
        (
            HEAD + "</HealthData>",
            r"1 files of apple_health hold none of heart_rate, steps, active_",
        ),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, open_export, text, message):
    (tmp_path / "export.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        open_export("apple_health", tmp_path / "export.xml")


def test_windows_too_short_for_every_sensor_are_refused(tmp_path: Path, open_export):
    path = write(tmp_path / "export.xml", heart(0, 60), heart(1, 60))
    with pytest.raises(DataError, match="windows of 10 s hold not one step of any sensor; give a"):
        open_export("apple_health", path, window_s=10.0)
    with pytest.raises(ConfigError, match=r"apple_health: .* does not exist; in the app Health"):
        open_export("apple_health", tmp_path / "none.zip")


PEAK = """
import sys
from pathlib import Path
from sensor2llm.datasets.catalogue import open_source
from sensor2llm.signals.reader_options import SourceOptions
reading = open_source("apple_health", Path(sys.argv[1]), SourceOptions())
print(sum(1 for _ in reading.windows))
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a process' peak is read from /proc")
def test_memory_does_not_grow_with_the_export(tmp_path: Path):
    day = "".join(heart(i / 2, 60 + i % 50) for i in range(2 * 900))
    peaks_mb = []
    for days in (1, 28):
        path = tmp_path / f"{days}.xml"
        with path.open("w", encoding="utf-8") as file:
            file.write(HEAD)
            file.writelines(day.replace("2024-05-01", f"2024-06-{i + 1:02d}") for i in range(days))
            file.write("</HealthData>")
        run = subprocess.run(
            [sys.executable, "-c", PEAK, path], check=True, capture_output=True, text=True
        )
        windows, peak_kb = map(int, run.stdout.split())
        assert windows == 15 * days
        peaks_mb.append(peak_kb / 1024)
    assert peaks_mb[1] < 300
    assert peaks_mb[1] - peaks_mb[0] < 30
