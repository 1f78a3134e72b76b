"""`--help` of every verb answers without the heavy libraries, and keeps its examples' lines."""

import subprocess
import sys

from sensor2llm.cli import VERBS, _installed

HEAVY = ("torch", "transformers", "scipy", "pandas", "sklearn", "matplotlib", "pyarrow")
# One process for all: what an earlier verb has not loaded, it cannot hide.
SCRIPT = """
import contextlib, importlib, io, sys
for verb in {verbs}:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            code = importlib.import_module("sensor2llm." + verb).main(["--help"])
        except SystemExit as stop:
            code = stop.code
    loaded = [name for name in {heavy} if name in sys.modules]
    assert not code and not loaded, (verb, code, loaded)
    print(said.getvalue())
"""


def test_help_imports_nothing_heavy_and_shows_a_line_an_example():
    script = SCRIPT.format(verbs=["cli", *_installed()], heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for verb in _installed():
        assert any(line.startswith(f"usage: python -m sensor2llm.{verb} ") for line in lines)
        assert any(line.startswith(f"python -m sensor2llm.{verb} ") for line in lines)
    assert "usage: python -m sensor2llm.evaluate ADAPTER --data STORE [options]" in lines


def test_every_verb_has_its_line():
    assert all(VERBS.values())
