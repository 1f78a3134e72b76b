"""The package's root: lazy names, whatever was imported before."""

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


def test_classify_is_the_function_also_once_the_verb_is_imported():
    from sensor2llm.tasks.classification import classify

    model, heard = small_model(), windows(2)
    expected = classify(model, heard)
    from sensor2llm.classify import main

    assert callable(main)
    assert sensor2llm.classify(model, heard, batch_size=8) == expected

    from sensor2llm import classify as again

    assert again(model, heard) == expected
