"""What `classify` and `chat` load: labels and answers come without what draws and counts."""

import subprocess
import sys

import pytest

from tests.verbs import llm_folder, save_adapter, save_recording

# pyarrow imports pandas, and scikit-learn does, wherever it is installed.
LATE = ("sklearn", "pandas", "scipy.signal", "matplotlib")
SCRIPT = """
import importlib, sys
main = importlib.import_module("sensor2llm." + sys.argv[1]).main
assert main(sys.argv[2:]) == 0
loaded = [name for name in {late} if name in sys.modules]
assert not loaded, loaded
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    base = tmp_path_factory.mktemp("start")
    adapter, file = save_adapter(base / "adapter"), save_recording(base / "walk.csv")
    llm = ["--llm", llm_folder()]
    return {
        "classify": [str(adapter), str(file), *llm],
        "chat": [str(adapter), "--window", str(file), *llm],
    }


@pytest.mark.parametrize(("verb", "answer"), [("classify", "0.00 s"), ("chat", "accel")])
def test_answers_come_without_heavy_libraries_that_they_do_not_need(words, verb, answer):
    command = [sys.executable, "-c", SCRIPT.format(late=LATE), verb, *words[verb]]
    done = subprocess.run(command, input="Activity?\n", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert answer in done.stdout
