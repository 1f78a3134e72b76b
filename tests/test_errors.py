"""What a verb says where something cannot be: one short line, whole at both ends."""

import logging

import pytest

from sensor2llm.errors import LONGEST_LINE, DataError, listed, one_line, run_verb
from sensor2llm.library_output import StderrHandler


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("walk.csv is empty;\n  record it again"),
         "error: walk.csv is empty; record it again"),
        (FileNotFoundError(2, "No such file", "a.csv"), "error: cannot use a.csv: No such file"),
        (OSError(5, "Input/output error"), "error: Input/output error"),
        (OSError("no device"), "error: no device"),
        (DataError("a\x1b[2Jb\udcffc"), "error: a\\x1b[2Jb\\udcffc"),
        (MemoryError("Unable to allocate 9 GiB"),
         "error: not enough memory (Unable to allocate 9 GiB)"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_and_exit_code_two(error, line, capsys):
    assert run_verb(lambda: fail(error)) == 2
    assert capsys.readouterr().err == line + "\n"


def test_a_long_line_keeps_what_was_given_and_what_to_do(capsys):
    names = ", ".join(f"column_{i}" for i in range(1000))
    error = DataError(f"walk.csv: no column 'x'; it has {names}; rename one of them")
    assert run_verb(lambda: fail(error)) == 2
    line = capsys.readouterr().err.removesuffix("\n")
    assert len(line) <= LONGEST_LINE == 300
    assert line.startswith("error: walk.csv: no column 'x'; it has column_0, column_1")
    assert line.endswith("column_999; rename one of them")
    assert " … " in line


def test_a_message_is_short_wherever_it_is_caught():
    error = DataError("walk.csv: " + "x" * 1000 + "; rename it")
    assert len(f"error: {error}") == 300
    assert str(error).endswith("; rename it")
    assert str(DataError("a short  one\n")) == "a short one"


@pytest.mark.parametrize("length", [299, 300, 301, 5000])
def test_no_line_is_longer_than_the_limit(length):
    line = one_line("x" * length)
    assert len(line) == min(length, 300)
    assert ("…" in line) == (length > 300)


def test_the_first_names_of_very_many_are_listed():
    assert listed("abc") == "a, b, c"
    assert listed(["", "x"]) == "'', x"
    assert listed(map(str, range(11))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"
    assert listed(map(str, range(12))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (2 more)"
    assert len(listed("x" * 900 for _ in range(900))) < 650


def test_an_error_without_words_is_called_by_its_kind():
    assert one_line(KeyError()) == "KeyError"


@pytest.mark.parametrize(
    ("rank", "lines"), [("", "told\nbroken\n"), ("0", "told\nbroken\n"), ("1", "broken\n")]
)
def test_of_processes_launched_together_the_first_one_speaks(rank, lines, monkeypatch, capsys):
    monkeypatch.setenv("RANK", rank)
    for level, text in ((logging.WARNING, "told"), (logging.ERROR, "broken")):
        StderrHandler().handle(logging.LogRecord("sensor2llm", level, "", 0, text, None, None))
    assert capsys.readouterr().err == lines
