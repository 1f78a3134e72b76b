import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.errors import DataError

START = datetime(2024, 5, 1, 7, tzinfo=UTC)
JSON, CSV = "Takeout/Fitbit/Global Export Data", "Takeout/Fitbit/Physical Activity_GoogleData"


def write_heart_json(root: Path, seconds, confidence: int = 3) -> Path:
    records = [
        {"dateTime": f"{START + timedelta(seconds=s):%m/%d/%y %H:%M:%S}",
         "value": {"bpm": 60 + s // 60, "confidence": confidence}}
        for s in seconds
    ]  # fmt: skip
    return write(root / JSON / "heart_rate-2024-05-01.json", json.dumps(records))


def write_steps_json(root: Path, minutes) -> Path:
    records = [{"dateTime": f"{START + timedelta(minutes=m):%m/%d/%y %H:%M:%S}", "value": "7"}
               for m in minutes]  # fmt: skip
    return write(root / JSON / "steps-2024-05-01.json", json.dumps(records))


def write_csv(root: Path, name: str, column: str, seconds, value, source="Charge 5") -> Path:
    rows = [f"{START + timedelta(seconds=s):%Y-%m-%dT%H:%M:%SZ},{value},{source}" for s in seconds]
    text = "\n".join([f"timestamp,{column},data source", *rows])
    return write(root / CSV / f"{name}_2024-05-01.csv", text + "\n")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_heart_rate_every_five_seconds_and_steps_every_minute(tmp_path: Path, open_export):
    write_heart_json(tmp_path / "anna", range(0, 1800, 10))
    write_steps_json(tmp_path / "anna", range(30))
    reading, windows = open_export("fitbit", tmp_path / "anna")
    assert [m.steps for m in reading.spec.modalities] == [120, 10]
    assert [(w.subject, w.start_s - START.timestamp()) for w in windows] == [
        ("anna", 0), ("anna", 600), ("anna", 1200),
    ]  # fmt: skip
    np.testing.assert_allclose(windows[1].signals["heart_rate"][0, :11:2], 70)
    np.testing.assert_allclose(windows[1].signals["steps"], 7)
    assert "times in UTC" in reading.source


def test_a_pause_above_half_a_minute_is_not_bridged(tmp_path: Path, open_export):
    write_heart_json(tmp_path, [*range(0, 700, 10), *range(1000, 1700, 10)])
    _, windows = open_export("fitbit", tmp_path)
    assert [w.start_s - START.timestamp() for w in windows] == [0, 1000]


def test_json_and_csv_of_one_second_count_once(tmp_path: Path, open_export):
    write_heart_json(tmp_path, range(0, 600, 10))
    write_csv(tmp_path, "heart_rate", "beats per minute", range(0, 1201, 10), 65.0)
    reading, windows = open_export("fitbit", tmp_path)
    assert len(windows) == 2
    assert reading.ledger["samples"].dropped["at the time of another record"] == 60


def test_recorders_of_steps_are_not_added_up(tmp_path: Path, open_export):
    path = write_csv(tmp_path, "steps", "steps", range(0, 1200, 60), 9)
    phone = write_csv(tmp_path / "x", "steps", "steps", range(0, 600, 60), 50, "MobileTrack")
    path.write_text(path.read_text() + phone.read_text().partition("\n")[2])
    phone.unlink()
    write_steps_json(tmp_path, range(5))
    reading, windows = open_export("fitbit", tmp_path)
    np.testing.assert_allclose([w.signals["steps"] for w in windows], 9)
    dropped = reading.ledger["samples"].dropped
    assert dropped["of other sources than the one with most records"] == 15


def test_readings_of_no_confidence_are_counted(tmp_path: Path, open_export):
    write_heart_json(tmp_path, range(0, 600, 10))
    other = write_heart_json(tmp_path / "x", [605, 606], confidence=0)
    other.rename(tmp_path / JSON / "heart_rate-2024-05-02.json")
    reading, _ = open_export("fitbit", tmp_path)
    assert reading.ledger["samples"].dropped["of confidence 0"] == 2


def test_a_takeout_as_zip_is_one_person(tmp_path: Path, open_export):
    path = write_heart_json(tmp_path, range(0, 600, 5))
    with zipfile.ZipFile(tmp_path / "ben.zip", "w") as archive:
        archive.write(path, f"{JSON}/{path.name}")
        archive.writestr("Takeout/Fitbit/Global Export Data/resting_heart_rate-2024.json", "[]")
        archive.writestr("Takeout/archive_browser.html", "")
    reading, [window] = open_export("fitbit", tmp_path / "ben.zip")
    assert window.subject == "ben"
    assert reading.ledger["files"].dropped == {"of kinds that are not read": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{", r"heart_rate-2024-05-01\.json is not as Fitbit writes it \(JSONDecodeError"),
        ('[{"time": 1}]', r"not as Fitbit writes it \(KeyError: 'dateTime'\); expected"),
        ('[{"dateTime": "05/41/24 07:00:07", "value": {"bpm": 1}}]', r"as Fitbit .*ValueError"),
        ('[{"dateTime": "05/01/24 07:00:07", "value": null}]', r"as Fitbit writes it \(TypeError"),
    ],
)
def test_json_of_another_form_is_refused(tmp_path: Path, open_export, text, message):
    write(tmp_path / JSON / "heart_rate-2024-05-01.json", text)
    with pytest.raises(DataError, match=message):
        open_export("fitbit", tmp_path)


def test_a_csv_without_its_column_is_refused(tmp_path: Path, open_export):
    write_csv(tmp_path, "heart_rate", "pulse", [0], 60)
    with pytest.raises(DataError, match=r"heart_rate_2024-05-01\.csv: .*'beats per minute'.*expec"):
        open_export("fitbit", tmp_path)
    with pytest.raises(DataError, match=r"has no heart_rate-2024-05-01\.json \(or \.csv\) or"):
        open_export("fitbit", write(tmp_path / "x" / "sleep.json", "[]"))
