"""What a person may get wrong: one line on stderr, exit code 2, nothing half written."""

import errno
import json
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml

from sensor2llm.adapter import files as adapter_files
from sensor2llm.artefacts import atomic_write
from sensor2llm.cli.program import VERBS
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.encoders.signal_encoder import SignalEncoder
from sensor2llm.signals.spec import Channel, SignalSpec
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from tests.models import normaliser
from tests.signals.stores import ACCEL, SPEC, make_windows
from tests.verbs import llm_folder, save_adapter, save_recording, save_store

ROWS = 60
TABLE = {
    "files": "*.csv",
    "time": {"column": "t", "unit": "s"},
    "subject": {"value": "anna"},
    "label": "what",
    "window_s": 1,
    "modalities": {"accel": {"rate_hz": 20, "columns": {"x": "g", "y": "g", "z": "g"}}},
}


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> dict[str, str]:
    """Give an adapter, a store, an encoder and a recording that are as they should be."""
    base = tmp_path_factory.mktemp("given")
    save_recording(base / "walk.csv")
    encoder = SignalEncoder(SPEC, EncoderConfig(width=8, pooled_steps=4))
    encoder.save_pretrained(base / "encoder", {"normaliser": normaliser(SPEC).to_dict()})
    paths = {
        "ADAPTER": save_adapter(base / "adapter"),
        "STORE": save_store(base / "store"),
        "ENCODER": base / "encoder",
        "FILE": base / "walk.csv",
        "LLM": llm_folder(),
    }
    return {name: str(path) for name, path in paths.items()}


@pytest.fixture
def told(given, tmp_path, capsys):
    """Give a function that runs a verb on wrong words and returns the one line that it says."""

    def run(verb: str, *words: object, quiet: bool = True) -> str:
        paths = given | {"OUT": str(tmp_path / "out"), "NOWHERE": str(tmp_path / "nowhere")}
        typed = [paths.get(str(word), str(word)) for word in words]
        assert import_module(f"sensor2llm.{verb}").main(typed) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "Traceback" not in printed.err
        lines = printed.err.splitlines() if quiet else printed.err.splitlines()[-1:]
        assert len(lines) == 1, printed.err
        assert lines[0].startswith("error: ")
        assert not (tmp_path / "out").exists()
        return lines[0]

    return run


# Words that would do, but for the one that is added.
FINE = {
    "prepare": ["simulated", "--out", "OUT"],
    "pretrain_encoder": ["--data", "STORE", "--out", "OUT"],
    "train_adapter": ["--data", "STORE", "--llm", "LLM", "--encoder", "ENCODER", "--out", "OUT"],
    "evaluate": ["ADAPTER", "--data", "STORE", "--llm", "LLM", "--out", "OUT"],
    "classify": ["ADAPTER", "FILE", "--llm", "LLM", "--out", "OUT"],
    "chat": ["ADAPTER", "--llm", "LLM"],
}
NUMBERS = {
    "prepare": ("window-s", "a number"),
    "pretrain_encoder": ("pretrain-loop.epochs", "a whole number"),
    "train_adapter": ("loop.epochs", "a whole number"),
    "evaluate": ("batch-size", "a whole number"),
    "classify": ("overlap", "a number"),
    "chat": ("max-new-tokens", "a whole number"),
}
NOT_THERE = {
    "prepare": (["uci_har", "--from", "NOWHERE", "--out", "OUT"], "nowhere is no folder"),
    "pretrain_encoder": (["--data", "NOWHERE", "--out", "OUT"], "is not a window store"),
    "train_adapter": (["--data", "NOWHERE", "--out", "OUT"], "is not a window store"),
    "evaluate": (["ADAPTER", "--data", "NOWHERE", "--llm", "LLM"], "is not a window store"),
    "classify": (["ADAPTER", "NOWHERE", "--llm", "LLM"], "nowhere"),
    "chat": (["ADAPTER", "--llm", "LLM", "--window", "NOWHERE"], "nowhere"),
}


def test_every_verb_is_tried_here():
    # Tried where they are tested.
    others = {"init", "listen", "fit-axes", "serve", "mcp", "study", "get", "list", "completion"}
    assert {verb.replace("_", "-") for verb in FINE} == set(VERBS) - others


@pytest.mark.parametrize("verb", FINE)
def test_an_option_that_there_is_not(told, verb):
    line = told(verb, *FINE[verb], "--colour", "red")
    assert f"unknown option '--colour'; `python -m sensor2llm.{verb} --help-all` lists" in line


@pytest.mark.parametrize("verb", FINE)
def test_an_option_of_the_wrong_type(told, verb):
    name, kind = NUMBERS[verb]
    assert f"{name} must be {kind}, got 'many'" in told(verb, *FINE[verb], f"--{name}", "many")


@pytest.mark.parametrize("verb", FINE)
def test_data_that_is_not_there(told, verb):
    words, message = NOT_THERE[verb]
    assert message in told(verb, *words)


