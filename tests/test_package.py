"""The package's root: lazy names, whatever was imported before."""

import importlib
import subprocess
import sys

import pytest

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
    assert "usage: python -m sensor2llm.classify ADAPTER FILE" in done.stdout
