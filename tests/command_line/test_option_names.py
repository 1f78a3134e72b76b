"""Messages name only options that there are."""

import ast
import contextlib
import importlib
import io
import re
from pathlib import Path

import pytest

from sensor2llm.cli.program import VERBS, module_name

ROOT = Path(__file__).resolve().parents[2]
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9_-]*)*)")
# Of `accelerate launch`, `torchrun` and `ray start`, which some messages and examples name.
# Of pip and uv, which get language models.
INSTALLERS = {
    "dest", "disable_pip_version_check", "hash", "no_build", "no_cache", "no_cache_dir", "no_deps",
    "no_input", "only_binary", "python", "quiet", "require_hashes", "requirement", "retries",
    "target", "timeout",
}  # fmt: skip
OTHERS = {"multi_gpu", "num_processes", "nproc_per_node", "head", "version"}
# What was called otherwise before, and is still read.
FORMER = {"tell"}
GROUPS = {"simulation"}


def help_text(module: str, *words: str) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        importlib.import_module(module).main([*words, "--help-all"])
    return shown.getvalue()


@pytest.fixture(scope="module")
def options() -> set[str]:
    texts = [help_text(module_name(verb)) for verb in VERBS]
    texts += [help_text("tokenization_study.__main__", verb) for verb in ("audit", "compare")]
    words = OPTION.findall("\n".join(texts))
    return {word.replace("-", "_") for word in words} | OTHERS | INSTALLERS | FORMER | GROUPS


def named_options(path: Path) -> set[str]:
    """Give the options that the texts of a module name, docstrings included."""
    constants = (
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {word.replace("-", "_") for text in constants for word in OPTION.findall(text)}


def test_what_is_named_is_there(options):
    assert {"data", "out", "simulation.subjects", "fail_on"} <= options
    unknown = {
        f"{path.relative_to(ROOT)}: --{word}"
        for package in ("sensor2llm", "tokenization_study")
        for path in (ROOT / package).rglob("*.py")
        for word in named_options(path) - options
    }
    assert not unknown
