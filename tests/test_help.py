"""`--help` of every verb answers without the heavy libraries."""

import subprocess
import sys

import pytest

from sensor2llm.cli import VERBS, _installed

HEAVY = ("torch", "transformers", "scipy", "pandas", "sklearn", "matplotlib")
SCRIPT = """
import runpy, sys
sys.argv = ["verb", "--help"]
try:
    runpy.run_module("sensor2llm.{verb}", run_name="__main__")
except SystemExit as stop:
    assert not stop.code, stop.code
loaded = [name for name in {heavy} if name in sys.modules]
sys.exit(f"loaded {{loaded}}" if loaded else 0)
"""


@pytest.mark.parametrize("verb", _installed())
def test_help_imports_nothing_heavy(verb):
    script = SCRIPT.format(verb=verb, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_the_list_of_verbs_imports_nothing_heavy():
    script = SCRIPT.format(verb="cli", heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_verb_has_its_line():
    assert all(VERBS.values())
