"""evaluate --calibrate, classify --abstain and --map, fit-axes, and what chat says of a window."""

import io
import json
import logging
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from rich.console import Console

from sensor2llm.classify import main as classify
from sensor2llm.cli.fit_axes import main as fit_axes
from sensor2llm.evaluate import main as evaluate
from sensor2llm.pipeline import load
from sensor2llm.serving.terminal import ChatTerminal
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.tasks.dialogue.dialogue import Dialogue
from tests.models import LABELS
from tests.signals.stores import SPEC
from tests.verbs import llm_folder, save_adapter

TURN = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
SENTENCE = "gravity lies along y; in training it lay along x: turn the device or map the axes"


def movement(rng: np.random.Generator, kind: int, steps: int) -> np.ndarray:
    """Give accelerations of which x bears gravity; kind says how much is moved."""
    time = np.arange(steps) / 8
    wave = 0.3 * kind * np.sin(2 * np.pi * 1.5 * time + rng.uniform(0, 6))
    return (
        np.array([[1.0], [0.0], [0.0]])
        + wave * [[1], [0.3], [0.1]]
        + rng.normal(0, 0.05, (3, steps))
    )


def save_gravity_store(folder):
    rng = np.random.default_rng(0)
    windows = (
        Window(
            {
                "accel": movement(rng, i % 4, 16),
                "rr": rng.normal(800 - 60 * (i % 4), 20, (1, 5)),
                "person": rng.normal([[40], [70]], 5),
            },
            f"s{person}", LABELS[i % 4], 2.0 * i, "day one",
        )
        for person in range(10) for i in range(24)
    )  # fmt: skip
    WindowStore.write(folder, SPEC, windows, label_names=LABELS, source="made up")
    return folder