@pytest.mark.parametrize("verb", [verb for verb in FINE if verb != "train_adapter"])
def test_words_that_are_missing(told, verb):
    assert "missing " in told(verb)


def test_an_option_that_is_nearly_right_and_one_without_its_value(told):
    assert "did you mean loop.epochs?" in told("train_adapter", "--loop.epoch", "3")
    assert "--data needs a value" in told("train_adapter", "--data")
    assert "unexpected 'stray'" in told("train_adapter", "stray")
    line = told("train_adapter", "--projector.kind", "perciever")
    assert "unknown projector.kind 'perciever'; choose from linear, mlp, perceiver" in line
    assert "epochs must be at least 1, got 0" in told("train_adapter", "--loop.epochs", "0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour: red\n", "recipe.yaml: unknown field 'colour'"),
        ("encoder_: new\n", "unknown field 'encoder_'; did you mean encoder?"),
        ("{group}: {{colour: red}}\n", "recipe.yaml: unknown field '{group}.colour'"),
        ("{group}: {{epochs: many}}\n", "{group}.epochs must be a whole number, got 'many'"),
        ("{group}: [1,\n", "recipe.yaml is no YAML"),
        ("- 1\n", "recipe.yaml: expected a YAML mapping"),
        ("", "recipe.yaml: expected a YAML mapping"),
        (None, "recipe.yaml' does not exist"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "group"), [("train_adapter", "loop"), ("pretrain_encoder", "pretrain_loop")]
)
def test_a_recipe_file_that_cannot_be(told, tmp_path, verb, group, text, message):
    recipe = tmp_path / "recipe.yaml"
    if text is not None:
        recipe.write_text(text.format(group=group) if group in text or "{" in text else text)
    assert message.format(group=group) in told(verb, *FINE[verb], "--config", recipe)


def write_table(folder: Path, description: dict | None = None, **cells: object) -> Path:
    """Write a table of 3 s and its description; cells replace a whole column, or rows of it."""
    time = np.arange(ROWS) / 20
    columns = {"t": time, "x": np.sin(time), "y": np.cos(time), "z": np.ones(ROWS)}
    columns["what"] = ["walk"] * ROWS
    for name, change in cells.items():
        values = [str(value) for value in columns[name]]
        for row, cell in (change if isinstance(change, dict) else dict(enumerate(change))).items():
            values[row] = str(cell)
        columns[name] = values
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    (folder / "walk.csv").write_text("\n".join(lines) + "\n")
    (folder / "table.yaml").write_text(yaml.safe_dump({**TABLE, **(description or {})}))
    return folder / "table.yaml"


def accel(**changes: object) -> dict[str, object]:
    return {"modalities": {"accel": {**TABLE["modalities"]["accel"], **changes}}}


