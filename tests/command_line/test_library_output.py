"""What libraries print does not reach the terminal; what we print does."""

import importlib
import logging
import os
import subprocess
import sys
import types
from pathlib import Path

import jsonargparse
import pytest

from sensor2llm.cli.program import VERBS, module_name
from sensor2llm.library_output import library_output, log_library_output

ROOT = Path(__file__).resolve().parents[2]
# Everything that a library may do to be heard; in a module of its own, as a library is.
LIBRARY = """
import logging, os, subprocess, sys, threading, warnings

handler = logging.StreamHandler()
own = logging.getLogger("noisy.own")
own.addHandler(handler)
own.propagate = False


def shout():
    warnings.warn("NOISE a warning", FutureWarning, stacklevel=2)
    warnings.warn("NOISE a deprecation", DeprecationWarning, stacklevel=1)
    logging.getLogger("noisy").warning("NOISE a logger")
    logging.getLogger("noisy").error("NOISE an error's logger")
    own.warning("NOISE a handler of its own")
    logging.StreamHandler().emit(logging.makeLogRecord({"msg": "NOISE a late handler"}))
    print("NOISE to standard output")
    print("NOISE to standard error", file=sys.stderr)
    sys.stderr.writelines(["NOISE line by line\\n"])
    os.write(2, b"NOISE from C\\n")
    subprocess.run([sys.executable, "-S", "-c", "import os; os.write(2, b'NOISE a child')"])
    thread = threading.Thread(target=lambda: print("NOISE from a thread"))
    thread.start()
    thread.join()
"""
NOISES = 12
PROGRAM = """
import logging, sys, warnings
sys.path.insert(0, {folder!r})
from rich.console import Console
from sensor2llm.errors import ConfigError, run_verb
from sensor2llm.library_output import log_library_output


def main():
    import noisy

    warnings.simplefilter("always")
    noisy.shout()
    logging.getLogger("sensor2llm.x").info("our log")
    print("our result")
    print("our word", file=sys.stderr)
    Console(stderr=True).print("our bar")
    if {log!r}:
        log_library_output(__import__("pathlib").Path({log!r}))
        noisy.shout()
    raise ConfigError("our error")


code = run_verb(main)
print("after")
sys.exit(code)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "noisy.py").write_text(LIBRARY)
    return tmp_path


def run(folder, log=""):
    program = PROGRAM.format(folder=str(folder), log=log)
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_only_our_lines_reach_the_terminal(folder):
    done = run(folder)
    assert done.returncode == 2
    assert done.stdout == "our result\nafter\n"
    assert done.stderr == "our log\nour word\nour bar\nerror: our error\n"


def test_a_runs_log_file_has_the_others_from_before_and_after(folder):
    log = folder / "run" / "log.txt"
    done = run(folder, str(log))
    assert done.stderr == "our log\nour word\nour bar\nerror: our error\n"
    assert log.read_text().count("NOISE") >= 2 * NOISES
    assert "our" not in log.read_text()


def test_a_log_file_that_is_there_is_gone_on_with(folder):
    log = folder / "log.txt"
    log.write_text("of an earlier run\n")
    run(folder, str(log))
    assert log.read_text().startswith("of an earlier run\n")
    assert log.read_text().count("NOISE") >= 2 * NOISES


def test_a_library_that_replaces_print_takes_none_of_our_lines(monkeypatch, capfd):
    # It writes by itself: where other tests ran before, print is Ray's already.
    library = types.ModuleType("noisy")
    hijacked = "import sys\ndef hijacked(*words): sys.stdout.write(' '.join(words) + '\\n')"
    exec(f"{hijacked}\ndef shout(): print('NOISE')", library.__dict__)
    monkeypatch.setattr("builtins.print", library.hijacked)
    ours = types.ModuleType("sensor2llm.verb")
    exec("def tell(): print('our result')", ours.__dict__)
    with library_output():
        ours.tell()
        library.shout()
    assert capfd.readouterr().out == "our result\n"


def test_everything_has_its_place_again_afterwards(capfd):
    before = sys.stdout, sys.stderr, os.fstat(2)
    with pytest.raises(KeyError), library_output():
        raise KeyError(os.write(2, b"NOISE"))
    assert (sys.stdout, sys.stderr) == before[:2]
    assert os.path.samestat(os.fstat(2), before[2])
    print("ours again")
    assert capfd.readouterr() == ("ours again\n", "")


def test_a_block_within_a_block_changes_nothing(capfd):
    with library_output():
        stream = sys.stderr
        with library_output():
            assert sys.stderr is stream
        os.write(2, b"NOISE")
    assert capfd.readouterr().err == ""


def test_without_a_log_file_it_is_there_for_who_debugs(caplog, capfd):
    with caplog.at_level(logging.DEBUG), library_output():
        os.write(2, b"NOISE")
    assert caplog.messages == ["libraries printed: NOISE"]


def test_outside_a_verb_nothing_is_held(tmp_path):
    log_library_output(tmp_path / "log.txt")
    assert not (tmp_path / "log.txt").exists()


@pytest.fixture
def noisy_options(monkeypatch):
    """Let a library shout within every verb, when its options are read."""
    library = types.ModuleType("noisy")
    exec(LIBRARY.replace("warnings.warn", "(lambda *given, **more: None)"), library.__dict__)
    read = jsonargparse.ArgumentParser.parse_args

    def parse_args(*given, **more):
        library.shout()
        shouted.append(1)
        return read(*given, **more)

    shouted = []
    monkeypatch.setattr(jsonargparse.ArgumentParser, "parse_args", parse_args)
    yield shouted
    library.own.removeHandler(library.handler)


@pytest.mark.parametrize(
    ("module", "words"),
    [(module_name(verb), []) for verb in VERBS]
    + [("tokenization_study.__main__", [verb]) for verb in ("audit", "compare")],
)
def test_no_verb_lets_a_library_through(module, words, noisy_options, capfd):
    verb = importlib.import_module(module)
    assert verb.main([*words, "--no_such_option=1"]) == 2
    printed = capfd.readouterr()
    assert noisy_options
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    assert "NOISE" not in line
