"""The wheel works in an environment of its own, far from the clone, and says only what is ours."""

import csv
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from sensor2llm.cli.listing import KINDS
from sensor2llm.cli.program import VERBS
from sensor2llm.signals.store.store import WindowStore

ROOT = Path(__file__).resolve().parents[1]


class Installed:
    """An environment that holds the wheel and borrows the dependencies of this one."""

    def __init__(self, folder: Path):
        self.folder, self.bin = folder, folder / "env" / "bin"

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        program = [str(self.bin / str(words[0])), *map(str, words[1:])]
        return subprocess.run(
            program, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=300
        )

    def result(self, *words: object) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    """Build the wheel, install it alone, then let the environment see the dependencies."""
    folder = tmp_path_factory.mktemp("far")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", folder], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("sensor2llm-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "env" / "bin" / "python"]
    subprocess.run([*pip, "--quiet", "install", "--no-deps", "--no-index", wheel], check=True)
    # A path in a .pth file; the editable clone's own .pth file there is not read.
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(folder)


@pytest.fixture(scope="module")
def store(installed) -> Path:
    """Simulate a phone at the waist: 3 people, a few windows of each activity."""
    words = ["--simulation.scenario", "phone", "--simulation.subjects", 3, "--out", "phone"]
    words += ["--simulation.sessions", 1, "--simulation.bout_s", 14, "--picture", "none"]
    installed.result("sensor2llm", "prepare", "simulated", *words)
    return installed.folder / "phone"


def test_the_servers_page_is_whole(installed):
    from sensor2llm.serving.page.assets import read_assets

    code = "from sensor2llm.serving.page.assets import read_assets; print(*read_assets())"
    assert installed.result("python", "-c", code).split() == list(read_assets())


def test_it_is_imported_from_its_environment(installed):
    code = "import sensor2llm, tokenization_study as t; print(sensor2llm.__file__, t.__file__)"
    for path in installed.result("python", "-c", code).split():
        assert Path(path).is_relative_to(installed.folder / "env")


def test_help_lists_the_verbs(installed):
    shown = installed.result("sensor2llm", "--help")
    assert all(f"  {verb} " in shown for verb in (*VERBS, "audit", "compare"))


def test_names_are_listed(installed):
    kinds = json.loads(installed.result("sensor2llm", "list", "--json"))
    assert set(kinds) == set(KINDS)
    assert "uci-har-bundled" in kinds["adapters"]
    assert "activity" in kinds["prompts"]
    assert "bundled" in kinds["llms"]
    assert "bundled" in kinds["tokenizers"]


def test_a_released_adapter_labels_a_simulated_phones_windows(installed, store):
    done = installed.run("sensor2llm", "classify", "uci-har-bundled", store, "--out", "labels.csv")
    assert done.returncode == 0
    with (installed.folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    windows = WindowStore.open(store)
    assert windows.source.startswith("simulated: ")
    assert len(rows) == len(windows) > 50
    name, lines = Path(store).name, done.stderr.splitlines()
    assert lines[0] == f"{name}: windows: {len(rows)}, {len(rows)} kept"
    assert [line for line in lines if " unlike " in line] == lines[1:]
    right = [row["label"] == windows[i].label for i, row in enumerate(rows)]
    assert np.mean(right) > 0.85


def test_an_adapter_is_trained_on_a_few_windows(installed, store):
    words = ["--data", store, "--encoder", "uci-har-encoder", "--loop.steps", 2, "--out", "mine"]
    done = installed.run("sensor2llm", "train_adapter", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["llm_unchanged"]
    assert (installed.folder / "mine" / "bridge.safetensors").is_file()
    ours = ("━", "validation macro-F1: ", "warning: validation macro-F1: ")
    assert [line for line in done.stderr.splitlines() if not line.startswith(ours)] == []


def test_numbers_are_audited(installed):
    lines = [f"{i / 50},{np.sin(i / 5):.4f}" for i in range(200)]
    (installed.folder / "walk.csv").write_text("\n".join(["time_s,x", *lines]) + "\n")
    for program in (["sensor2llm"], ["python", "-m", "tokenization_study"]):
        done = installed.run(*program, "audit", "walk.csv", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)