@pytest.mark.parametrize(
    ("description", "cells", "message"),
    [
        (accel(columns={"x": "g", "w": "g"}), {}, "walk.csv: no column 'w'; it has t, x, y, z"),
        ({"labels": ["rest"]}, {}, "row 1, column 'what': unknown label 'walk'; labels has"),
        ({}, {"y": {6: "fast"}}, "walk.csv: row 7, column 'y': 'fast' is not a number"),
        ({}, {"y": [""] * ROWS}, "column 'y' of 'accel' has no number at all"),
        ({}, {"y": ["1", ""] * (ROWS // 2)}, "two rates in modality 'accel'"),
        ({}, {"t": {30: "0.2"}}, "row 31, column 't': time goes back from 1.45 to 0.2 s"),
        ({}, {"y": ["9.81"] * ROWS}, "'accel' is said to be in g"),
        (accel(columns={"x": "", "y": "g"}), {}, "unit"),
    ],
)
def test_a_table_that_cannot_be(told, tmp_path, description, cells, message):
    table = write_table(tmp_path, description, **cells)
    assert message in told("prepare", table, "--out", "OUT")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["table.yaml", "walk.csv"]


@pytest.mark.parametrize("verb", ["train_adapter", "pretrain_encoder", "prepare"])
def test_a_folder_of_other_things_is_not_written_over(told, tmp_path, verb):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("kept")
    words = [tmp_path / "mine" if word == "OUT" else word for word in FINE[verb]]
    line = told(verb, *words)
    assert "mine' exists and is no" in line
    assert "choose another --out" in line
    assert (tmp_path / "mine" / "README.md").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_encoder_is_no_place_for_an_adapter(told, given):
    words = [given["ENCODER"] if word == "OUT" else word for word in FINE["train_adapter"]]
    assert "encoder' exists and is no adapter" in told("train_adapter", *words)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
@pytest.mark.parametrize("kind", ["empty", "truncated"])
def test_a_file_that_is_cut_short(told, tmp_path, suffix, kind):
    file = tmp_path / f"walk.{suffix}"
    whole = {"csv": b"t,x,y,z,what\n", "parquet": b"PAR1" + bytes(99)}.get(suffix, b"")
    if suffix == "npz":
        np.savez(file, accel=np.zeros((3, 2, 20), np.float32))
        whole = file.read_bytes()[:-80]
    file.write_bytes(b"" if kind == "empty" else whole)
    (tmp_path / "table.yaml").write_text(yaml.safe_dump({**TABLE, "files": file.name}))
    line = told("prepare", tmp_path / "table.yaml", "--out", "OUT")
    assert file.name in line
    assert "empty" in line or "rows" in line or "truncated" in line
    assert file.name in told("classify", "ADAPTER", file, "--llm", "LLM")


def test_a_store_that_cannot_be_brought_to_the_adapters_spec(told, tmp_path):
    channels = tuple(Channel(name=c.name, unit="mV") for c in ACCEL.channels)
    modalities = (replace(ACCEL, channels=channels), *SPEC.modalities[1:])
    spec = replace(SPEC, modalities=modalities)
    WindowStore.write(tmp_path / "store", spec, make_windows())
    line = told("evaluate", "ADAPTER", "--data", tmp_path / "store", "--llm", "LLM")
    assert "in mV, the spec expects g" in line
    line = told("train_adapter", *FINE["train_adapter"], "--data", tmp_path / "store")
    assert "mV" in line
    short = SignalSpec(modalities=(replace(ACCEL, steps=8),))
    windows = [Window({"accel": np.ones((3, 8))}, who, "rest") for who in ("s1", "s2", "s3")]
    WindowStore.write(tmp_path / "short", short, windows)
    for verb in (("evaluate", "ADAPTER", "--data"), ("classify", "ADAPTER")):
        line = told(*verb, tmp_path / "short", "--llm", "LLM")
        assert "in windows of 1 s, the spec expects 2 s; prepare windows of 2 s or more" in line


def train(*words: object) -> tuple[object, ...]:
    return ("train_adapter", *FINE["train_adapter"], *words)


def test_a_language_model_that_there_is_not(told, tmp_path):
    assert "'nobody/nothing'" in told(*train("--llm", "nobody/nothing"))
    folder = tmp_path / "llm"
    shutil.copytree(llm_folder(), folder, ignore=shutil.ignore_patterns("*token*", "chat*"))
    assert "tokenizer" in told(*train("--llm", folder))
    (folder / "config.json").unlink()
    assert "config.json" in told(*train("--llm", folder))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"user": "{{ soft }}{{ signal }} {{ mood }}"}, "unknown variable 'mood'"),
        ({"user": "{{ soft }}{{ signal }}{{ examples }}"}, "examples"),
        ({"user": "{{ soft }}{{ signal }}", "answer": "{{ label[0] }}"}, "same"),
        ({"user": "{{ soft }}"}, "{{ signal }} is missing"),
        ({"user": "{{ soft }}{{ signal }}{% if %}"}, "no jinja template"),
    ],
)
def test_a_prompt_that_cannot_be(told, tmp_path, form, message):
    names = ("soft", "signal", "labels", "label", "examples")
    prompt = {"name": "p", "version": 1, "task": "classification", "description": "d"}
    prompt |= {"variables": {name: name for name in names}, "forms": {"encoded": form}}
    (tmp_path / "prompt.yaml").write_text(yaml.safe_dump(prompt))
    assert message in told(*train("--prompt", tmp_path / "prompt.yaml"))
    assert not (tmp_path / "out-run").exists()


@pytest.mark.parametrize(
    ("verb", "lock"),
    [
        ("prepare", ".out.lock"),
        ("pretrain_encoder", ".out-run.lock"),
        ("train_adapter", ".out-run.lock"),
        ("evaluate", ".out.lock"),
        ("classify", ".out.lock"),
    ],
)
def test_a_second_writer_of_the_same_folder(told, tmp_path, monkeypatch, verb, lock):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(atomic_write, "WAIT_S", 0.0)
    with (tmp_path / lock).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        line = told(verb, *FINE[verb], quiet=verb not in ("prepare", "evaluate"))
    run = "out-run" if "run" in lock else "out"
    assert f"another process is writing '{tmp_path / run}'; wait until it has ended, or " in line
    assert sorted(path.name for path in tmp_path.iterdir()) == [lock]


def test_a_full_disk_leaves_the_old_adapter_whole(told, given, tmp_path, monkeypatch):
    old = tmp_path / "old"
    shutil.copytree(given["ADAPTER"], old)
    before = {path.name: path.read_bytes() for path in old.iterdir()}

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(adapter_files, "save_file", full)
    words = train("--out", old, "--loop.steps=1", "--loop.batch_size=4")
    assert "No space left on device" in told(*words, quiet=False)
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert json.loads(before["sensor2llm.json"])["kind"] == "adapter"
