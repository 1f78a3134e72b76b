"""The console script finds verbs."""

import pytest

from sensor2llm import cli


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]])
def test_without_a_verb_the_verbs_are_listed(arguments, capsys):
    assert cli.main(arguments) == 0
    listed = capsys.readouterr().out
    assert "usage: sensor2llm VERB" in listed
    assert all(f"  {verb} " in listed for verb in ("evaluate", "classify", "chat"))


def test_unknown_verb_is_one_line_and_exit_2(capsys):
    assert cli.main(["evaluat"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: unknown verb 'evaluat'; choose from ")


def test_a_verb_gets_its_own_arguments(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["classify", "--help"])
    assert "sensor2llm.classify" in capsys.readouterr().out


def test_a_verb_passes_its_exit_code_on(tmp_path, capsys):
    missing = str(tmp_path / "nowhere")
    assert cli.main(["classify", missing, missing]) == 2
    assert capsys.readouterr().err.startswith("error: ")
