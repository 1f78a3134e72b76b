"""`--help` fits a screen and loads no heavy library; `--help-all` lists every option."""

import argparse
import contextlib
import importlib
import io
import subprocess
import sys

import pytest

from sensor2llm.cli.program import VERBS, module_name
from sensor2llm.command.help import WIDTH, find_option
from sensor2llm.command.words import dashed

HEAVY = ("torch", "transformers", "scipy", "pandas", "sklearn", "matplotlib", "pyarrow")
MODULES = {verb: module_name(verb) for verb in VERBS}
MODULES |= {verb: f"tokenization_study.{verb}_command" for verb in ("audit", "compare")}
MOST_LINES, MOST_OPTIONS = 40, 25
# One process for all: what an earlier verb has not loaded, it cannot hide.
SCRIPT = """
import contextlib, importlib, io, sys
for verb in {modules}:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            code = importlib.import_module(verb).main(["--help"])
        except SystemExit as stop:
            code = stop.code
    loaded = [name for name in {heavy} if name in sys.modules]
    assert not code and not loaded, (verb, code, loaded)
    assert text.getvalue().startswith("usage: "), verb
"""


def help_of(verb: str, option: str = "--help") -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        importlib.import_module(MODULES[verb]).main([option])
    return text.getvalue()


def test_help_imports_nothing_heavy():
    script = SCRIPT.format(modules=["sensor2llm.cli.program", *MODULES.values()], heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", MODULES)
def test_help_fits_a_screen(verb):
    lines = help_of(verb).splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= WIDTH
    assert any(line.endswith("--help-all` lists every option.") for line in lines)


def options_of(verb: str) -> list[str]:
    parser = importlib.import_module(MODULES[verb]).make_parser()
    return [
        action.option_strings[0]
        for action in parser._actions
        if action.option_strings and action.help != argparse.SUPPRESS
    ]


@pytest.mark.parametrize("verb", MODULES)
def test_every_listed_option_is_there_and_has_its_line(verb):
    module = importlib.import_module(MODULES[verb])
    parser, lines = module.make_parser(), help_of(verb).splitlines()
    assert len(module.OPTIONS) <= MOST_OPTIONS
    assert len(set(module.OPTIONS)) == len(module.OPTIONS)
    for name in module.OPTIONS:
        assert find_option(parser, name).help
        assert name == dashed(name)
        assert sum(line.startswith(f"  --{name} ") for line in lines) == 1


@pytest.mark.parametrize("verb", MODULES)
def test_two_examples_stand_in_it(verb):
    examples = [line for line in help_of(verb).splitlines() if f"  sensor2llm {verb}" in line]
    assert len(examples) == 2


@pytest.mark.parametrize("verb", MODULES)
def test_help_all_lists_every_option_with_dashes(verb):
    text = help_of(verb, "--help-all")
    lines = {line.split()[0].rstrip(",") for line in text.splitlines() if line.strip()}
    assert {dashed(name) for name in options_of(verb)} - {"-h"} <= lines
    assert not [word for word in lines if word.startswith("--") and "_" in word]


@pytest.mark.parametrize("verb", MODULES)
def test_what_is_left_out_for_speed_is_not_missed(verb, monkeypatch):
    text, every = help_of(verb), options_of(verb)
    monkeypatch.setattr(sys, "argv", ["verb", "--help"])
    assert help_of(verb) == text
    monkeypatch.setattr(sys, "argv", ["verb", "--help", "--help-all"])
    assert options_of(verb) == every


def test_what_must_be_given_stands_in_the_usage():
    assert help_of("evaluate").startswith(
        "usage: python -m sensor2llm.evaluate ADAPTER --data STORE [options]\n"
    )
    assert help_of("study", "--help-all").startswith(
        "usage: python -m sensor2llm.study --config FILE [options]\n"
    )


@pytest.mark.parametrize(
    ("started", "program"),
    [
        ("/usr/bin/sensor2llm", "sensor2llm classify"),
        ("C:/x/sensor2llm.exe", "sensor2llm classify"),
        ("/lib/sensor2llm/__main__.py", "python -m sensor2llm classify"),
        ("/lib/sensor2llm/classify.py", "python -m sensor2llm.classify"),
    ],
)
def test_it_names_the_program_as_it_was_started(monkeypatch, started, program):
    monkeypatch.setattr(sys, "argv", [started])
    assert help_of("classify").startswith(f"usage: {program} [ADAPTER] [FILE] … [options]\n")


def test_a_default_a_choice_and_a_list_are_shown():
    lines = help_of("study").splitlines()
    assert any(line.startswith("  --engine local|ray ") and "[local]" in line for line in lines)
    assert any(line.startswith("  --folds N … ") and "[0, 1, 2, 3, 4]" in line for line in lines)
    assert any(line.startswith("  --labels.by block|subject … ") for line in lines)


def test_every_verb_has_its_line():
    assert all(VERBS.values())
