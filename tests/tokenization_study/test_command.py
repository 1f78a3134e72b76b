"""The command: its answers, exit codes and errors."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sensor2llm
from sensor2llm.command import parse, to_config
from tokenization_study import audit_command, compare_command
from tokenization_study.__main__ import main
from tokenization_study.comparison.config import ComparisonConfig

LINES = "".join(f"1600,A,{i},{i * i % 17 / 8}\n" for i in range(40))


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text(LINES)
    return path


def test_a_report_is_written_and_summed_up(lines, tmp_path, capsys):
    code = main(["audit", str(lines), "--tokenizer", "bundled", "--serialiser", "as_written",
                 "fixed", "--out", str(tmp_path / "out"), "--data.rate_hz", "20"])  # fmt: skip
    said = capsys.readouterr().out
    assert code == 0
    assert "worst severity" in said
    assert "report.html" in said
    plain = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert plain["command"].startswith("python -m tokenization_study audit")
    assert {m["serialiser"] for m in plain["measures"]} == {"as_written", "fixed"}
    assert plain["measures"][0]["tokens_per_second"] > 0


def test_json_is_one_object(lines, capsys):
    assert main(["audit", str(lines), "--tokenizer", "bundled", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == 1


def test_fail_on_makes_it_usable_in_checks(lines, capsys):
    given = ["audit", str(lines), "--tokenizer", "bundled", "--fail-on"]
    assert main([*given, "low"]) == 1
    assert main([*given, "critical"]) == 2
    assert "unknown fail-on 'critical'; choose from low, medium, high" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.txt", "--tokenizer", "bundled"], "missing.txt does not exist"),
        (["INPUT", "--tokenizer", "nowhere.json"], "no tokenizer at 'nowhere.json'"),
        (["INPUT", "--serialiser", "speling"], "unknown serialiser 'speling'"),
        (["INPUT", "--out", "INPUT"], "it is a file; name a folder"),
        (["INPUT", "--data.window_steps", "0"], "window_steps must be positive, got 0"),
        (["INPUT", "--threads", "0"], "threads must be positive, got 0"),
        (["INPUT", "--comparison", "INPUT"], "is no comparison's JSON"),
        (["INPUT", "--tokenizr", "bundled"], "did you mean --?tokenizer|unknown option"),
        ([], "missing input|input"),
    ],
)
def test_errors_are_one_line_and_exit_code_two(words, message, lines, capsys):
    words = [str(lines) if word == "INPUT" else word for word in words]
    extra = [] if not words or "--tokenizer" in words else ["--tokenizer", "bundled"]
    assert main(["audit", *words, *extra]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert re.search(message, said), said


def test_an_empty_input_is_an_error(tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("")
    assert main(["audit", str(tmp_path / "empty.txt"), "--tokenizer", "bundled"]) == 2
    assert "empty.txt is empty" in capsys.readouterr().err


def test_an_unknown_verb_is_an_error(capsys):
    assert main(["adit"]) == 2
    assert "unknown verb 'adit'; choose from audit" in capsys.readouterr().err
    assert main([]) == 0
    assert "audit" in capsys.readouterr().out


def test_standard_input_is_read(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tokenization_study", "audit", "-", "--tokenizer", "bundled"],
        input=LINES, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("standard input: worst severity")


@pytest.mark.parametrize("words", [["bundled", "tok.json"], ["bundled,tok.json"]])
def test_lists_have_spaces_or_commas(words, lines, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path(sensor2llm.__file__).parent / "llm" / "bundled"
    shutil.copy(folder / "tokenizer.json", tmp_path / "tok.json")
    forms = ["fixed", "as_written"] if len(words) > 1 else ["fixed,as_written"]
    given = ["audit", str(lines), "--json", "--tokenizer", *words, "--serialiser", *forms]
    assert main(given) == 0
    measures = json.loads(capsys.readouterr().out)["measures"]
    assert {m["tokenizer"] for m in measures} == {"bundled", "tok"}
    assert {m["serialiser"] for m in measures} == {"fixed", "as_written"}


@pytest.mark.parametrize("columns", [["4", "5"], ["4,5"], ['["4", "5"]']])
def test_columns_have_spaces_or_commas(columns):
    parser = audit_command.make_parser()
    options = parse(parser, ["x", "--data.columns", *columns])
    assert parser.instantiate(options).data.columns == ("4", "5")


@pytest.mark.parametrize("words", [["plain", "digits_spaced"], ["plain,digits_spaced"]])
def test_compare_takes_serialisers_with_spaces_or_commas(words):
    parser = compare_command.make_parser()
    given = ["--adapter", "a", "--data", "d", "--serialisers", *words]
    config = to_config(parser, parse(parser, given), ComparisonConfig)
    assert config.serialisers == ("plain", "digits_spaced")


def test_memory_does_not_grow_with_the_input(tmp_path):
    """Ten times as many lines need no more memory."""
    rows = "".join(f"1600,A,{i},{i / 7:.4f},{-i / 3:.4f}\n" for i in range(4000))
    script = (
        "import resource, sys\nfrom tokenization_study.reading import lines\n"
        "lines.BLOCK_BYTES = 1 << 16\n"
        "from tokenization_study.__main__ import main\n"
        "given = ['audit', sys.argv[1], '--tokenizer', 'bundled']\n"
        "given += ['--audit.sample_values', '1000']\n"
        "assert main(given) == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    peaks = []
    for times in (1, 10):
        path = tmp_path / f"{times}.txt"
        path.write_text(rows * times)
        done = subprocess.run(
            [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 15, f"{peaks} MiB"


def test_numbers_of_a_store_are_audited(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", accel=np.random.default_rng(0).normal(size=(4, 3, 20)))
    assert main(["audit", str(tmp_path / "x.npz"), "--tokenizer", "bundled"]) == 0
    assert "digits_spaced" in capsys.readouterr().out
