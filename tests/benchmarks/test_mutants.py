"""`mutants`: every change that no test notices has a reason, found by its text."""

import json
from pathlib import Path

import pytest

from benchmarks.robustness import mutants
from benchmarks.robustness.mutants import (
    Mutant,
    check,
    count_code_lines,
    read_reasons,
    settings,
    shorten,
    summarise,
    write_table,
)

MODULE = "sensor2llm/tasks/metrics.py"
CHANGE = "if a > 1: -> if a >= 1:"
REASONS = f"""
- reason: Nothing is 1.
  mutants:
  - "metrics.measure: {CHANGE}"
"""


def made(killed: int = 8, timeout: int = 1, survived: int = 1) -> list[Mutant]:
    verdicts = ["killed"] * killed + ["timeout"] * timeout
    noticed = [Mutant(MODULE, "measure", "", verdict) for verdict in verdicts]
    return noticed + [Mutant(MODULE, "measure", CHANGE, "survived")] * survived


def result(mutants, reasons):
    return {"command": "make", "mutmut": "3", "python": "3"} | summarise(mutants, reasons)


def test_a_change_is_named_by_its_text_wherever_it_moves():
    difference = (
        "--- m.py\n+++ m.py\n@@ -7,3 +7,3 @@\n def f(a):\n-    if a  > 1:\n+    if a >= 1:\n"
    )
    assert shorten(difference) == CHANGE
    assert shorten(difference.replace("-7,3 +7,3", "-90,3 +90,3")) == CHANGE


def test_a_survivor_is_joined_with_its_reason():
    found = result(made(), read_reasons(REASONS))
    assert (found["mutants"], found["noticed"]) == (10, 9)
    [survivor] = found["survivors"]
    assert survivor["reason"] == "Nothing is 1."
    assert check(found) == []
    text = write_table(found)
    assert f"| `{MODULE}` | {found['lines_of_code']} | 10 | 9 (90.0%) | 1 |" in text
    assert f"Nothing is 1.\n\n- `metrics.measure` (survived): `` {CHANGE} ``\n" in text


@pytest.mark.parametrize(
    ("mutants", "reasons", "complaint"),
    [
        (made(), "[]", f'no reason: "metrics.measure: {CHANGE}"'),
        (made(killed=4, timeout=0), REASONS, "80.0% of the mutants are noticed; 85% are wanted"),
        (
            [*made(killed=20), Mutant(MODULE, "brier", "x -> y", "not checked")],
            REASONS,
            'no reason: "metrics.brier: x -> y"',
        ),
    ],
)
def test_what_is_wrong_with_a_result_is_said(mutants, reasons, complaint):
    assert check(result(mutants, read_reasons(reasons))) == [complaint]


def test_too_much_code_is_said(monkeypatch):
    monkeypatch.setattr(mutants, "LINES", 10)
    found = result(made(), read_reasons(REASONS))
    [complaint] = check(found)
    assert complaint == f"{found['lines_of_code']} lines of code are mutated; at most 10"


def test_lines_of_code_are_those_without_blank_ones_comments_and_docstrings():
    source = (
        '"""Say."""\n\n# Why.\nA = """\ntext\n"""\n\n\ndef f(a):\n    """Do.\n\n    It.\n    """\n'
    )
    assert count_code_lines(source + "    return (\n        a  # here\n    )\n") == 3 + 1 + 3


def test_the_modules_and_tests_that_are_named_are_there():
    named = [*settings()["only_mutate"], *settings()["pytest_add_cli_args_test_selection"]]
    assert [name for name in named if not Path(mutants.ROOT / name).is_file()] == []
    sources = [(mutants.ROOT / name).read_text() for name in settings()["only_mutate"]]
    assert sum(map(count_code_lines, sources)) <= mutants.LINES


@pytest.mark.skipif(not (mutants.OUT / "mutants.json").is_file(), reason="`make mutants` is to run")
def test_the_committed_result_is_of_these_modules_and_complete():
    found = json.loads((mutants.OUT / "mutants.json").read_text())
    assert [row["module"] for row in found["modules"]] == settings()["only_mutate"]
    assert check(found) == []
    assert (mutants.OUT / "README.md").read_text() == write_table(found)
