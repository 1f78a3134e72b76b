"""The one program finds verbs, its own and those that other packages bring."""

import importlib
import json
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import sensor2llm
from sensor2llm.cli import listing
from sensor2llm.cli import program as cli
from sensor2llm.llm.catalogue.entries import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "entry-points"
]
MOST_LINES = 60


@pytest.fixture(autouse=True)
def declared(monkeypatch):
    """Let entry points be those of pyproject.toml, also where another clone is installed."""

    def entry_points(group: str) -> EntryPoints:
        return EntryPoints(EntryPoint(*item, group) for item in PLUGINS.get(group, {}).items())

    for module in (cli, listing):
        monkeypatch.setattr(module, "entry_points", entry_points)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]])
def test_without_a_verb_the_verbs_are_listed(arguments, capsys):
    assert cli.main(arguments) == 0
    listed = capsys.readouterr().out
    assert "usage: sensor2llm VERB" in listed
    verbs = [line.split()[0] for line in listed.splitlines() if line.startswith("  ")]
    assert verbs == [
        *("init", "prepare", "pretrain-encoder", "train-adapter", "evaluate", "classify"),
        *("listen", "fit-axes", "chat", "serve", "mcp", "study", "get", "audit", "compare", "list"),
        "completion",
    ]


def test_the_package_is_the_program():
    run = [sys.executable, "-m", "sensor2llm"]
    done = subprocess.run([*run, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: sensor2llm VERB")
    done = subprocess.run([*run, "chat", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: python -m sensor2llm chat ADAPTER [options]\n")


def test_the_version_is_that_of_the_project(capsys):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"sensor2llm {project['version']}\n"
    assert sensor2llm.__version__ == project["version"]


@pytest.mark.parametrize("verb", ["evaluat", "train-adaptor", "__main__", "cli", "errors"])
def test_unknown_verb_is_one_line_and_exit_2(verb, capsys):
    assert cli.main([verb]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"error: unknown verb '{verb}'; choose from init, prepare, ")
    assert ", audit, compare, " in lines[0]


@pytest.mark.parametrize(
    ("verb", "module"),
    [
        ("classify", "sensor2llm.classify"),
        ("train-adapter", "sensor2llm.train_adapter"),
        ("train_adapter", "sensor2llm.train_adapter"),
        ("audit", "tokenization_study audit"),
        ("compare", "tokenization_study compare"),
        ("list", "sensor2llm list"),
    ],
)
def test_a_verb_gets_its_own_arguments(verb, module, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([verb, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m {module} ")


def test_a_verb_passes_its_exit_code_on(tmp_path, capsys):
    missing = str(tmp_path / "nowhere")
    assert cli.main(["classify", missing, missing]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    (tmp_path / "lines.txt").write_text("".join(f"{i},{i / 7:.4f}\n" for i in range(40)))
    audit = ["audit", str(tmp_path / "lines.txt"), "--tokenizer", "bundled", "--fail-on", "low"]
    assert cli.main(audit) == 1


def test_a_verb_is_short():
    modules = [cli.module_name(verb) for verb in cli.VERBS]
    files = [Path(importlib.import_module(name).__file__) for name in modules]
    long = {file.name: len(file.read_text().splitlines()) for file in files}
    assert not {name: lines for name, lines in long.items() if lines > MOST_LINES}


def listed(capsys, *kinds: str) -> dict[str, dict[str, str]]:
    assert cli.main(["list", *kinds, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_everything_with_a_name_is_listed(capsys):
    kinds = listed(capsys)
    assert list(kinds) == list(listing.KINDS)
    assert "windows of 2.56 s of body_acc" in kinds["adapters"]["uci-har-bundled"]
    assert kinds["adapters"]["uci-har-bundled"].startswith("classification of 6 labels")
    assert kinds["adapters"]["uci-har-questions-bundled"].startswith("question answering: windows")
    assert kinds["encoders"]["uci-har-encoder"].startswith("windows of 2.56 s")
    assert kinds["datasets"]["wesad"].startswith("WESAD: chest and wrist, 15 people")
    assert {"simulated", "joined"} <= set(kinds["datasets"])
    assert kinds["prompts"]["activity"].endswith("motion sensors show?")
    assert list(kinds["llms"]) == ["bundled", *CATALOGUE]
    assert kinds["tokenizers"]["bundled"].endswith("8,192 tokens")


@pytest.mark.parametrize("words", [["llms", "prompts"], ["llms,prompts"]])
def test_some_kinds_are_listed(words, capsys):
    assert list(listed(capsys, *words)) == ["llms", "prompts"]
    assert cli.main(["list", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "llms"
    assert lines[1].startswith("  bundled  ")
    assert lines[2].startswith("  smollm2  ")
    assert lines[3] == "prompts"
    assert cli.main(["list", "llms"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_an_unknown_kind_is_one_line(capsys):
    assert cli.main(["list", "llms", "models"]) == 2
    assert capsys.readouterr().err == (
        "error: unknown kind 'models'; choose from adapters, encoders, datasets, prompts, llms, "
        "tokenizers\n"
    )


BASH = """
source {script}
words=({words})
COMP_WORDS=("${{words[@]}}") COMP_CWORD=$((${{#words[@]}} - 1))
$(complete -p sensor2llm | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "sensor2llm"
    done = [sys.executable, "-m", "sensor2llm", "completion", "bash"]
    path.write_text(subprocess.run(done, capture_output=True, text=True, check=True).stdout)
    return path


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("sensor2llm tr", ["train-adapter"]),
        ("sensor2llm c", ["classify", "chat", "completion"]),
        ("sensor2llm train-adapter --loop.lea", ["--loop.learning-rate"]),
        ("sensor2llm classify --batch", ["--batch-size"]),
        ("sensor2llm classify --engine r", ["ray"]),
        ("sensor2llm completion f", ["fish"]),
    ],
)
def test_bash_completes(bash_script, words, completions):
    script = BASH.format(script=bash_script, words=words)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"compare"} == set(completions)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "train-adapter" in script
    assert "audit" in script
    assert "loop.learning-rate" in script
    assert "learning_rate" not in script
