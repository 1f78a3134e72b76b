"""The verb `study`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sensor2llm.cli.program import VERBS
from sensor2llm.cli.program import main as cli
from sensor2llm.command import parse, to_config
from sensor2llm.studies.config import StudyConfig
from sensor2llm.study import command_of, main, make_parser
from tests.studies.made_up import mostly_right, write_cells
from tests.studies.toy_study import write_store

SMALL = {"width": 8, "kernels": [5, 3, 3], "aggregator_hidden": 8, "aggregator_width": 8}
LOOP = {"epochs": 1, "batch_size": 16, "precision": "float32"}


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> Path:
    """Give a grid of a small store, and the folder of its finished cells."""
    folder = tmp_path_factory.mktemp("verb")
    content = {
        "name": "Toy",
        "stores": {"toy": {"path": str(write_store(folder / "store"))}},
        "methods": {"supervised": {}, "crossl": {"objective": "crossl", "use": ["fixed"]}},
        "folds": [0],
        "encoder": SMALL,
        "pretrain_loop": LOOP,
        "finetune_loop": LOOP,
        "probe_loop": LOOP,
        "finetune_min_steps": 1,
        "workers": 1,
        "out": str(folder / "out"),
    }
    (folder / "grid.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder / "grid.yaml"


def changed(grid: Path, path: Path, **changes) -> Path:
    path.write_text(yaml.safe_dump(yaml.safe_load(grid.read_text()) | changes, sort_keys=False))
    return path


def test_a_grid_is_run_and_told_and_told_again(grid, capsys):
    assert main(["--config", str(grid)]) == 0
    told = capsys.readouterr().out
    folder = grid.parent / "out"
    assert (folder / "README.md").read_text() + "\n" == told
    assert f"    python -m sensor2llm.study --config {grid}\n" in told
    assert "2 of 2 cells." in told
    times = {path: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}
    assert main(["--config", str(grid), "--report-only", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((folder / "results.json").read_text())
    assert found["command"] == f"python -m sensor2llm.study --config {grid}"
    assert [row["method"] for row in found["rows"]] == ["supervised", "crossl"]
    assert {path: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()} == times


@pytest.mark.parametrize("word", ["--report-only", "--report_only", "--tell"])
def test_report_only_runs_nothing(word, grid, tmp_path, capsys):
    assert main(["--config", str(grid), "--out", str(tmp_path), word]) == 2
    assert "holds no finished cell of this study; run it first" in capsys.readouterr().err
    parser = make_parser()
    words = [f"--config={grid}", f"--out={tmp_path}", "--folds=[0,1]"]
    write_cells(to_config(parser, parse(parser, words), StudyConfig),
                mostly_right({"supervised": 0.5, "crossl": 0.9}))  # fmt: skip
    (tmp_path / "cells" / "toy-crossl-seed0-fold1.json").unlink()
    assert main([*words, word]) == 0
    assert "3 of 4 cells." in capsys.readouterr().out
    assert len(list((tmp_path / "cells").glob("*.json"))) == 3


@pytest.mark.parametrize("word", ["--report-only", "--report_only", "--tell"])
def test_the_command_of_a_report_makes_its_numbers_again(word):
    words = ["--config", "my grid.yaml", "--folds", "[0]", word, "--json"]
    said = command_of("sensor2llm.study", words)
    assert said == "python -m sensor2llm.study --config 'my grid.yaml' --folds '[0]'"


@pytest.mark.parametrize(
    ("changes", "words", "message"),
    [
        ({"stores": {"toy": {"path": "nowhere"}}}, [], "'nowhere' is not a window store"),
        (
            {"methods": {"crossl": {"objective": "crossl", "options": {"ratio": 0.1}}}}, [],
            "options of crossl: unknown field 'ratio'; fields are mask, masking_ratio",
        ),
        (
            {"methods": {"crossl": {"objective": "crossl", "encoder": {"widht": 8}}}}, [],
            "encoder of crossl: unknown field 'widht'; fields are kind, width",
        ),
        ({}, ["--folds", "[9]"], "toy: folds must be 0 to 4, got 9"),
        ({}, ["--engine", "spark"], "unknown engine 'spark'; choose from local, ray"),
        ({"cells": 3}, [], "unknown field 'cells'"),
    ],
)  # fmt: skip
def test_what_cannot_be_ends_in_one_line(grid, tmp_path, capsys, changes, words, message):
    path = changed(grid, tmp_path / "grid.yaml", **changes)
    assert main(["--config", str(path), "--out", str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == 1
    assert not said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml' does not exist"),
        ([], "missing --name"),
    ],
)
def test_without_a_grid_there_is_one_line(words, message, capsys):
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def test_a_grid_that_is_no_yaml_is_one_line(tmp_path, capsys):
    (tmp_path / "grid.yaml").write_text("methods: {a: [")
    assert main(["--config", str(tmp_path / "grid.yaml")]) == 2
    said = capsys.readouterr().err
    assert "is no YAML" in said
    assert len(said.splitlines()) == 1


def test_the_console_script_has_the_verb(grid, capsys):
    assert "study" in VERBS
    assert cli(["study", "--config", str(grid), "--out", "nowhere", "--report-only"]) == 2
    assert "holds no finished cell" in capsys.readouterr().err


def test_the_grid_is_read_without_torch():
    script = (
        "import sys; from sensor2llm.studies import config, grid; "
        "assert not {'torch', 'scipy', 'matplotlib', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