def save_walk(path, turn=None, names=("accel.x", "accel.y", "accel.z"), windows=24):
    values = movement(np.random.default_rng(5), 2, 16 * windows)
    values = values if turn is None else turn.T @ values
    columns = {"time_s": np.arange(values.shape[1]) / 8, **dict(zip(names, values, strict=True))}
    csv.write_csv(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("trust")
    adapter, store = save_adapter(base / "adapter"), save_gravity_store(base / "store")
    words = [str(adapter), "--data", str(store), "--llm", llm_folder()]
    assert evaluate([*words, "--missing"]) == 0
    assert evaluate([*words, "--calibrate"]) == 0
    return adapter, base


def run(folders, file, *options):
    words = (folders[0], file, "--llm", llm_folder(), *options)
    return classify([str(word) for word in words])


def test_calibrating_keeps_what_was_measured_and_the_card_says_how_it_says_no(folders):
    metrics = json.loads((folders[0] / "metrics.json").read_text())
    assert set(metrics["missing"])
    assert metrics["command"].endswith("--missing")
    assert metrics["calibration_command"].endswith("--calibrate")
    trust = metrics["trust"]
    assert [one["asked"] for one in trust["sets"]] == [0.9, 0.99]
    assert trust["risk_coverage"][-1]["wrong"] == pytest.approx(1 - metrics["accuracy"])
    assert trust["likeness"]["recordings"] == metrics["subjects"]
    assert trust["likeness"]["recordings_named"]
    card = (folders[0] / "README.md").read_text()
    assert "## How it says no" in card
    assert "--calibrate" in card
    assert "| 90% |" in card


def test_evaluate_prints_it(folders, tmp_path, capsys):
    words = [str(folders[0]), "--data", str(folders[1] / "store"), "--llm", llm_folder()]
    assert evaluate([*words, "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out
    assert "label sets         " in lines
    assert "risk               " in lines
    assert " recordings, " in lines


def test_other_peoples_folders_are_not_changed(folders, tmp_path, capsys):
    words = [str(folders[0]), "--data", str(folders[1] / "store"), "--llm", llm_folder()]
    assert evaluate([*words, "--calibrate", "--out", str(tmp_path / "other")]) == 2
    assert "--calibrate changes the folder of" in capsys.readouterr().err
    assert evaluate([*words, "--calibrate", "--by", "text"]) == 2
    assert "--calibrate is for scored labels" in capsys.readouterr().err


def test_a_turned_device_is_said_once_and_in_every_row(folders, tmp_path, caplog, capsys):
    file = save_walk(tmp_path / "walk.csv", TURN)
    with caplog.at_level(logging.WARNING):
        assert run(folders, file, "--json") == 0
    assert caplog.messages == [f"walk.csv is unlike what the adapter learned from: {SENTENCE}"]
    said = json.loads(capsys.readouterr().out)
    assert {row["unlike"] for row in said["windows"]} == {"gravity of accel"}
    assert said["likeness"]["recordings"][0]["checks"][0] == SENTENCE


def test_what_is_alike_is_not_said(folders, tmp_path, caplog, capsys):
    with caplog.at_level(logging.WARNING):
        assert run(folders, save_walk(tmp_path / "walk.csv"), "--json") == 0
    assert caplog.messages == []
    assert {row["unlike"] for row in json.loads(capsys.readouterr().out)["windows"]} == {""}


def test_abstaining_says_unknown_of_what_is_unlike_or_unsure(folders, tmp_path, capsys):
    alike, turned = save_walk(tmp_path / "a.csv"), save_walk(tmp_path / "b.csv", TURN)
    labels = {}
    for file, risk in ((alike, "0.99"), (turned, "0.99"), (alike, "0")):
        assert run(folders, file, "--json", "--abstain", risk) == 0
        rows = json.loads(capsys.readouterr().out)["windows"]
        labels[file.name, risk] = {row["label"] for row in rows}
    assert "unknown" not in labels["a.csv", "0.99"]
    assert labels["b.csv", "0.99"] == {"unknown"}
    assert labels["a.csv", "0"] == {"unknown"}


def test_an_archive_has_the_column_and_counts_what_is_unlike(folders, tmp_path, caplog):
    (tmp_path / "files").mkdir()
    save_walk(tmp_path / "files" / "a.csv")
    save_walk(tmp_path / "files" / "b.csv", TURN)
    out = tmp_path / "out"
    with caplog.at_level(logging.INFO):
        assert run(folders, tmp_path / "files", "--out", out, "--abstain", "0.99") == 0
    rows = [r for f in (out / "parts").glob("*.parquet") for r in pq.read_table(f).to_pylist()]
    by_file = {name: [r for r in rows if r["file"] == f"files/{name}.csv"] for name in "ab"}
    assert {row["unlike"] for row in by_file["a"]} == {""}
    assert {(row["unlike"], row["label"]) for row in by_file["b"]} == {
        ("gravity of accel", "unknown")
    }
    assert len(by_file["b"]) == 24
    assert any("24 unlike what the adapter learned from" in line for line in caplog.messages)


def test_mapped_data_are_labelled_as_those_of_training(folders, tmp_path, capsys):
    plain = save_walk(tmp_path / "a.csv")
    other = save_walk(tmp_path / "b.csv", TURN, ("w_x", "w_y", "w_z"))
    assert run(folders, plain, "--json") == 0
    expected = json.loads(capsys.readouterr().out)["windows"]
    words = ("accel=w", "accel.x=y", "accel.y=-x")
    assert run(folders, other, "--json", "--map", *words) == 0
    mapped = json.loads(capsys.readouterr().out)["windows"]
    for ours, theirs in zip(expected, mapped, strict=True):
        assert theirs["probability"] == pytest.approx(ours["probability"], abs=1e-3)
    assert run(folders, other) == 2
    assert "say --map accel=w" in capsys.readouterr().err


def test_fit_axes_finds_the_turn_and_shows_what_changes(folders, tmp_path, capsys):
    file = save_walk(tmp_path / "b.csv", TURN, ("w_x", "w_y", "w_z"))
    words = [str(folders[0]), str(file), "--map", "accel=w"]
    assert fit_axes([*words, "--json"]) == 0
    proposal = json.loads(capsys.readouterr().out)
    assert proposal["map"][:2] == ["accel=w", "accel.x=y"]
    assert proposal["changes"]
    assert run(folders, file, "--json", "--map", *proposal["map"]) == 0
    assert {row["unlike"] for row in json.loads(capsys.readouterr().out)["windows"]} == {""}
    assert fit_axes(words) == 0
    first, before, after = capsys.readouterr().out.splitlines()
    assert first.startswith("--map accel=w accel.x=y")
    assert before == f"as it is:  100 % of 24 windows are unlike training ({SENTENCE})"
    assert after.startswith("turned so: ")
    assert fit_axes([*words[:2], "--map", "accel=w", "accel.x=y", "accel.y=-x"]) == 2
    assert "fit-axes finds the axes itself" in capsys.readouterr().err


def test_without_calibration_one_line_says_what_to_do(folders, tmp_path, capsys):
    bare, file = save_adapter(tmp_path / "bare"), save_walk(tmp_path / "walk.csv")
    assert run((bare,), file, "--abstain") == 2
    assert "not calibrated and cannot abstain; calibrate it first" in capsys.readouterr().err
    assert fit_axes([str(bare), str(file)]) == 2
    assert "does not say what its training windows look like" in capsys.readouterr().err
    assert run(folders, file, "--abstain", "3") == 2
    assert "abstain is a share of wrong labels, from 0 to below 1, got 3" in capsys.readouterr().err


def test_python_has_the_column_the_sentences_and_the_turns(folders, tmp_path):
    model = load(folders[0], llm=llm_folder(), device="cpu", dtype="float32")
    file = save_walk(tmp_path / "walk.csv", TURN)
    table = model.classify(file, abstain=0.99)
    assert set(table["unlike"]) == {"gravity of accel"}
    assert set(table["label"]) == {"unknown"}
    assert table.attrs["likeness"]["recordings"][0]["checks"][0] == SENTENCE
    turned = model.classify(file, turns=["accel.x=y", "accel.y=-x"])
    assert set(turned["unlike"]) == {""}


def test_chat_says_what_a_window_may_be_and_what_is_unlike(folders, tmp_path):
    model = load(folders[0], llm=llm_folder(), device="cpu", dtype="float32").model
    out = io.StringIO()
    terminal = ChatTerminal(Dialogue(model), Console(file=out, width=300))
    terminal.attach(save_walk(tmp_path / "walk.csv", TURN))
    (heard,) = terminal.dialogue.heard
    assert len(heard.label_set) > 1
    assert f"it may be {heard.likely_text}" in out.getvalue()
    assert " %, or " in heard.likely_text
    assert "which is weaker): gravity lies along y; in training" in out.getvalue()
    turn = terminal.dialogue.turns[-1].to_dict()
    assert turn["label_set"] == list(heard.label_set)
    assert turn["unlike"] == heard.unlike
    assert terminal.dialogue.ask("What is the person doing?").text == f"{heard.likely_text}."


def test_folds_of_other_adapters_calibrate_by_everybody_who_is_not_tested(
    folders, tmp_path, capsys
):
    # A copy: the other tests see the adapter as it was calibrated on validation people.
    adapter = shutil.copytree(folders[0], tmp_path / "adapter")
    store = WindowStore.open(folders[1] / "store")
    table = pq.read_table(adapter / "predictions.parquet")
    tested = sorted(set(table["subject"].to_pylist()))
    others = [name for name in store.subject_names if name not in tested]
    people = pa.array([others[i % len(others)] for i in range(len(table))])
    fold = tmp_path / "fold.parquet"
    pq.write_table(table.set_column(table.column_names.index("subject"), "subject", people), fold)
    words = [str(adapter), "--data", str(store.path), "--llm", llm_folder()]
    assert evaluate([*words, "--calibrate", str(fold)]) == 0
    made = json.loads((adapter / "metrics.json").read_text())["trust"]["calibrated_on"]
    assert made == {"windows": len(table), "people": len(others)}
    assert evaluate([*words, "--calibrate", str(adapter / "predictions.parquet")]) == 2
    assert f"leak: {tested[0]} is a test person" in capsys.readouterr().err
    pq.write_table(table.drop_columns(["p_walk"]), fold)
    assert evaluate([*words, "--calibrate", str(fold)]) == 2
    assert "has no predictions of these labels" in capsys.readouterr().err
