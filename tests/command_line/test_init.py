"""From a folder of files to a store: `init` writes what `prepare` reads, and draws the sensors."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.init import main
from sensor2llm.prepare import main as prepare
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.train_adapter import main as train_adapter
from tests.verbs import llm_folder

RATE = 50


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    times = np.arange(20 * RATE) / RATE
    wave = np.sin(2 * np.pi * times)
    for person in ("p1", "p2", "p3"):
        lines = [f"{t:.3f},{0.1 * w:.4f},{0.2 * w:.4f},{9.81 + w:.4f}"
                 for t, w in zip(times, wave, strict=True)]  # fmt: skip
        Path(f"{person}_acc.csv").write_text("\n".join(["time,x,y,z", *lines]) + "\n")
    Path("labels.csv").write_text("start,stop,label\n0,10,walking\n10,20,resting\n")
    return tmp_path


def test_a_description_is_written_shown_and_prepared(folder, capsys):
    assert main([".", "--out", "mine.yaml"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("mine.yaml: 4 files, 1 lines are marked CHECK\n")
    assert "  sure  columns: {x: m/s^2, y: m/s^2, z: m/s^2}  (its median length is 9.8" in out
    assert "  CHECK annotations: {file: labels.csv, start: start, stop: stop, label: label" in out
    assert "accel (20 s at 50 Hz)" in out
    assert "⠀" in out
    assert out.endswith("next: sensor2llm prepare mine.yaml --out stores/mine\n")
    # The labels are everyone's: that is what the marked line is about.
    text = Path("mine.yaml").read_text()
    Path("labels.csv").write_text(
        "person,start,stop,label\n"
        + "".join(f"p{i},0,10,walking\np{i},10,20,resting\n" for i in (1, 2, 3))
    )
    Path("mine.yaml").write_text(text.replace("label: label", "label: label, subject: person"))
    assert prepare(["mine.yaml", "--out", "store", "--picture", "none"]) == 0
    store = WindowStore.open(Path("store"))
    assert {window.label for window in store} == {"walking", "resting"}
    assert {window.subject for window in store} == {"p1", "p2", "p3"}


@pytest.fixture
def devices(tmp_path: Path, monkeypatch) -> Path:
    """Write files of three people, two devices each, and a file of labels."""
    monkeypatch.chdir(tmp_path)
    start_ms, notes = 1_694_000_000_000, ["person,start,end,label"]
    random = np.random.default_rng(0)
    for i, person in enumerate(("p1", "p2", "p3")):
        begin = start_ms + i * 86_400_000
        for device, rate, offset in (("acc", 50, 9.81), ("gyro", 25, 0.0)):
            times = np.arange(60 * rate) / rate
            wave = np.sin(2 * np.pi * times) * (times < 30) + random.normal(0, 0.01, len(times))
            rows = [f"{begin + round(1000 * t)},{w:.4f},{-w:.4f},{offset + w:.4f}"
                    for t, w in zip(times, wave, strict=True)]  # fmt: skip
            Path(f"{person}_{device}.csv").write_text("\n".join(["timestamp,x,y,z", *rows]) + "\n")
        notes += [f"{person},{begin},{begin + 30_000},walking",
                  f"{person},{begin + 30_000},{begin + 60_000},resting"]  # fmt: skip
    Path("labels.csv").write_text("\n".join(notes) + "\n")
    return tmp_path


def test_files_of_two_devices_and_labels_become_a_store_without_an_edit(devices):
    assert main([".", "--out", "mine.yaml"]) == 0
    assert prepare(["mine.yaml", "--out", "store", "--picture", "none"]) == 0
    windows = list(WindowStore.open(Path("store")))
    assert Counter((w.subject, w.label) for w in windows) == {
        (person, label): 6 for person in ("p1", "p2", "p3") for label in ("walking", "resting")
    }
    assert {tuple(sorted(w.signals)) for w in windows} == {("accel", "gyro")}


@pytest.mark.slow
def test_and_an_adapter(devices):
    test_files_of_two_devices_and_labels_become_a_store_without_an_edit(devices)
    words = ["--data", "store", "--llm", llm_folder(), "--out", "mine"]
    assert train_adapter([*words, "--loop.epochs", "1"]) == 0
    assert Path("mine/sensor2llm.json").is_file()


def test_what_was_guessed_as_json(folder, capsys):
    assert main([".", "--out", "mine.yaml", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["description"], summary["files"], summary["unsure"]) == ("mine.yaml", 4, 1)
    assert {"guess", "sure"} == set(summary["guesses"][0])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([".", "--out", "mine.txt"], "--out must be a .yaml file, got mine.txt"),
        ([".", "--out", "there.yaml"], "there.yaml is there already; choose another name, or"),
        (["nowhere", "--out", "mine.yaml"], "nowhere does not exist"),
        ([".", "--out"], "--out"),
    ],
)
def test_words_that_cannot_be_are_one_line(folder, capsys, words, message):
    Path("there.yaml").write_text("mine")
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert Path("there.yaml").read_text() == "mine"
    assert not Path("mine.yaml").exists()


def test_a_description_is_replaced_when_told(folder, capsys):
    Path("mine.yaml").write_text("mine")
    assert main([".", "--out", "mine.yaml", "--overwrite"]) == 0
    assert "modalities:" in Path("mine.yaml").read_text()
